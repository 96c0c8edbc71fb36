"""`mergebert review`: what the driver did, conflict by conflict, and how to take it back."""

from __future__ import annotations

import difflib
import json
import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from mergebert.driver.journal import (
    AppliedResolution,
    Entry,
    encoded,
    entries,
    find_entry,
    journal_folder,
    undo,
)
from mergebert.errors import InputError
from mergebert.text.markers import lines_of


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert review`."""
    parser.add_argument("id", nargs="?", help="show this entry; without it, list all, newest first")
    parser.add_argument(
        "--undo", action="store_true", help="put the conflict of this entry back into the file"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert review`."""
    here = Path.cwd()
    if arguments.undo:
        if not arguments.id:
            raise InputError("Name the entry to undo; `mergebert review` lists them.")
        print(f"{undo(arguments.id, here)} holds git's own conflict again.")
        return 0
    folder = journal_folder(here)
    if arguments.id:
        entry = find_entry(arguments.id, folder)
        print(encoded(entry).decode("utf-8") if arguments.json else described(entry))
        return 0
    listed = list(entries(folder))
    if arguments.json:
        print(json.dumps([_summary(entry) for entry in listed], ensure_ascii=False))
    else:
        print("\n".join(map(headline, listed)) or "The driver has resolved nothing here yet.")
    return 0


def headline(entry: Entry) -> str:
    """One line about an entry."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.time))
    return f"{entry.id}  {when}  {entry.path}  {len(entry.changes)} of {entry.conflicts} conflicts resolved"


def described(entry: Entry) -> str:
    """An entry for people: each resolved conflict as a unified diff, with its pattern and confidence."""
    parts = [headline(entry)]
    for change in entry.changes:
        parts.append(
            f"\nconflict {change.index + 1}: {change.pattern} ({change.method}), {change.confidence:.0%} sure"
        )
        parts.append(_diff(change))
    parts.append(f"\n`mergebert review {entry.id} --undo` puts git's own conflict back.")
    return "\n".join(parts)


def _diff(change: AppliedResolution) -> str:
    lines = difflib.unified_diff(
        lines_of(change.before), lines_of(change.after), "conflict", "resolution", n=9999
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    ).rstrip("\n")


def _summary(entry: Entry) -> dict[str, object]:
    shown = asdict(entry)
    return {key: shown[key] for key in ("id", "time", "path", "conflicts", "changes")}
