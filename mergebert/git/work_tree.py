"""A file of the work tree as git would write it, and its conflict put back into the index."""

from __future__ import annotations

import os
from pathlib import Path

from mergebert.errors import GitError
from mergebert.git.command import git_output
from mergebert.git.index_stages import unmerged_entries
from mergebert.git.notes import note_path

_FILE, _EXECUTABLE = "100644", "100755"
_HASH_LENGTH = 40  # git takes no heed of the id where the mode is 0


def work_tree_form(content: bytes, name: str, root: Path) -> bytes:
    """`content` with the line ends, encoding and filters that the attributes of the path `name` ask for."""
    return git_output(["cat-file", "--filters", f"--path={name}", blob_id(content, root, "-w")], root)


def is_unmerged(name: str, root: Path) -> bool:
    """Whether the index holds a conflict for the path `name`."""
    return bool(unmerged_entries(root, f":(top,literal){name}"))


def is_as_committed(name: str, root: Path) -> bool:
    """Whether index and work tree hold the path `name` as HEAD does."""
    return not git_output(["status", "--porcelain", "-z", "-uall", "--", f":(top,literal){name}"], root)


def index_entries(name: str, root: Path) -> bytes:
    """What the index holds of the path `name`, as `put_into_index` takes it."""
    return git_output(["ls-files", "-s", "-z", "--", f":(top,literal){name}"], root)


def mode_at_hand(name: str, root: Path) -> str:
    """The mode of the path in the work tree or the index, that of a plain file where it is not there."""
    if os.access(root / name, os.X_OK):
        return _EXECUTABLE
    return index_entries(name, root).split(b" ", 1)[0].decode("ascii") or _FILE


def put_into_index(name: str, entries: bytes, root: Path) -> None:
    """Makes `entries` all that the index holds of the path `name`; raises GitError, nothing changed, where it cannot."""
    gone = f"0 {'0' * _HASH_LENGTH}\t{name}\0".encode("utf-8", "surrogateescape")
    try:
        git_output(["update-index", "-z", "--index-info"], root, gone + entries)
    except GitError as error:
        lock = note_path("index.lock", str(root))
        if not os.path.exists(lock):
            raise
        raise GitError(
            f"{lock} is there: another git command runs, or was killed; nothing was undone. Delete the file if none runs."
        ) from error


def blob_id(content: bytes, root: Path, *options: str) -> str:
    """The id a blob has, or would have; with `-w` it is stored, and with `--path` normalised as that file."""
    filters = [] if any(word.startswith("--path") for word in options) else ["--no-filters"]
    return git_output(["hash-object", *filters, *options, "--stdin"], root, content).decode("ascii").strip()
