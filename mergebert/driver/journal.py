"""What the driver and `solve` did, kept with the repository so that it can be looked at and taken back.

One JSON file for each file they resolved something in, in `mergebert/` inside git's own folder, or in the user's
state folder where there is no repository. Nothing of it leaves the machine.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta

from mergebert.atomic import write_atomically
from mergebert.errors import InputError, MergebertError
from mergebert.git.index_stages import git_folder
from mergebert.git.operation import Operation
from mergebert.regular_files import LARGEST, bytes_in
from mergebert.strict_json import json_text
from mergebert.text.threeway import ThreeWay

KEPT = 200  # entries, and all of operations that go on; the oldest go first
LIMIT = 64_000_000  # bytes of all entries together, whatever they belong to
LATEST = 2**32  # seconds since 1970: later ones no clock shows
DRIVER, SOLVE = "driver", "solve"
_DAMAGED = (ValueError, RecursionError, OverflowError)

_COMMIT = re.compile("[0-9a-f]*")
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Name = Annotated[str, Meta(pattern=r"\A[^\0]*\Z")]


@dataclass(frozen=True, slots=True)
class AppliedResolution:
    """One conflict that was resolved, and by what; `before` shows it with diff3 markers."""

    index: _Count
    sides: ThreeWay[str]
    before: str
    after: str
    pattern: str
    method: str
    confidence: Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in which something was resolved, by the driver or by `solve`.

    `line_merge` and `result` are the text before and after: of the driver as git holds it, of `solve` as it stands
    in the work tree. `strategy` are the strategy options of the line merge.
    """

    id: Annotated[str, Meta(pattern=r"\A[0-9a-f]+\Z")]
    time: Annotated[float, Meta(ge=0, le=LATEST)]  # seconds since 1970
    by: str
    operation: Operation
    work_tree: _Name  # its top folder; empty where git did not ask for this merge
    path: _Name  # from there
    conflicts: _Count
    changes: tuple[AppliedResolution, ...]
    stages: ThreeWay[str] | None
    strategy: tuple[str, ...]
    marker_size: _Count
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
    if size > min(LARGEST, LIMIT):
        raise OSError(f"{entry.path} is too large to be noted")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    operation = _operation_hash(entry)
    going_on = {operation: True}
    for number, old in enumerate(_files(folder), 1):
        with suppress(OSError):  # it may be a folder, or gone
            size += old.lstat().st_size
            if size > LIMIT or (number >= KEPT and not _goes_on(old, going_on)):
                old.unlink()
    return folder / f"{int(entry.time * 1e6):017d}-{_path_hash(entry.path)}-{operation}-{entry.id}.json"


def _goes_on(file: Path, known: dict[str, bool]) -> bool:
    """Whether the operation of a stored entry may go on; one is looked at once and then `known`."""
    operation = file.stem.split("-")[-2]
    if operation not in known:
        try:
            known[operation] = _may_go_on(_decoded(bytes_in(file)))
        except (OSError, MergebertError, *_DAMAGED):
            return False
    return known[operation]


def _may_go_on(entry: Entry) -> bool:
    root = Path(entry.work_tree)
    return bool(entry.work_tree) and root.is_dir() and not entry.operation.is_over(root)


def encoded(entry: Entry) -> bytes:
    """`entry` as it is stored; in ASCII, since a path may hold bytes that are no text."""
    return json_text(asdict(entry)).encode("ascii")


def journal_folder(start: Path) -> Path:
    """Where entries are kept for merges run in `start`."""
    found = git_folder(start)
    if found is not None:
        return found / "mergebert"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mergebert"


def entries(folder: Path, path: str | None = None) -> Iterator[Entry | Path]:
    """What was done, newest first, everywhere or to `path`; for an entry that cannot be read, its file."""
    left = LIMIT  # all that is kept; others may have put more there
    for file in _files(folder, "*" if path is None else _path_hash(path)):
        try:
            content = bytes_in(file)
            left -= len(content)
            if left < 0:
                return
            yield _decoded(content)
        except (OSError, *_DAMAGED):
            yield file


def find_entry(identifier: str, folder: Path) -> tuple[Entry, Path]:
    """The entry of this id, or of its first characters, and its file; raises InputError where there is none."""
    # The id ends the file name, so that looking one up reads one file.
    found = [file for file in _files(folder) if file.stem.rpartition("-")[2].startswith(identifier)]
    if len(found) != 1 or not identifier:
        fault = "is the start of several entries" if found else "is no entry"
        raise InputError(f"{identifier!r} {fault} of {folder}; `mergebert review` lists them.")
    try:
        return _decoded(bytes_in(found[0])), found[0]
    except OSError as error:
        raise InputError(f"{found[0]} cannot be read: {error.strerror}.") from error
    except _DAMAGED as error:
        raise InputError(damage(found[0])) from error


def damage(file: Path) -> str:
    """What to say of a stored entry that cannot be read."""
    return f"{file} is damaged; delete it."


def _decoded(content: bytes) -> Entry:
    """The entry stored as `content`; raises ValueError, RecursionError or OverflowError for what is none."""
    entry = msgspec.convert(json.loads(content), Entry)
    # A text that no file can hold is none that was read from one.
    json_text(asdict(entry), ensure_ascii=False).encode("utf-8", "surrogateescape")
    if entry.work_tree and not (Path(entry.work_tree).is_absolute() and _is_inside(entry.path)):
        raise ValueError("a path that leads out of its work tree")
    if not all(map(_COMMIT.fullmatch, (entry.operation.head, *entry.operation.theirs))):
        raise ValueError("a commit that is none")
    return entry


def _is_inside(path: str) -> bool:
    """Whether a path of an entry names a file that git can hold: below the top folder, and not in git's own."""
    parts = path.split("/") if os.name == "posix" else re.split(r"[/\\:]", path)
    return not {"", ".", "..", ".git"} & {part.lower() for part in parts}


def _files(folder: Path, path_hash: str = "*") -> list[Path]:
    """The stored entries, newest first."""
    return sorted(folder.glob(f"[0-9]*-{path_hash}-*.json"), reverse=True)


def _operation_hash(entry: Entry) -> str:
    """A few letters that stand for the operation of an entry: which others belong to it is found without reading them."""
    return f"{crc32(repr((entry.work_tree, entry.operation)).encode('ascii', 'backslashreplace')):08x}"


def _path_hash(path: str) -> str:
    """A few letters that stand for a path in the name of a file: what was done to it is found without reading the rest."""
    return f"{crc32(path.encode('utf-8', 'surrogateescape')):08x}"
