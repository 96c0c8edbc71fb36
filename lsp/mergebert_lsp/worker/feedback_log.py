"""What people made of suggestions, kept for those who asked for it, on this machine and nowhere else.

One JSON Lines file for each repository, that only its owner can read. Every line is an example as mining writes it
(mergebert.example), in which the one conflict that was decided has a resolution, and holds under `feedback` what was
suggested for it and what of that was taken; the rest of it was refused. Training reads the files as they are.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mergebert.atomic import write_all
from mergebert.errors import GitError, InputError, MarkerError
from mergebert.example import ConflictExample, FileExample
from mergebert.git.index_stages import git_folder
from mergebert.regular_files import regular
from mergebert.strict_json import json_text
from mergebert.text.history import MergeContext
from mergebert.text.languages import language_of
from mergebert.text.markers import Conflict, Markers, MergedFile, parse, render
from mergebert.text.threeway import ThreeWay

if TYPE_CHECKING:
    from mergebert.text.conflicted_text import ConflictedText
    from mergebert_lsp.text.suggestions import Suggestion

CHOSEN = "chosen"  # the proof of a resolution: a person took it
LARGEST_FILE = 16 << 20  # bytes; then it becomes the older one of two, and the older one goes
LARGEST_LINE = LARGEST_FILE // 8  # the whole file stands in it five times
UNSAVED = "unsaved"  # what texts that lie in no folder go under
_PATIENCE = 2.0  # seconds for another program to finish its line
_OLDER = ".older"
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person made of one conflict, named by its index in the file, and what had been suggested, best first.

    `choice` is how they said so: the rank of a suggestion, the name of a side, or `edited`. `resolution` is None where
    they refused what was suggested and have not decided.
    """

    file: ConflictedText
    index: int
    resolution: str | None
    choice: str = ""
    suggested: tuple[Suggestion, ...] = ()


def record(verdict: Verdict, path: Path | None, folder: Path | None = None) -> bool:
    """Whether the verdict is kept; that of a file too large, or whose markers do not tell its conflicts, is not.

    `path` is that of the file, None if it is not saved anywhere. Raises InputError where `folder`, by default the
    user's own, cannot be written.
    """
    name = _repository_name(path) if path else UNSAVED
    example = example_of(verdict, name)
    if example is None:
        return False
    row = {**example.to_json(), "feedback": _feedback(verdict)}
    line = json_text(row, separators=(",", ":")).encode("ascii") + b"\n"  # lone surrogates are written out
    if len(line) > LARGEST_LINE:
        return False
    folder = folder or feedback_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _append(folder / f"{name}.jsonl", line)
    except OSError as error:
        raise InputError(
            f"What you chose cannot be kept in {folder}: {error.strerror}; free it or turn feedback off."
        ) from error
    return True


def feedback_folder() -> Path:
    """Where the user's feedback lies: the state folder of the system, or the one that XDG_STATE_HOME names."""
    return _state_folder() / "mergebert" / "feedback"


def example_of(verdict: Verdict, repository: str) -> FileExample | None:
    """The verdict as an example; None where its file, written with markers, would not read the same."""
    file = verdict.file
    merged = MergedFile(tuple(_renamed(part) for part in file.line_merge.parts))
    conflicted = render(merged)
    if not _is_read_again(conflicted, merged) or not 0 <= verdict.index < len(merged.conflicts):
        return None
    chosen = {} if verdict.resolution is None else {verdict.index: verdict.resolution}
    nowhere = ThreeWay("", "", "")
    return FileExample(
        repository=repository,
        merge="",
        ours_commit="",
        theirs_commit="",
        base_commit="",
        path=file.path,
        language=language_of(file.path).name,
        blobs=nowhere,
        stages=file.stages or ThreeWay(*map(merged.side, ("base", "ours", "theirs"))),
        conflicted=conflicted,
        merged=file.resolved(chosen)[0],
        context=MergeContext(0, 0, 0, int(time.time()), 0, 0, False, False),
        conflicts=tuple(
            ConflictExample(index, chosen.get(index), (CHOSEN,) if index in chosen else (), (), False, ())
            for index in range(len(merged.conflicts))
        ),
    )


def _feedback(verdict: Verdict) -> dict[str, Any]:
    texts = [one.text for one in verdict.suggested]
    taken = texts.index(verdict.resolution) + 1 if verdict.resolution in texts else None
    return {
        "index": verdict.index,
        "choice": verdict.choice,
        "taken": taken,
        "suggested": [asdict(one) for one in verdict.suggested],
    }


def _renamed(part: str | Conflict) -> str | Conflict:
    """A conflict under the labels that mining gives: those of the file can hold names and messages."""
    if isinstance(part, str):
        return part
    marked = part.markers
    base = None if marked.base is None else _marker(marked.base, " base")
    markers = Markers(
        _marker(marked.open, " ours"), base, _marker(marked.separator), _marker(marked.close, " theirs")
    )
    return Conflict(part.sides, markers)


def _marker(line: str, label: str = "") -> str:
    size = len(line) - len(line.lstrip(line[0]))
    return line[:size] + label + line[len(line.rstrip("\r\n")) :]


def _is_read_again(conflicted: str, merged: MergedFile) -> bool:
    try:
        return parse(conflicted).conflicts == merged.conflicts
    except MarkerError:
        return False


@lru_cache(maxsize=256)  # a git process each
def _repository_name(path: Path) -> str:
    """The name of the repository around `path`, the same in all its work trees, and like that of no other."""
    try:
        folder = git_folder(path)
    except GitError:  # what is noted of no repository is noted of the folder
        folder = None
    folder = folder or path.resolve().parent
    shown = folder.parent.name if folder.name == ".git" else folder.name.removesuffix(".git")
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in shown)[:40]
    return f"{kept or 'files'}-{blake2b(os.fsencode(folder), digest_size=6).hexdigest()}"


def _state_folder() -> Path:
    chosen = os.environ.get("XDG_STATE_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "state"


def _append(path: Path, line: bytes) -> None:
    """Adds a whole line or nothing, and makes room for it where the file is full."""
    with _locked(path.with_suffix(".lock")):
        if path.exists() and regular(path).stat().st_size + len(line) > LARGEST_FILE:
            os.replace(path, path.with_name(f"{path.stem}{_OLDER}.jsonl"))
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
        try:
            _add_line(descriptor, line)
        finally:
            os.close(descriptor)


def _add_line(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(size - 1, 0), os.SEEK_SET)
    is_torn = os.read(descriptor, 1) not in (b"", b"\n")  # by a program that was killed, or a full disk
    try:
        write_all(descriptor, b"\n" + line if is_torn else line)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps other programs from writing meanwhile; raises OSError where one does not come to an end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _is_locked(descriptor):
            if time.monotonic() > deadline:
                raise OSError(errno.EAGAIN, "another program keeps writing there")
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)  # which ends the lock


def _is_locked(descriptor: int) -> bool:
    """Whether the file is locked for us now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
