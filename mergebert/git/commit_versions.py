"""The three versions of a conflicted file as git puts them into the index: blobs and modes of the commits merged.

What a driver is given are texts: git may have normalised them, and an empty one stands for a file that is not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mergebert.git.command import git_result
from mergebert.git.index_stages import are_of_usual_size
from mergebert.git.operation import Noted, Operation
from mergebert.git.work_tree import blob_id, mode_at_hand
from mergebert.text.threeway import ThreeWay

_BLOB = "100"  # what the mode of a regular file begins with
# What a patch tells of a file: modes where they differ, both blobs, and the mode where it is one.
_PATCHED = re.compile(
    r"^(?:(?:old mode|new file mode) (\d+)\n)?(?:new mode (\d+)\n)?(?:(?:similarity|rename) .*\n)*"
    r"index ([0-9a-f]+)\.\.([0-9a-f]+)(?: (\d+))?$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Version:
    """What the index holds of one version of a file; `is_found` where a commit of the operation holds it."""

    mode: str
    blob: str
    is_found: bool


def commit_versions(
    name: str, texts: ThreeWay[bytes], operation: Operation, noted: Noted
) -> ThreeWay[Version | None]:
    """The versions with these texts of the path `name` in an operation that goes on; no base of what both sides added."""
    commits = operation.commits(noted)
    base, ours, theirs = (
        _version(name, text, each, noted.folder) for text, each in zip(texts, commits, strict=True)
    )
    if operation.command == "am" and not commits.theirs:
        base, theirs = _patched(texts, noted) or (base, theirs)
    return ThreeWay(base if texts.base or (base and base.is_found) else None, ours, theirs)


def _version(name: str, text: bytes, commits: tuple[str, ...], root: Path) -> Version:
    """The file with this text in one of the commits, or else the text as a blob with the mode the path has there."""
    found = next((one for commit in commits if (one := _file_in(commit, name, text, root))), None)
    if found:
        return Version(*found, is_found=True)
    modes = (mode for commit in commits for mode, _ in _listed(commit, name, root))
    return Version(next(modes, "") or mode_at_hand(name, root), blob_id(text, root, "-w"), is_found=False)


def _file_in(commit: str, name: str, text: bytes, root: Path) -> tuple[str, str] | None:
    """Mode and blob of the file with this text in a commit, under this name or the one it had before."""
    blob = blob_id(text, root)
    here = _listed(commit, name, root)
    for mode, found in here:
        if found == blob or (text and _is_normalised(blob, found, name, root)):
            return mode, found
    if not text:
        return None  # git follows no empty file to another name
    return next((one for one in _listed(commit, "", root) if one[1] == blob), None)


def _is_normalised(blob: str, stored: str, name: str, root: Path) -> bool:
    """Whether `blob` is what git merges in the place of a stored one that is renormalised."""
    if not are_of_usual_size([stored], root):
        return False
    code, content, _ = git_result(["cat-file", "--filters", f"--path={name}", stored], root)
    return code == 0 and blob_id(content, root, f"--path={name}") == blob


def _listed(commit: str, name: str, root: Path) -> list[tuple[str, str]]:
    """Mode and blob of each regular file of this name in a commit, of every one where there is no name."""
    words = [
        "--literal-pathspecs",
        "ls-tree",
        "-r",
        "-z",
        "--full-tree",
        commit,
        *(["--", name] if name else []),
    ]
    code, output, _ = git_result(words, root)
    facts = [entry.split(b"\t")[0].decode("ascii").split() for entry in output.split(b"\0")[:-1]]
    return [(mode, blob) for mode, _, blob in facts if mode.startswith(_BLOB)] if code == 0 else []


def _patched(texts: ThreeWay[bytes], noted: Noted) -> tuple[Version, Version] | None:
    """Base and theirs of the file with these texts in the patch that is being applied; None where it holds no such file."""
    base, theirs = blob_id(texts.base, noted.folder, "-w"), blob_id(texts.theirs, noted.folder, "-w")
    for old, new, before, after, both in _PATCHED.findall(noted.patch):
        is_added = not before.strip("0") and not texts.base
        if theirs.startswith(after) and (is_added or base.startswith(before)):
            modes = (old or both, new or old or both)
            return Version(modes[0], base, not is_added), Version(modes[1], theirs, is_found=True)
    return None
