"""What the driver and `solve` did, kept with the repository so that it can be looked at and taken back.

One JSON file for each file they resolved something in, in `mergebert/` inside git's own folder, or in the user's
state folder where there is no repository. Nothing of it leaves the machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from mergebert.atomic import write_atomically
from mergebert.errors import InputError
from mergebert.git.index_stages import git_folder
from mergebert.git.operation import Operation
from mergebert.text.threeway import ThreeWay

KEPT = 200  # entries; the oldest go first
LIMIT = 64_000_000  # bytes of all entries together
DRIVER, SOLVE = "driver", "solve"


@dataclass(frozen=True, slots=True)
class AppliedResolution:
    """One conflict that was resolved, and by what; `before` shows it with diff3 markers."""

    index: int
    sides: ThreeWay[str]
    before: str
    after: str
    pattern: str
    method: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in which something was resolved, by the driver or by `solve`.

    `line_merge` and `result` are the text before and after: of the driver as git holds it, of `solve` as it stands
    in the work tree. `strategy` are the strategy options of the line merge.
    """

    id: str
    time: float  # seconds since 1970
    by: str
    operation: Operation
    work_tree: str  # its top folder; empty where git did not ask for this merge
    path: str  # from there
    conflicts: int
    changes: tuple[AppliedResolution, ...]
    stages: ThreeWay[str] | None
    strategy: tuple[str, ...]
    marker_size: int
    line_merge: str
    result: str


def new_id() -> str:
    """A name for an entry that no other has."""
    return os.urandom(4).hex()


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def write_entry(entry: Entry, folder: Path) -> None:
    """Stores an entry, after making room for it; raises OSError where it cannot be."""
    write_atomically(str(place_for(entry, folder)), encoded(entry))


def place_for(entry: Entry, folder: Path) -> Path:
    """The file `entry` belongs in, after making room for it: names sort by time. Raises OSError where there is none."""
    size = len(encoded(entry))
    if size > LIMIT:
        raise OSError(f"{entry.path} is too large to be noted")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number, old in enumerate(_files(folder), 1):
        size += old.stat().st_size
        if number >= KEPT or size > LIMIT:
            old.unlink(missing_ok=True)
    return folder / f"{int(entry.time * 1e6):017d}-{_path_hash(entry.path)}-{entry.id}.json"


def encoded(entry: Entry) -> bytes:
    """`entry` as it is stored; in ASCII, since a path may hold bytes that are no text."""
    return json.dumps(asdict(entry)).encode("ascii")


def journal_folder(start: Path) -> Path:
    """Where entries are kept for merges run in `start`."""
    found = git_folder(start)
    if found is not None:
        return found / "mergebert"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mergebert"


def entries(folder: Path, path: str | None = None) -> Iterator[Entry | Path]:
    """What was done, newest first, everywhere or to `path`; for an entry that cannot be read, its file."""
    for file in _files(folder, "*" if path is None else _path_hash(path)):
        try:
            yield _decoded(file.read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            yield file


def find_entry(identifier: str, folder: Path) -> tuple[Entry, Path]:
    """The entry of this id, or of its first characters, and its file; raises InputError where there is none."""
    # The id ends the file name, so that looking one up reads one file.
    found = [file for file in _files(folder) if file.stem.rpartition("-")[2].startswith(identifier)]
    if len(found) != 1 or not identifier:
        fault = "is the start of several entries" if found else "is no entry"
        raise InputError(f"{identifier!r} {fault} of {folder}; `mergebert review` lists them.")
    try:
        return _decoded(found[0].read_bytes()), found[0]
    except OSError as error:
        raise InputError(f"{found[0]} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{found[0]} is damaged; delete it.") from error


def _decoded(content: bytes) -> Entry:
    fields: dict[str, Any] = json.loads(content)
    changes = [
        AppliedResolution(**{**change, "sides": ThreeWay(**change["sides"])}) for change in fields["changes"]
    ]
    operation = {**fields["operation"], "theirs": tuple(fields["operation"]["theirs"])}
    stages = fields["stages"]
    read = {
        "changes": tuple(changes),
        "operation": Operation(**operation),
        "stages": None if stages is None else ThreeWay(**stages),
        "strategy": tuple(fields["strategy"]),
    }
    return _checked(Entry(**{**fields, **read}))


def _checked(entry: Entry) -> Entry:
    """`entry`, whose numbers and texts are such; raises TypeError for what a damaged file can hold in their place."""
    texts = (entry.id, entry.by, entry.work_tree, entry.path, entry.line_merge, entry.result)
    texts += tuple(
        text for one in entry.changes for text in (*one.sides, one.before, one.after, one.pattern, one.method)
    )
    numbers = (entry.time, entry.conflicts, entry.marker_size, *(one.confidence for one in entry.changes))
    if not (
        all(isinstance(text, str) for text in texts) and all(isinstance(one, int | float) for one in numbers)
    ):
        raise TypeError("a field of another type")
    return entry


def _files(folder: Path, path_hash: str = "*") -> list[Path]:
    """The stored entries, newest first."""
    return sorted(folder.glob(f"[0-9]*-{path_hash}-*.json"), reverse=True)


def _path_hash(path: str) -> str:
    """A few letters that stand for a path in the name of a file: what was done to it is found without reading the rest."""
    return f"{crc32(path.encode('utf-8', 'surrogateescape')):08x}"
