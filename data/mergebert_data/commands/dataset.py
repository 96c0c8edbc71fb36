"""`mergebert dataset`: count, split, clean, read, publish and rebuild what was mined."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from mergebert.example import GRADES
from mergebert_data.commands import dataset_commands as commands
from mergebert_data.dataset.dedupe import THRESHOLD
from mergebert_data.dataset.export import SHARD_BYTES
from mergebert_data.dataset.flat_rows import CONTEXT_LINES
from mergebert_data.dataset.sample import TRAITS

EXAMPLES = {
    "stats": "mergebert dataset stats out/mined --repositories",
    "split": "mergebert dataset split out/mined --keep out/before/splits.json",
    "dedupe": "mergebert dataset dedupe out/mined --threshold 0.85",
    "sample": "mergebert dataset sample out/mined -n 5 --only language=go --only grade=d",
    "export": "mergebert dataset export out/mined -o out/dataset --grades ab --distinct",
    "card": "mergebert dataset card out/mined --repositories ~/mirrors/*.git",
    "manifest": "mergebert dataset manifest out/mined -o manifest.parquet",
    "rebuild": "mergebert dataset rebuild manifest.parquet -r ~/mirrors/*.git -o out/rebuilt",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the subcommands of `mergebert dataset` and their arguments."""
    parser.description = (
        "Counts, splits, cleans, shows, publishes and rebuilds what `mergebert mine` has mined."
    )
    parser.epilog = "example:\n" + "\n".join(f"  {example}" for example in EXAMPLES.values())
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, (summary, declare, run) in _SUBCOMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"example:\n  {EXAMPLES[name]}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        declare(sub)
        sub.set_defaults(run_subcommand=run)


def run(arguments: Namespace) -> int:
    """Runs the subcommand; gives back its exit code."""
    chosen: Callable[[Namespace], int] = arguments.run_subcommand
    return chosen(arguments)


def _stats(parser: ArgumentParser) -> None:
    _mined(parser)
    parser.add_argument("--repositories", action="store_true", help="also a line for each repository")
    _json(parser)


def _split(parser: ArgumentParser) -> None:
    _mined(parser)
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep the split of every repository this splits.json names"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="for the dealing (0)")
    _repositories(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="deal nothing: look for content that stands in two splits; exit code 1 if any leaks",
    )
    _threshold(parser)
    _json(parser)


def _dedupe(parser: ArgumentParser) -> None:
    _mined(parser)
    _threshold(parser)
    parser.add_argument("--check", action="store_true", help="count duplicates and write nothing")
    _json(parser)


def _sample(parser: ArgumentParser) -> None:
    _mined(parser)
    parser.add_argument("-n", "--count", type=_count, default=10, metavar="N", help="how many conflicts (10)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, other conflicts (0)")
    parser.add_argument(
        "--by",
        type=_traits,
        default=("language", "grade", "pattern"),
        metavar="TRAITS",
        help=f"evenly over these, by commas, of {', '.join(TRAITS)} (language,grade,pattern)",
    )
    parser.add_argument(
        "--only",
        type=_wanted,
        action="append",
        default=[],
        metavar="TRAIT=VALUE",
        help="only such conflicts; may be repeated",
    )
    _context(parser, 5)
    _json(parser, "one JSON object a line, whole texts")


def _export(parser: ArgumentParser) -> None:
    _mined(parser)
    _output(parser, "FOLDER", "a new folder")
    parser.add_argument(
        "--grades",
        type=_grades,
        metavar="LETTERS",
        help=f"only conflicts located with these grades, of {''.join(GRADES)}",
    )
    parser.add_argument("--distinct", action="store_true", help="without conflicts flagged as duplicates")
    _context(parser, CONTEXT_LINES)
    parser.add_argument(
        "--shard-megabytes",
        type=_count,
        default=SHARD_BYTES // 1_000_000,
        metavar="MB",
        help=f"begin a new file at this size ({SHARD_BYTES // 1_000_000})",
    )
    parser.add_argument("--jsonl", action="store_true", help="JSON Lines beside Parquet")
    _card_arguments(parser)
    _json(parser)


def _card(parser: ArgumentParser) -> None:
    _mined(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where to write it (OUT itself)")
    _card_arguments(parser)


def _manifest(parser: ArgumentParser) -> None:
    _mined(parser)
    _output(parser, "FILE", "a .parquet or .jsonl file")


def _rebuild(parser: ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="what `dataset manifest` wrote")
    parser.add_argument(
        "-r",
        "--repositories",
        nargs="+",
        type=Path,
        required=True,
        metavar="REPO",
        help="work trees or bare repositories",
    )
    _output(parser, "OUT", "a folder for the examples")
    parser.add_argument(
        "-j", "--jobs", type=_count, default=os.cpu_count() or 1, metavar="J", help="processes (all cores)"
    )
    _json(parser)


def _mined(parser: ArgumentParser) -> None:
    parser.add_argument("mined", type=Path, metavar="OUT", help="a folder that `mergebert mine` has filled")


def _output(parser: ArgumentParser, name: str, what: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=name, help=what)


def _json(parser: ArgumentParser, what: str = "for programs") -> None:
    parser.add_argument("--json", action="store_true", help=what)


def _threshold(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        type=_share,
        default=THRESHOLD,
        metavar="T",
        help=f"near duplicates share this much of their runs of five tokens ({THRESHOLD})",
    )


def _context(parser: ArgumentParser, lines: int) -> None:
    parser.add_argument(
        "--context",
        type=_natural,
        default=lines,
        metavar="N",
        help=f"agreed lines before and after ({lines})",
    )


def _repositories(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repositories",
        nargs="+",
        type=Path,
        default=(),
        metavar="REPO",
        help="ask these for their first commits and licences, and keep the answers in OUT",
    )


def _card_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--title", default="Merge conflicts", help="of the card (Merge conflicts)")
    parser.add_argument("--no-pictures", action="store_true", help="a card without pictures")
    _repositories(parser)


def _count(text: str) -> int:
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


def _traits(text: str) -> tuple[str, ...]:
    traits = tuple(text.split(","))
    for trait in traits:
        if trait not in TRAITS:
            raise ArgumentTypeError(f"{trait!r} is none of {', '.join(TRAITS)}")
    return traits


def _wanted(text: str) -> tuple[str, str]:
    trait, _, value = text.partition("=")
    return _traits(trait)[0], value


def _grades(text: str) -> frozenset[str]:
    if not text or not set(text) <= set(GRADES):
        raise ArgumentTypeError(f"{text!r} is not made of {', '.join(GRADES)}")
    return frozenset(text)


_SUBCOMMANDS = {
    "stats": (
        "count what was mined: languages, patterns, grades, and what was left out",
        _stats,
        commands.stats,
    ),
    "split": ("deal the repositories to train, development and test", _split, commands.split),
    "dedupe": ("flag conflicts whose content came before, equal or nearly", _dedupe, commands.dedupe),
    "sample": ("show a few conflicts and what people made of them", _sample, commands.sample),
    "export": ("write flat Parquet for other tools, a folder a split, with a card", _export, commands.export),
    "card": ("write a README.md that describes the data, with pictures", _card, commands.card),
    "manifest": (
        "write where the conflicts stand in history, without any text",
        _manifest,
        commands.manifest,
    ),
    "rebuild": ("make the examples of a manifest again, from local repositories", _rebuild, commands.rebuild),
}
