"""A file of the work tree as git would write it, and its conflict put back into the index."""

from __future__ import annotations

from pathlib import Path

from mergebert.git.command import git_output
from mergebert.git.index_stages import unmerged_entries
from mergebert.text.threeway import ThreeWay

_FILE = "100644"


def work_tree_form(content: bytes, name: str, root: Path) -> bytes:
    """`content` with the line ends, encoding and filters that the attributes of the path `name` ask for."""
    return git_output(["cat-file", "--filters", f"--path={name}", _blob(content, root)], root)


def is_unmerged(name: str, root: Path) -> bool:
    """Whether the index holds a conflict for the path `name`."""
    return bool(unmerged_entries(root, f":(top,literal){name}"))


def restore_stages(name: str, versions: ThreeWay[bytes], root: Path) -> None:
    """Makes the path `name` a conflict of the index again; an empty base stands for a file that both sides added."""
    mode = _mode(name, root)
    blobs = [
        _blob(version, root) if version or stage > 1 else "" for stage, version in enumerate(versions, 1)
    ]
    entries = [f"{mode} {blob} {stage}\t{name}\0" for stage, blob in enumerate(blobs, 1) if blob]
    gone = f"0 {'0' * len(blobs[1])}\t{name}\0"
    lines = "".join([gone, *entries]).encode("utf-8", "surrogateescape")
    git_output(["update-index", "-z", "--index-info"], root, lines)


def _mode(name: str, root: Path) -> str:
    """The mode of the path in the index, that of a plain file where it is not there."""
    listed = git_output(["ls-files", "-s", "-z", "--", f":(top,literal){name}"], root)
    return listed.split(b" ", 1)[0].decode("ascii") or _FILE


def _blob(content: bytes, root: Path) -> str:
    """The id of a blob, after storing it."""
    return git_output(["hash-object", "-w", "--no-filters", "--stdin"], root, content).decode("ascii").strip()
