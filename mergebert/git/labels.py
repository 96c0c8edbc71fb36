"""The labels git would write behind conflict markers; before 2.44 it does not tell them to a merge driver.

They are put together as git does it: from the command that runs, the branch it merges, the commit it picks, and the
names a file has on each side.
"""

from __future__ import annotations

import os

from mergebert.git.byte_merge import Labels
from mergebert.git.caller import is_made_anew
from mergebert.git.command import lean_result
from mergebert.git.notes import noted

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mergebert.git.blob_merge import Texts

DEFAULT_LABELS: Labels = ("base", "ours", "theirs")
_STASH: Labels = ("Stash base", "Updated upstream", "Stashed changes")
_HEAD = "HEAD"
_VALUED_IN_SWITCH = frozenset({"-b", "-B", "-c", "-C", "--conflict", "--create", "--force-create"})


def labels_of(caller: Sequence[str], path: str, texts: Texts) -> Labels:
    """The labels of a conflict in `path` when the git command of these words merges `texts`."""
    command = caller[0] if caller else ""
    if command == "stash":
        return _STASH
    if command == "merge":
        return _merge_labels(path, texts)
    if command == "merge-tree":
        ours, theirs = [word for word in caller if not word.startswith("-")][-2:]
        return _labels_of_two(ours, theirs, theirs, path, texts)
    if command == "am":
        return "constructed merge base", _HEAD, _first_line(noted("rebase-apply/final-commit"))
    if command in ("checkout", "switch") and not is_made_anew(caller, path):
        return _switch_labels(caller[1:])
    if command in ("rebase", "cherry-pick", "revert"):
        return _pick_labels(command, caller[1:], path, texts)
    return DEFAULT_LABELS


def _merge_labels(path: str, texts: Texts) -> Labels:
    """The labels of `git merge`, which leaves the name it was given for a commit in the environment."""
    heads = [name for name in os.environ if name.startswith("GITHEAD_")]
    if len(heads) != 1:
        return DEFAULT_LABELS
    return _labels_of_two(_HEAD, heads[0].removeprefix("GITHEAD_"), os.environ[heads[0]], path, texts)


def _labels_of_two(ours: str, theirs: str, name: str, path: str, texts: Texts) -> Labels:
    """The labels of a merge of two commits, theirs by this name; the base is named by what they have in common."""
    bases = _output("merge-base", "--all", ours, theirs).split()
    if not bases:
        return "empty tree", ours, name
    if len(bases) > 1:
        return "merged common ancestors", ours, name
    short = _output("rev-parse", "--short", bases[0])
    return _with_names((short, ours, name), (bases[0], ours, theirs), path, texts)


def _switch_labels(words: Sequence[str]) -> Labels:
    """The labels of `git checkout --merge`, for which the branch that is left is the base of what is not committed."""
    before = _output("symbolic-ref", "--quiet", "--short", _HEAD) or _output("rev-parse", "--short", _HEAD)
    named = [
        "@{-1}" if word == "-" else word
        for option, word in zip(("", *words), words, strict=False)
        if option not in _VALUED_IN_SWITCH and (word == "-" or not word.startswith("-"))
    ]
    target = named[0] if named else _HEAD
    if target.startswith("@{-"):  # a branch that was checked out before goes by its name
        target = _output("rev-parse", "--abbrev-ref", target) or target
    return before, target, "local"


def _pick_labels(command: str, words: Sequence[str], path: str, texts: Texts) -> Labels:
    """The labels while one commit is put on top of another, or taken back."""
    commit = _picked(command, words)
    title = _output("show", "-s", "--no-show-signature", "--format=%h (%s)", commit, "--") if commit else ""
    if not title:
        return DEFAULT_LABELS
    parent, its_parent = f"{commit}^", f"parent of {title}"
    if command == "revert":
        return _with_names((title, _HEAD, its_parent), (commit, _HEAD, parent), path, texts)
    return _with_names((its_parent, _HEAD, title), (parent, _HEAD, commit), path, texts)


def _picked(command: str, words: Sequence[str]) -> str:
    """The commit that is being picked or reverted, empty where git has not noted it."""
    if command == "rebase":
        lines = [line for line in noted("rebase-merge/done").split("\n") if line and not line.startswith("#")]
        parts = lines[-1].split() if lines else []
    else:
        # Of several commits the first one noted is the one at hand; a single one is noted nowhere.
        parts = _first_line(noted("sequencer/todo")).split() or ["pick", *words[-1:]]
    named = [part for part in parts[1:] if not part.startswith("-")]
    return _output("rev-parse", "--verify", "--quiet", f"{named[0]}^{{commit}}") if named else ""


def _with_names(labels: Labels, commits: Labels, path: str, texts: Texts) -> Labels:
    """The labels with the name the file has on each side, where it was renamed on one of them."""
    names = [_name_in(commit, path, text) for commit, text in zip(commits, texts, strict=True)]
    if set(names) <= {path, ""}:
        return labels
    base, ours, theirs = (f"{label}:{name or path}" for label, name in zip(labels, names, strict=True))
    return base, ours, theirs


def _name_in(commit: str, path: str, text: bytes) -> str:
    """The path of the file with this text in a commit: `path` itself where there is one, empty where that is unclear."""
    if _output("rev-parse", "--verify", "--quiet", f"{commit}:{path}"):
        return path
    import hashlib

    blob = hashlib.sha1(b"blob %d\0%s" % (len(text), text), usedforsecurity=False).hexdigest()
    entries = _output("ls-tree", "-r", "-z", commit).split("\0")
    found = [name for about, _, name in (entry.partition("\t") for entry in entries) if about.endswith(blob)]
    return found[0] if len(found) == 1 else ""


def _output(*arguments: str) -> str:
    """What a git command prints, without its newline; empty where it fails."""
    code, output = lean_result(["git", *arguments])
    return os.fsdecode(output).removesuffix("\n") if code == 0 else ""


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
