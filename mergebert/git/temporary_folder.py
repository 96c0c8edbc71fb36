"""A folder in which git merges texts, gone when it has; on the path of merged files, where `tempfile` would cost as much."""

from __future__ import annotations

import os

from mergebert.stops import StopsHeldBack

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable


class TemporaryFolder:
    """`with TemporaryFolder() as folder:` the name of an empty folder, which is removed before any signal to stop comes.

    Raises OSError where no place takes a folder.
    """

    __slots__ = ("_folder", "_held_back")

    def __enter__(self) -> str:
        self._held_back = StopsHeldBack()
        self._held_back.__enter__()
        try:
            self._folder = _new_folder()
        except OSError:
            self._held_back.__exit__()
            raise
        return self._folder

    def __exit__(self, *_: object) -> None:
        _remove(self._folder)
        self._held_back.__exit__()


def _new_folder() -> str:
    """An empty folder that only this user can read, in the first place that takes one; git needs none, so any will do.

    Raises OSError where no place takes a folder.
    """
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    for parent in (*named, "/tmp", "/var/tmp"):
        try:
            return _folder_in(parent)
        except OSError:
            continue
    return _folder_in(os.curdir)  # where git keeps the three versions themselves


def _folder_in(parent: str) -> str:
    while True:
        folder = os.path.join(os.path.abspath(parent), f"mergebert-{os.getpid()}-{os.urandom(6).hex()}")
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            continue
        return folder


def _remove(folder: str) -> None:
    """Removes a folder and all in it, as far as the system lets it."""
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            _quietly(os.unlink, os.path.join(parent, name))
        for name in folders:
            _quietly(os.rmdir, os.path.join(parent, name))
    _quietly(os.rmdir, folder)


def _quietly(remove: Callable[[str], None], path: str) -> None:
    try:  # noqa: SIM105 - contextlib costs milliseconds
        remove(path)
    except OSError:
        pass  # a temporary file that stays is no reason to fail
