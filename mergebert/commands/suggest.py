"""`mergebert suggest`: ranked resolutions of every conflict; changes nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.commands.offers import conflicts_json, load_resolver, ranked_conflicts
from mergebert.commands.workfile import known_history, merged_text, read_work_file
from mergebert.errors import InputError
from mergebert.settings import Settings, add_settings_arguments, settings_of
from mergebert.strict_json import print_json
from mergebert.terminal import percent, shown_lines, visible
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory
from mergebert.text.threeway import ThreeWay
from mergebert.text_files import read_version

if TYPE_CHECKING:
    from mergebert.ranking.resolution import AnyResolver, RankedConflict

FOR_PEOPLE, FOR_PROGRAMS = 3, 10  # candidates of each conflict when -k does not say


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `mergebert suggest`."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="file with conflict markers")
    parser.add_argument("--base", type=Path, metavar="FILE", help="common ancestor; with --ours and --theirs")
    parser.add_argument("--ours", type=Path, metavar="FILE", help="the version built on")
    parser.add_argument("--theirs", type=Path, metavar="FILE", help="the version merged in")
    parser.add_argument(
        "-p", "--path", metavar="PATH", help="name of the file in its repository, for the language"
    )
    parser.add_argument(
        "--batch",
        metavar="IN",
        help="JSON Lines of {id, path, base, ours, theirs}, - for standard input; answers a line for each",
    )
    parser.add_argument("-k", type=_count, metavar="N", help="candidates of each conflict")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    add_settings_arguments(parser)


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert suggest`."""
    settings = settings_of(arguments)
    _check(arguments)
    if arguments.batch is not None:
        from mergebert.commands.batch import run_batch

        return run_batch(arguments.batch, settings, arguments.k or FOR_PROGRAMS)
    suggest(arguments, settings, lambda: load_resolver(settings))
    return 0


def _check(arguments: Namespace) -> None:
    """Raises InputError unless exactly one kind of input is named."""
    versions = [arguments.base, arguments.ours, arguments.theirs]
    named = [arguments.file is not None, any(versions), arguments.batch is not None]
    if sum(named) != 1:
        raise InputError(
            "name one FILE with markers, or --base, --ours and --theirs, or --batch; --help shows each."
        )
    if any(versions) and not all(versions):
        raise InputError(
            "--base, --ours and --theirs go together; give an empty file where there is no base."
        )
    if arguments.batch is not None and not arguments.json:
        raise InputError("--batch answers in JSON Lines; add --json.")


def suggest(arguments: Namespace, settings: Settings, load: Callable[[], AnyResolver]) -> None:
    """Prints the ranked resolutions of one file."""
    text, history = _asked(arguments)
    found = ranked_conflicts(text, load, settings.budgets, history)
    name = arguments.path or str(arguments.file or arguments.ours)
    if arguments.json:
        count = arguments.k or FOR_PROGRAMS
        print_json({"path": name, "conflicts": conflicts_json(found, count)}, indent=2)
        return
    for one, offer in found:
        lines = _shown(offer, arguments.k or FOR_PEOPLE)
        print("\n".join([f"{visible(name)}:{one.line}", *lines]))
    if not found:
        print(f"{visible(name)}: no conflicts")


def _asked(arguments: Namespace) -> tuple[ConflictedText, MergeHistory]:
    """The text that is asked about, and what history tells of its merge."""
    if arguments.file is not None:
        file = read_work_file(arguments.file)
        return file.text, known_history([file])
    versions = ThreeWay(arguments.base, arguments.ours, arguments.theirs)
    text = merged_text(arguments.path or str(arguments.ours), versions.map(read_version))
    return text, UNKNOWN_MERGE


def _shown(offer: RankedConflict, count: int) -> list[str]:
    """The candidates of one conflict for people."""
    lines: list[str] = []
    for number, resolution in enumerate(offer.resolutions[:count], start=1):
        sure = "  sure enough to apply" if offer.accepted and number == 1 else ""
        how = f"{resolution.pattern} ({resolution.method})"
        lines.append(f"  {number}. {percent(resolution.confidence):>5}  {how}{sure}")
        lines += [f"     | {line}" for line in shown_lines(resolution.text) or ["(nothing)"]]
    return lines or ["  no candidate"]


def _count(text: str) -> int:
    from argparse import ArgumentTypeError

    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
