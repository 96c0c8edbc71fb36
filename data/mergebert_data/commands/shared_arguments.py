"""Arguments that several commands of the miner declare."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from mergebert_data.dataset.dedupe import THRESHOLD


def mined(parser: ArgumentParser) -> None:
    """Declares the mined folder."""
    parser.add_argument("mined", type=Path, metavar="OUT", help="a folder that `mergebert mine` has filled")


def output(parser: ArgumentParser, name: str, what: str) -> None:
    """Declares the file or folder that the command writes."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=name, help=what)


def json_output(parser: ArgumentParser, what: str = "for programs") -> None:
    """Declares output as JSON."""
    parser.add_argument("--json", action="store_true", help=what)


def jobs(parser: ArgumentParser) -> None:
    """Declares the number of processes."""
    parser.add_argument(
        "-j", "--jobs", type=positive, default=os.cpu_count() or 1, metavar="J", help="processes (all cores)"
    )


def threshold(parser: ArgumentParser) -> None:
    """Declares the similarity from which on two conflicts are near duplicates."""
    parser.add_argument(
        "--threshold",
        type=_share,
        default=THRESHOLD,
        metavar="T",
        help=f"near duplicates share this much of their runs of five tokens ({THRESHOLD})",
    )


def context(parser: ArgumentParser, lines: int) -> None:
    """Declares the number of context lines."""
    parser.add_argument(
        "--context",
        type=_natural,
        default=lines,
        metavar="N",
        help=f"context lines before and after ({lines})",
    )


def repositories(parser: ArgumentParser) -> None:
    """Declares repositories whose first commits and licences the mined folder is to keep."""
    parser.add_argument(
        "--repositories",
        nargs="+",
        type=Path,
        default=(),
        metavar="REPO",
        help="ask these for their first commits and licences, and keep the answers in OUT",
    )


def text(words: str) -> str:
    """The words themselves; ArgumentTypeError where they are not UTF-8 and could not be written down."""
    try:
        words.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ArgumentTypeError(f"{words!r} is not UTF-8") from error
    return words


def positive(text: str) -> int:
    """The number in a text; ArgumentTypeError below one."""
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"{value} is not a positive number")
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ArgumentTypeError(f"{value} is less than none")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 1:
        raise ArgumentTypeError(f"{value} is not between 0.5 and 1")
    return value
