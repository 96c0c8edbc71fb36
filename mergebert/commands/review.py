"""`mergebert review`: what the driver and `solve` did, conflict by conflict, and how to take it back."""

from __future__ import annotations

import difflib
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from mergebert.driver.journal import (
    SOLVE,
    AppliedResolution,
    Entry,
    damage,
    encoded,
    entries,
    find_entry,
    journal_folder,
)
from mergebert.driver.undo import undo
from mergebert.errors import InputError
from mergebert.strict_json import json_text
from mergebert.terminal import LONG_DIFF, is_long_diff, one_line, visible
from mergebert.text.markers import lines_of


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert review`."""
    parser.add_argument("id", nargs="?", help="show this entry; without it, list all, newest first")
    parser.add_argument(
        "--undo", action="store_true", help="put the conflicts of this entry back into the file and the index"
    )
    parser.add_argument("--conflict", type=int, metavar="N", help="undo conflict N alone")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert review`."""
    here = Path.cwd()
    if arguments.conflict is not None and not arguments.undo:
        raise InputError("--conflict names what to undo; add --undo.")
    if arguments.undo:
        if not arguments.id:
            raise InputError("Name the entry to undo; `mergebert review` lists them.")
        number = arguments.conflict
        path = undo(arguments.id, here, None if number is None else number - 1)
        print(f"{visible(str(path))} holds git's own conflict again.")
        return 0
    if arguments.id:
        entry, _ = find_entry(arguments.id, journal_folder(here))
        print(encoded(entry).decode("ascii") if arguments.json else described(entry))
        return 0
    _list(journal_folder(here), arguments.json)
    return 0


def _list(folder: Path, as_json: bool) -> None:
    listed: list[str] = []
    for found in entries(folder):
        if isinstance(found, Entry):
            listed.append(json_text(_summary(found)) if as_json else headline(found))
        else:
            print(one_line(f"mergebert review: {damage(found)}"), file=sys.stderr)
    if as_json:
        print(f"[{', '.join(listed)}]")
    else:
        print("\n".join(listed) or "mergebert has resolved nothing here yet.")


def headline(entry: Entry) -> str:
    """One line about an entry."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.time))
    by = " by solve" if entry.by == SOLVE else ""
    path = visible(entry.path)
    return f"{entry.id}  {when}  {path}  {len(entry.changes)} of {entry.conflicts} conflicts resolved{by}"


def described(entry: Entry) -> str:
    """An entry for people: each resolved conflict as a unified diff, with its pattern and confidence."""
    parts = [headline(entry)]
    for change in entry.changes:
        parts.append(
            f"\nconflict {change.index + 1}: {visible(change.pattern)} ({visible(change.method)}), {change.confidence:.0%} sure"
        )
        parts.append(_diff(change))
    parts.append(f"\n`mergebert review {visible(entry.id)} --undo` puts git's own conflict back.")
    return "\n".join(parts)


def _diff(change: AppliedResolution) -> str:
    if is_long_diff(change.before, change.after):
        return LONG_DIFF
    lines = difflib.unified_diff(
        lines_of(change.before), lines_of(change.after), "conflict", "resolution", n=9999
    )
    return "\n".join(_shown(line) for line in lines)


def _shown(line: str) -> str:
    """A line of a diff, harmless to a terminal."""
    if not line.endswith("\n"):
        return f"{visible(line)}\n\\ No newline at end of file"
    return visible(line.removesuffix("\n"))


def _summary(entry: Entry) -> dict[str, object]:
    shown = asdict(entry)
    return {key: shown[key] for key in ("id", "time", "path", "conflicts", "changes")}
