"""What git has noted in its folder: of a rebase, cherry-pick or `am` that is going on, and of conflicts it remembers."""

from __future__ import annotations

import os

from mergebert.git.command import lean_result
from mergebert.regular_files import bytes_in


def noted(name: str) -> str:
    """The content of a file of git's folder, such as `rebase-merge/done`; empty where there is none."""
    try:
        return bytes_in(note_path(name)).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def note_path(name: str, folder: str = ".") -> str:
    """Where a file of git's folder lies, for the work tree around `folder`; empty outside of one."""
    code, output = lean_result(["git", "-C", folder, "rev-parse", "--git-path", name])
    return os.path.join(folder, os.fsdecode(output).removesuffix("\n")) if code == 0 else ""


def is_preimage(text: bytes) -> bool:
    """Whether git remembers a conflict with this text (`rerere.enabled`)."""
    paths = (
        os.path.join(folder, name)
        for folder, _, names in os.walk(note_path("rr-cache"))
        for name in names
        if name.startswith("preimage")
    )
    return any(_holds(path, text) for path in paths)


def _holds(path: str, content: bytes) -> bool:
    try:
        return os.path.getsize(path) == len(content) and bytes_in(path, len(content)) == content
    except OSError:  # git may have forgotten it meanwhile
        return False
