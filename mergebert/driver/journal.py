"""What the driver did, kept with the repository so that it can be looked at and taken back.

One JSON file for each merged file, in `mergebert/` inside git's own folder, or in the user's state folder
where there is no repository. Nothing of it leaves the machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.atomic import write_atomically
from mergebert.errors import InputError
from mergebert.git.index_stages import git_folder, repository_root
from mergebert.text.threeway import ThreeWay

if TYPE_CHECKING:
    from mergebert.driver.resolved_merge import MergeJob, Resolved

KEPT = 200  # entries; the oldest go first


@dataclass(frozen=True, slots=True)
class AppliedResolution:
    """One conflict the driver resolved."""

    index: int
    before: str  # with diff3 markers
    after: str
    pattern: str
    method: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One file the driver merged and resolved something in."""

    id: str
    time: float  # seconds since 1970
    path: str  # from the top of the work tree
    conflicts: int
    changes: tuple[AppliedResolution, ...]
    stages: ThreeWay[str]
    line_merge: str  # as git would have left it
    result: str


def new_entry(job: MergeJob, resolved: Resolved) -> Entry:
    """The entry for a merge whose resolved text is about to be written."""
    return Entry(
        id=os.urandom(4).hex(),
        time=time.time(),
        path=job.path,
        conflicts=len(resolved.conflicts),
        changes=tuple(_applied(index, resolved) for index in resolved.resolutions),
        stages=job.sides.map(lambda content: content.decode("utf-8")),
        line_merge=job.shown.decode("utf-8"),
        result=resolved.text,
    )


def place_for(entry: Entry, folder: Path) -> Path:
    """The file `entry` belongs in, after making room for it: names sort by time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in _files(folder)[KEPT - 1 :]:
        old.unlink(missing_ok=True)
    return folder / f"{int(entry.time * 1e6):017d}-{entry.id}.json"


def encoded(entry: Entry) -> bytes:
    """`entry` as it is stored."""
    return json.dumps(asdict(entry), ensure_ascii=False).encode("utf-8")


def journal_folder(start: Path) -> Path:
    """Where entries are kept for merges run in `start`."""
    found = git_folder(start)
    if found is not None:
        return found / "mergebert"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mergebert"


def entries(folder: Path) -> Iterator[Entry]:
    """What the driver did, newest first; files that cannot be read are left out."""
    for file in _files(folder):
        try:
            yield _decoded(file.read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            continue


def find_entry(identifier: str, folder: Path) -> Entry:
    """The entry of this id, or of its first characters; raises InputError where there is none."""
    # The id ends the file name, so that looking one up reads one file.
    found = [file for file in _files(folder) if file.stem.partition("-")[2].startswith(identifier)]
    if len(found) != 1 or not identifier:
        fault = "is the start of several entries" if found else "is no entry"
        raise InputError(f"{identifier!r} {fault} of {folder}; `mergebert review` lists them.")
    try:
        return _decoded(found[0].read_bytes())
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{found[0]} is damaged; delete it.") from error


def undo(identifier: str, start: Path) -> Path:
    """Puts the conflict back that the driver resolved, and gives the file it stands in.

    Raises InputError where the file is no longer what the driver left: somebody's work is in it.
    """
    entry = find_entry(identifier, journal_folder(start))
    path = (repository_root(start) or start) / entry.path
    if not path.is_file():
        raise InputError(f"{path} is not there any more; nothing was undone.")
    content = path.read_bytes()
    newline = "\r\n" if content == _with_newline(entry.result, "\r\n") else "\n"
    if content != _with_newline(entry.result, newline):
        raise InputError(f"{path} has changed since the driver wrote it; nothing was undone.")
    write_atomically(str(path), _with_newline(entry.line_merge, newline))
    return path


def _applied(index: int, resolved: Resolved) -> AppliedResolution:
    one = resolved.resolutions[index]
    before = str(resolved.conflicts[index])
    return AppliedResolution(index, before, one.text, one.pattern, one.method, float(one.confidence))


def _decoded(content: bytes) -> Entry:
    fields = json.loads(content)
    changes = tuple(AppliedResolution(**change) for change in fields.pop("changes"))
    return Entry(changes=changes, stages=ThreeWay(**fields.pop("stages")), **fields)


def _files(folder: Path) -> list[Path]:
    """The stored entries, newest first."""
    return sorted(folder.glob("[0-9]*-*.json"), reverse=True)


def _with_newline(text: str, newline: str) -> bytes:
    """`text` as a work tree with these line ends holds it."""
    return (text if newline == "\n" else text.replace("\n", newline)).encode("utf-8")
