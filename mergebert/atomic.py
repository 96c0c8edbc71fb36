"""Files replaced whole or not at all; on the path of every merged file, so it imports nothing."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def replace_file(path: str, write: Callable[[int], None]) -> None:
    """Puts what `write` writes to a file descriptor in the place of `path` in one step, with its mode.

    When `write` raises, or is killed, the old file stands as it was.
    """
    target = os.path.realpath(path)  # a link stays a link
    output, temporary = _beside(target)
    replaced = False
    try:
        try:
            _keep_mode(target, output)
            write(output)
        finally:
            os.close(output)
        os.replace(temporary, target)
        replaced = True
    finally:
        if not replaced:
            os.unlink(temporary)


def write_atomically(path: str, content: bytes) -> None:
    """Replaces a file, or makes it, with this content in one step."""
    replace_file(path, lambda output: write_all(output, content))


def write_json(path: Path, value: object) -> None:
    """Replaces a file, or makes it, with one JSON value, indented for people, in one step."""
    import json  # which no merge needs

    write_atomically(str(path), (json.dumps(value, indent=1) + "\n").encode())


def overwrite(path: str, content: bytes) -> None:
    """Writes over a file whose folder takes no new ones; raises OSError, nothing changed, if it won't fit."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(descriptor).st_size
        before = os.read(descriptor, size)
        try:
            _write_at(descriptor, size, content[size:])  # what needs room comes first, behind the old content
            os.fsync(descriptor)  # some file systems find out only here that the disk is full
            _write_at(descriptor, 0, content[:size])
        except OSError:
            os.ftruncate(descriptor, size)
            _write_at(descriptor, 0, before)
            raise
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Writes all of `content`, however few bytes the system takes at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_at(descriptor: int, position: int, content: bytes) -> None:
    os.lseek(descriptor, position, os.SEEK_SET)
    write_all(descriptor, content)


def _beside(target: str) -> tuple[int, str]:
    """A new file in the folder of `target`: its descriptor and its name."""
    folder = os.path.dirname(target)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    for attempt in range(100):
        name = os.path.join(folder, f".mergebert-{os.getpid()}-{attempt}")
        try:
            return os.open(name, flags, 0o666), name
        except FileExistsError:
            continue  # left behind by a process that was killed and had our number
    raise FileExistsError(17, "too many unfinished files of mergebert lie here; delete them", folder)


def _keep_mode(target: str, output: int) -> None:
    """Gives the new file the mode of the one it replaces."""
    try:
        mode = os.stat(target).st_mode & 0o7777
    except FileNotFoundError:
        return
    if hasattr(os, "fchmod"):
        os.fchmod(output, mode)


class Draft:
    """`with Draft(path) as draft`: a file for libraries to write, hidden beside `path`, that takes its place if the block
    ends well and vanishes if not. A killed process leaves a `.part` behind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Not by the process alone: those of two computers may have the same number and be at the same file.
        self._draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")

    def __enter__(self) -> Path:
        return self._draft

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                os.replace(self._draft, self._path)
        finally:
            self._draft.unlink(missing_ok=True)
