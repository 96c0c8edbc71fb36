"""`mergebert solve`: resolves what it is sure of in files that hold conflict markers.

Exit codes: 0 all solved, 1 some left, 2 a file could not be used (the others are done all the same).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.commands.offers import load_resolver, noticed_offers
from mergebert.commands.solve_note import note_solved
from mergebert.commands.workfile import (
    PathConflictError,
    WorkFile,
    known_history,
    open_work_files,
    write_work_file,
)
from mergebert.driver.own_resolutions import BY_HAND
from mergebert.errors import InputError, MergebertError
from mergebert.settings import Settings, add_settings_arguments, settings_of
from mergebert.strict_json import print_json
from mergebert.terminal import one_line, percent, shown_lines, visible
from mergebert.text.nested_markers import has_written_base
from mergebert.tiers import ErrorBudgets

if TYPE_CHECKING:
    from mergebert.ranking.evidence import ConflictKey
    from mergebert.ranking.open_merge import Offers
    from mergebert.ranking.resolution import AnyResolver, RankedConflict, Resolution

ALL_SOLVED, SOME_LEFT, UNUSABLE = 0, 1, 2
_TOO_MUCH = " is too much to be asked about with the files before it; solve it after them."


@dataclass(frozen=True, slots=True)
class Solved:
    """How one open conflict ended: the text that now stands there, or None where it was left."""

    index: int
    line: int
    text: str | None
    how: Resolution | None  # None: left, or resolved by hand
    has_base: bool


@dataclass(frozen=True, slots=True)
class FileReport:
    """What came of one file."""

    path: Path
    conflicts: tuple[Solved, ...] = ()
    error: str = ""
    wanted: str = ""  # what git wants decided there beside the text

    @property
    def solved(self) -> int:
        """How many conflicts have a text now."""
        return sum(conflict.text is not None for conflict in self.conflicts)

    @property
    def left(self) -> int:
        """How many decisions are still a person's: every open conflict, and what git wants decided."""
        return len(self.conflicts) - self.solved + bool(self.wanted)


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `mergebert solve`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="file with conflict markers")
    parser.add_argument(
        "-i", "--interactive", action="store_true", help="ask for the rest, and learn from every answer"
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done and write nothing"
    )
    parser.add_argument("--json", action="store_true", help="report as one JSON object")
    add_settings_arguments(parser)


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert solve`."""
    if arguments.interactive and arguments.json:
        raise InputError("-i talks to a person and --json to a program; choose one.")
    settings = settings_of(arguments)
    worst = ALL_SOLVED
    for number, report in enumerate(solve(arguments, settings, lambda: load_resolver(settings))):
        worst = max(worst, exit_code([report]))
        if arguments.json:
            print("," if number else '{"files": [')
            print_json(as_json(report), indent=2)
        else:
            _tell(report, arguments.dry_run)
    if arguments.json:
        print("]}")
    return worst


def solve(arguments: Namespace, settings: Settings, load: Callable[[], AnyResolver]) -> Iterator[FileReport]:
    """A report on every file named, in that order, once it is done. `load` is called when needed.

    All files are one merge, unless they are too large to be looked at together.
    """
    load_once = cache(load)
    for number, (files, refused) in enumerate(open_work_files(arguments.files)):
        reports = {path: _refusal(path, reason) for path, reason in refused.items()}
        if number and arguments.interactive:  # what was answered before has been written
            reports |= {file.path: FileReport(file.path, error=f"{file.path}{_TOO_MUCH}") for file in files}
        else:
            reports |= _solved(files, arguments, settings.budgets, load_once)
        files.clear()  # before the next ones are read
        yield from (reports[path] for path in dict.fromkeys(arguments.files) if path in reports)


def _solved(
    files: Sequence[WorkFile], arguments: Namespace, budgets: ErrorBudgets, load: Callable[[], AnyResolver]
) -> dict[Path, FileReport]:
    """What came of the files of one merge."""
    chosen, offers = _ranked(files, load, budgets, arguments.interactive)
    texts = {key: offer.resolutions[0].text for key, offer in offers.items() if offer.accepted} | dict(chosen)
    reports = {}
    for at, file in enumerate(files):
        here = {index: text for (owner, index), text in texts.items() if owner == at}
        ranked = {index: offer for (owner, index), offer in offers.items() if owner == at}
        by_hand = {index for owner, index in chosen if owner == at}
        reports[file.path] = _finish(file, here, ranked, by_hand, arguments.dry_run)
    return reports


def _ranked(
    files: Sequence[WorkFile], load: Callable[[], AnyResolver], budgets: ErrorBudgets, is_interactive: bool
) -> tuple[Mapping[ConflictKey, str], Offers]:
    """What a person has chosen, and what is offered for every conflict after that."""
    if not any(file.text.open_conflicts for file in files):
        return {}, {}
    from mergebert.ranking.open_merge import OpenMerge

    merge = OpenMerge([file.text for file in files], load(), budgets, known_history(files))
    if not is_interactive:
        return {}, noticed_offers(merge, {})
    from mergebert.commands.interactive import NamedMerge, ask

    chosen = ask(NamedMerge(merge, [file.path for file in files]))
    return chosen, noticed_offers(merge, chosen)


def _refusal(path: Path, reason: MergebertError) -> FileReport:
    if isinstance(reason, PathConflictError):
        return FileReport(path, wanted=str(reason))
    return FileReport(path, error=str(reason))


def _finish(
    file: WorkFile,
    texts: Mapping[int, str],
    offers: Mapping[int, RankedConflict],
    by_hand: Container[int],
    is_dry: bool,
) -> FileReport:
    """Writes the resolutions into the file, notes them for `review`, and reports them."""
    text, applied = file.text.resolved(texts)
    conflicts = tuple(
        Solved(
            one.index,
            one.line,
            texts[one.index] if one.index in applied else None,
            _how(texts.get(one.index), offers[one.index]),
            has_written_base(one.conflict),
        )
        for one in file.text.open_conflicts
    )
    try:
        if not is_dry and write_work_file(file, text):
            done = {index: texts[index] for index in applied}
            how = {one.index: one.how for one in conflicts if one.how}
            note_solved(file, text, done, how, by_hand)
    except InputError as error:
        return FileReport(file.path, error=str(error))
    return FileReport(file.path, conflicts, wanted=file.wanted and f"{file.path}: {file.wanted}")


def _how(text: str | None, offer: RankedConflict) -> Resolution | None:
    return next((resolution for resolution in offer.resolutions if resolution.text == text), None)


def exit_code(reports: Sequence[FileReport]) -> int:
    """The exit code that tells the worst of the reports."""
    if any(report.error for report in reports):
        return UNUSABLE
    return SOME_LEFT if any(report.left for report in reports) else ALL_SOLVED


def as_json(report: FileReport) -> dict[str, object]:
    """A report for programs."""
    if report.error:
        return {"path": str(report.path), "error": report.error}
    return {
        "path": str(report.path),
        "solved": report.solved,
        "left": report.left,
        **({"wanted": report.wanted} if report.wanted else {}),
        "conflicts": [_conflict_json(conflict) for conflict in report.conflicts],
    }


def _conflict_json(conflict: Solved) -> dict[str, object]:
    row: dict[str, object] = {
        "index": conflict.index,
        "line": conflict.line,
        "solved": conflict.text is not None,
    }
    if conflict.text is not None:
        how = conflict.how
        row |= {"text": conflict.text, "method": how.method if how else BY_HAND}
        row |= {"pattern": how.pattern, "confidence": round(how.confidence, 4)} if how else {}
    return row


def _tell(report: FileReport, is_dry: bool) -> None:
    if report.error:
        print(one_line(f"mergebert solve: {report.error}"), file=sys.stderr)
        return
    for conflict in report.conflicts:
        print("\n".join(_lines(report, conflict, is_dry)))
    if report.wanted:
        print(visible(report.wanted))
    if report.conflicts or not report.wanted:
        print(_summary(report, is_dry))


def _lines(report: FileReport, conflict: Solved, is_dry: bool) -> list[str]:
    """What is said about one conflict."""
    path_and_line = f"{visible(str(report.path))}:{conflict.line}: "
    if conflict.text is None:
        reason = "not sure enough" if conflict.has_base else "its base is not known"
        return [f"{path_and_line}left to you, {reason}"]
    how = conflict.how
    verdict = f"{how.pattern} ({how.method}), {percent(how.confidence)}" if how else "your answer"
    shown = [f"    {line}" for line in shown_lines(conflict.text)] if is_dry else []
    return [f"{path_and_line}{verdict}", *shown]


def _summary(report: FileReport, is_dry: bool) -> str:
    total = len(report.conflicts)
    path = visible(str(report.path))
    if not total:
        return f"{path}: no conflicts"
    solved = "would be solved" if is_dry else "solved"
    return f"{path}: {report.solved} of {total} conflicts {solved}, {total - report.solved} left"
