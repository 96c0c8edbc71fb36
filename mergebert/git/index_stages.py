"""What git remembers of a conflicted file: its three versions in the index, and where its repository lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mergebert.errors import GitError
from mergebert.git.command import git_output, git_result, refused
from mergebert.regular_files import LARGEST_TEXT
from mergebert.text.threeway import ThreeWay

_DIGITS_OF_A_SIZE = 6
# What git says where there is no repository, or one without a work tree.
_OUTSIDE = ("fatal: not a git repository", "fatal: this operation must be run in a work tree")


@dataclass(frozen=True, slots=True)
class UnmergedFile:
    """A path that git's index may hold as a conflict: its repository, its name there, and `<mode> <blob> <stage>` of
    every version; none where it is no conflict.
    """

    root: Path
    name: str
    entries: tuple[str, ...]


def repository_root(path: Path) -> Path | None:
    """The top folder of the work tree that holds `path` (a file or a folder), or None outside of one."""
    found = _place_of(path, "--show-toplevel")
    return Path(found) if found else None


def git_folder(path: Path) -> Path | None:
    """git's own folder of the repository around `path`, shared by all its work trees; None outside of one."""
    found = _place_of(path, "--git-common-dir")
    # Older versions of git answer relative to the folder they ran in.
    return (_folder_of(path) / found).resolve() if found else None


def unmerged_file(path: Path) -> UnmergedFile | None:
    """What the index holds of the file, link or submodule at `path`; None outside of a repository."""
    root = repository_root(path.parent)
    if root is None:
        return None
    name = _name(path, root)
    found = unmerged_entries(root, f":(top,literal){name}")
    return UnmergedFile(root, name, found.get(name, ()))


def wanted_by_git(entries: tuple[str, ...]) -> str:
    """What a person has to decide at a path with these unmerged entries beside its text; empty where that is all."""
    modes = {stage: mode for mode, _, stage in map(str.split, entries)}
    if "160000" in modes.values():
        return "it is a submodule, whose commit git leaves to you: check one out in it, then `git add` it."
    if "120000" in modes.values() and {"2", "3"} <= modes.keys():
        return (
            "it is a symbolic link on a side, which git does not merge: `git checkout --ours` or `--theirs` it, "
            "then `git add` it."
        )
    ends = "`git add` keeps it and `git rm` deletes it."
    sides = {
        "1": "both sides deleted or renamed it: `git rm` ends the conflict.",
        "2": f"only ours has it under this name: {ends}",
        "3": f"only theirs has it under this name: {ends}",
        "12": f"theirs deleted or renamed it: {ends}",
        "13": f"ours deleted or renamed it: {ends}",
    }
    if modes and modes.get("2") != modes.get("3") and "1" not in modes and len(modes) == 2:
        return "both sides added it with another mode: `chmod` it as it should be, then `git add` it."
    return sides.get("".join(sorted(modes)), "")


def unmerged_entries(root: Path, *pathspecs: str) -> dict[str, tuple[str, ...]]:
    """What the index holds of each conflicted path, by name: `<mode> <blob> <stage>` of every version."""
    listed = _text(git_output(["ls-files", "-u", "-z", "--", *pathspecs], root))
    found: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, listed.split("\0")):
        facts, _, name = entry.partition("\t")
        found[name] = (*found.get(name, ()), facts)
    return found


def stage_texts(entries: tuple[str, ...], name: str, root: Path) -> ThreeWay[str] | None:
    """Base, ours and theirs of the path with these unmerged entries, as they would stand in the work tree.

    The base of a file that both sides added is empty. None where the index holds no conflict with two sides
    for this path, and where a version is binary or larger than texts are.
    """
    blobs = _blobs(entries)
    if "2" not in blobs or "3" not in blobs or not are_of_usual_size(blobs.values(), root):
        return None
    texts = [_content(blobs[stage], name, root) if stage in blobs else b"" for stage in "123"]
    if any(b"\0" in text or len(text) > LARGEST_TEXT for text in texts):  # filters may have made it longer
        return None
    return ThreeWay(*(_text(text) for text in texts))


def are_of_usual_size(blobs: Iterable[str], root: Path) -> bool:
    """Whether these blobs are there and none is larger than a text can be."""
    asked = "".join(f"{blob}\n" for blob in blobs).encode("ascii")
    sizes = git_output(["cat-file", "--batch-check=%(objectsize)"], root, asked).split(b"\n")[:-1]
    return all(size.isdigit() and int(size) <= LARGEST_TEXT for size in sizes)


def marker_size_of(name: str, root: Path) -> int | None:
    """The length of conflict markers that the attributes give the path of this name; None where they give none in use.

    Nobody reads markers of millions of characters, and looking for them would take all memory.
    """
    value = attribute_of("conflict-marker-size", name, root)
    is_number = value.isascii() and value.isdigit() and len(value) <= _DIGITS_OF_A_SIZE
    return int(value) if is_number else None


def attribute_of(attribute: str, name: str, root: Path) -> str:
    """The value of a git attribute of the path of this name; empty where it has none, or git cannot be asked."""
    try:
        code, output, _ = git_result(["check-attr", "-z", attribute, "--", name], root)
    except GitError:
        return ""
    value = "".join(_text(output).split("\0")[2:3]) if code == 0 else ""
    return "" if value in ("set", "unset", "unspecified") else value


def _place_of(path: Path, option: str) -> str:
    """What `git rev-parse` answers around `path`, empty outside of a repository; raises GitError where it refuses."""
    arguments = ["rev-parse", option]
    code, output, reason = git_result(arguments, _folder_of(path))
    if code and not reason.startswith(_OUTSIDE):
        raise refused(arguments, reason)
    return "" if code else _text(output).removesuffix("\n")


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _blobs(entries: tuple[str, ...]) -> dict[str, str]:
    """Stage number -> blob id of one conflicted path; empty unless every version is a regular file."""
    fields = [entry.split() for entry in entries]
    if not all(mode.startswith("100") for mode, _, _ in fields):
        return {}  # symbolic links and submodules are git's to decide
    return {stage: blob for _, blob, stage in fields}


def _name(path: Path, root: Path) -> str:
    """The name git has for `path`; links to its folder are followed, the file itself may be one."""
    where = path.parent.resolve() / path.name
    return where.relative_to(root.resolve()).as_posix()


def _content(blob: str, name: str, root: Path) -> bytes:
    """A blob with the line ends and filters of the work tree, so that it compares with the file there."""
    return git_output(["cat-file", "--filters", f"--path={name}", blob], root)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
