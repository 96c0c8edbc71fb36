"""Files replaced whole or not at all; on the path of every merged file, so it imports next to nothing."""

from __future__ import annotations

import errno
import os
import stat

from mergebert.stops import StopsHeldBack

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CAPABILITY = "security.capability"  # the system takes it from every file that is written to
_BINARY = getattr(os, "O_BINARY", 0)
_NOT_THROUGH_A_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


def replace_file(path: str, content: bytes, stamp: Callable[[int], None] | None = None) -> None:
    """Puts `content` in the place of the file `path`, or makes it; never through a symbolic link.

    This happens in one step, and when it fails, or is killed, the old file stands as it was. The new file has the
    owner, mode, access control list and extended attributes of the old one, and loses what a write into the old one
    takes from it: setuid and setgid bits but of root's files, and capabilities.

    A file that has several hard links, or an owner or attributes that this process may not give to a new one, would
    lose them: it is written over, as `git merge-file` does. A failure there is taken back, but a process killed in
    the middle, or a reader who comes then, finds both contents mixed.

    `stamp` is given the descriptor of the file once it is written.
    """
    with StopsHeldBack():
        _replace(path, content, stamp)


def _replace(path: str, content: bytes, stamp: Callable[[int], None] | None) -> None:
    before = _regular_file(path)
    if before is not None and before.st_nlink > 1:
        _overwrite(path, content, stamp)
        return
    output, temporary = _beside(path)
    replaced = False
    try:
        try:
            is_alike = before is None or _is_made_alike(output, before, path)
            if is_alike:
                write_all(output, content)
                if stamp:
                    stamp(output)
        finally:
            os.close(output)
        if is_alike:
            os.replace(temporary, path)
            replaced = True
    finally:
        if not replaced:
            os.unlink(temporary)
    if not is_alike:
        _overwrite(path, content, stamp)


def write_atomically(path: str, content: bytes) -> None:
    """Replaces a file as `replace_file` does, or what `path` links to: a link stays a link."""
    replace_file(os.path.realpath(path), content)


def overwrite(path: str, content: bytes, stamp: Callable[[int], None] | None = None) -> None:
    """Writes over a file where it lies; raises OSError, nothing changed, if it won't fit."""
    with StopsHeldBack():
        _overwrite(path, content, stamp)


def _overwrite(path: str, content: bytes, stamp: Callable[[int], None] | None) -> None:
    _regular_file(path)
    descriptor = os.open(path, os.O_RDWR | _BINARY | _NOT_THROUGH_A_LINK)
    try:
        known = os.fstat(descriptor)
        size, is_begun = known.st_size, False
        before = os.read(descriptor, size)
        try:
            _write_at(descriptor, size, content[size:])  # what needs room comes first, behind the old content
            os.fsync(descriptor)  # some file systems find out only here that the disk is full
            is_begun = True
            _write_at(descriptor, 0, content[:size])
        except OSError:
            if os.fstat(descriptor).st_size != size:
                os.ftruncate(descriptor, size)
            if is_begun:
                _write_at(descriptor, 0, before)
            _restore_times(descriptor, known)
            raise
        os.ftruncate(descriptor, len(content))
        if stamp:
            stamp(descriptor)
    finally:
        os.close(descriptor)


def _restore_times(descriptor: int, known: os.stat_result) -> None:
    """Gives a file that is as it was its old times too: by a newer one a result is known."""
    try:
        if os.utime in os.supports_fd:
            os.utime(descriptor, ns=(known.st_atime_ns, known.st_mtime_ns))
    except OSError:
        pass  # only its owner may


def refuse_links(path: str) -> None:
    """Raises OSError where `path` is a symbolic link, or lies beyond one that leads out of its repository."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", path)
    inner_place(path)


def inner_place(path: str) -> str:
    """Where the file at `path` lies once links are followed.

    Raises OSError where they lead out of the repository that `path` is in, or out of its folder where it is in none.
    """
    start = folder = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(os.path.join(folder, ".git")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            folder = start
            break
    place = os.path.realpath(path)
    if not place.startswith(os.path.join(os.path.realpath(folder), "")):
        raise OSError(errno.ELOOP, "a symbolic link leads elsewhere and is not followed", path)
    return place


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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
    for attempt in range(100):
        name = os.path.join(folder, f".mergebert-{os.getpid()}-{attempt}")
        try:
            return os.open(name, flags, 0o666), name
        except FileExistsError:
            continue  # left behind by a process that was killed and had our number
    raise FileExistsError(17, "too many unfinished files of mergebert lie here; delete them", folder)


def _regular_file(path: str) -> os.stat_result | None:
    """What the system knows of a file, None where there is none; raises OSError for anything but a regular file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return found


def _is_made_alike(output: int, before: os.stat_result, path: str) -> bool:
    """Whether the new file was given owner, attributes and mode of the one it replaces."""
    if not hasattr(os, "fchmod"):
        return True  # Windows: what a new file is given is its folder's to say
    try:
        made = os.fstat(output)
        if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
            os.fchown(output, before.st_uid, before.st_gid)
        _copy_attributes(path, output)
        os.fchmod(output, stat.S_IMODE(before.st_mode))
        os.ftruncate(output, 0)  # as a write does, takes the setuid bit even where nothing is written
    except OSError:
        return False
    return True


def _copy_attributes(path: str, output: int) -> None:
    """Gives the new file the extended attributes of the old one, and no others; raises OSError where it must not."""
    if not hasattr(os, "listxattr"):
        return  # Python reaches those of Linux only
    wanted, given = _attributes(path), _attributes(output)
    wanted.pop(_CAPABILITY, None)
    for name in given.keys() - wanted.keys():
        os.removexattr(output, name)
    for name, value in wanted.items():
        if given.get(name) != value:
            os.setxattr(output, name, value)


def _attributes(file: int | str) -> dict[str, bytes]:
    try:
        names = os.listxattr(file)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {name: os.getxattr(file, name) for name in names}


class Draft:
    """`with Draft(path) as draft`: a file for libraries to write, hidden beside `path`, that takes its place if the block
    ends well and vanishes if not. A killed process leaves a `.part` behind. A link stays a link; raises OSError for what
    is no regular file, such as a device, which root could replace.
    """

    def __init__(self, path: Path) -> None:
        self._path = path = type(path)(os.path.realpath(path))
        _regular_file(str(path))
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
