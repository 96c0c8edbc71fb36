"""The labels git would write behind conflict markers; before 2.44 it does not tell them to a merge driver.

They are put together as git does it: from the command that runs, the branch it merges, the commit it picks, and the
names a file has on each side.
"""

from __future__ import annotations

import os

from mergebert.git.byte_merge import Labels
from mergebert.git.caller import is_made_anew, switch_target
from mergebert.git.command import lean_result
from mergebert.git.command_words import CommandWords, command_words
from mergebert.git.merge_options import ENGINES, is_shifted
from mergebert.git.notes import noted
from mergebert.git.picked import commit_of, picked_name

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mergebert.git.blob_merge import Texts

DEFAULT_LABELS: Labels = ("base", "ours", "theirs")
_STASH: Labels = ("Stash base", "Updated upstream", "Stashed changes")
_HEAD = "HEAD"
_CONSTRUCTED = "constructed merge base"


def labels_of(caller: Sequence[str], path: str, texts: Texts, settings: Mapping[str, str]) -> Labels:
    """The labels of a conflict in `path` when the git command of these words merges `texts` under these settings.

    Never raises: a merge does not fail for a label.
    """
    try:
        return _labels(caller, path, texts, settings)
    except (LookupError, OSError, StopIteration, ValueError):
        return DEFAULT_LABELS


def _labels(caller: Sequence[str], path: str, texts: Texts, settings: Mapping[str, str]) -> Labels:
    command = caller[0] if caller else ""
    words = command_words(command, caller[1:])
    if command == "stash":
        return _STASH
    if command == "am":
        return _CONSTRUCTED, _HEAD, _first_line(noted("rebase-apply/final-commit"))
    if command == "notes":
        return "", _output("notes", "get-ref"), _notes_ref(words.arguments[-1])
    if command in ("checkout", "switch"):
        return DEFAULT_LABELS if is_made_anew(caller) else _switch_labels(words)
    names = _NamesOnSides(path, texts, is_shifted(caller, settings))
    if command == "merge":
        return _merge_labels(words, names)
    # With --stdin git alone knows which two it merges.
    if command == "merge-tree" and len(words.arguments) == 2:
        ours, theirs = words.arguments
        return _labels_of_two(ours, theirs, theirs, names)
    if command in ENGINES:
        return _engine_labels(words, names)
    if command == "rebase":
        return _rebase_labels(names)
    if command in ("cherry-pick", "revert"):
        return _pick_labels(command, picked_name(words), words.value("m", "mainline"), names)
    return DEFAULT_LABELS


def _merge_labels(words: CommandWords, names: _NamesOnSides) -> Labels:
    """The labels of `git merge`, which leaves the name it was given for a commit in the environment."""
    heads = [name for name in os.environ if name.startswith("GITHEAD_")]
    if len(heads) > 1:  # a merge that a hook of another one makes
        heads = [name for name in heads if os.environ[name] in words.arguments]
    if len(heads) != 1:
        return DEFAULT_LABELS
    return _labels_of_two(_HEAD, heads[0].removeprefix("GITHEAD_"), os.environ[heads[0]], names)


def _engine_labels(words: CommandWords, names: _NamesOnSides) -> Labels:
    """The labels of `git merge-recursive BASE -- OURS THEIRS`, which a pick with a strategy of its own runs."""
    ours, theirs = words.paths or []
    label, other = (os.environ.get(f"GITHEAD_{word}", word) for word in (ours, theirs))
    if len(words.arguments) != 1:
        return "merged common ancestors", label, other
    return names.added_to((_CONSTRUCTED, label, other), (words.arguments[0], ours, theirs))


def _labels_of_two(ours: str, theirs: str, name: str, names: _NamesOnSides) -> Labels:
    """The labels of a merge of two commits, theirs by this name; the base is named by what they have in common."""
    bases = _output("merge-base", "--all", ours, theirs).split()
    if not bases:
        return "empty tree", ours, name
    if len(bases) > 1:
        return "merged common ancestors", ours, name
    short = _output("rev-parse", "--short", bases[0])
    return names.added_to((short, ours, name), (bases[0], ours, theirs))


def _switch_labels(words: CommandWords) -> Labels:
    """The labels of `git checkout --merge`, for which the branch that is left is the base of what is not committed."""
    before = _output("symbolic-ref", "--quiet", "--short", _HEAD) or _output("rev-parse", "--short", _HEAD)
    target = switch_target(words)
    if target.startswith("@{-"):  # a branch that was checked out before goes by its name
        target = _output("rev-parse", "--abbrev-ref", target) or target
    return before, target, "local"


def _rebase_labels(names: _NamesOnSides) -> Labels:
    """The labels of a rebase, which notes what it does before it does it."""
    lines = [line for line in noted("rebase-merge/done").split("\n") if line and not line.startswith("#")]
    command, *parts = lines[-1].split()
    if command not in ("m", "merge"):
        return _pick_labels("rebase", next(part for part in parts if not part.startswith("-")), "", names)
    named = parts[: parts.index("#")] if "#" in parts else parts
    if named[0] in ("-c", "-C"):
        named = named[2:]
    [theirs] = named
    rewritten = f"refs/rewritten/{theirs}"
    name = rewritten if commit_of(rewritten) else theirs
    return _labels_of_two(_HEAD, name, name, names)


def _pick_labels(command: str, name: str, parent_number: str, names: _NamesOnSides) -> Labels:
    """The labels while one commit is put on top of another, or taken back."""
    commit = commit_of(name)
    if not commit:
        return DEFAULT_LABELS
    encoding = f"--encoding={_output('config', 'i18n.commitEncoding') or 'UTF-8'}"
    shown = _output("show", "-s", "--no-show-signature", encoding, "--format=%h%n%B", commit, "--")
    short, _, message = shown.partition("\n")
    subject = next((line for line in message.split("\n") if line.strip()), "")
    title = f"{short} ({subject})"
    parent = f"{commit}^{parent_number}"
    its_parent = f"parent of {title}" if commit_of(parent) else "(empty tree)"
    if command == "revert":
        return names.added_to((title, _HEAD, its_parent), (commit, _HEAD, parent))
    return names.added_to((its_parent, _HEAD, title), (parent, _HEAD, commit))


def _notes_ref(word: str) -> str:
    """The full name of what `git notes merge` is given."""
    if _output("rev-parse", "--verify", "--quiet", word):
        return word
    return word if word.startswith("refs/notes/") else f"refs/notes/{word.removeprefix('notes/')}"


class _NamesOnSides:
    """The names a merged file has on each side; git adds them to the labels where it was renamed."""

    def __init__(self, path: str, texts: Texts, is_shifted: bool) -> None:
        self.path = path
        self.texts = texts
        self.is_shifted = is_shifted  # one side lies in a folder of the other, which is no renaming

    def added_to(self, labels: Labels, commits: Labels) -> Labels:
        """The labels, with these names where they differ."""
        if self.is_shifted or not self.texts[0]:  # git takes no empty file for one that was renamed
            return labels
        before = self._name_before(commits)
        names = [before, *(self._name_in(commits[side], side, before) for side in (1, 2))]
        if set(names) <= {self.path, ""}:
            return labels
        base, ours, theirs = (f"{one}:{name or self.path}" for one, name in zip(labels, names, strict=True))
        return base, ours, theirs

    def _name_before(self, commits: Labels) -> str:
        """The name of the file in the base; empty where several have its text, and stand on both sides."""
        if _has_file(commits[0], self.path):
            return self.path
        found = self._names_of_text(commits[0], 0)
        gone = [name for name in found if not all(_has_file(commit, name) for commit in commits[1:])]
        return gone[0] if len(gone) == 1 else ""

    def _name_in(self, commit: str, side: int, before: str) -> str:
        """The name of the file on a side: as it is now, or as it was, or that of its text; empty where unclear."""
        for name in (self.path, before):
            if name and _has_file(commit, name):
                return name
        found = self._names_of_text(commit, side)
        return found[0] if len(found) == 1 else ""

    def _names_of_text(self, commit: str, side: int) -> list[str]:
        """The files of a commit that hold the text of one side."""
        blob = _blob_id(self.texts[side])
        entries = _output("ls-tree", "-r", "-z", commit).split("\0")
        return [
            name for about, _, name in (entry.partition("\t") for entry in entries) if about.endswith(blob)
        ]


def _has_file(commit: str, path: str) -> bool:
    return bool(_output("rev-parse", "--verify", "--quiet", f"{commit}:{path}"))


def _blob_id(text: bytes) -> str:
    """The id git gives a file with this text in this repository."""
    import hashlib

    hashed = hashlib.new(_output("rev-parse", "--show-object-format"), usedforsecurity=False)
    hashed.update(b"blob %d\0%s" % (len(text), text))
    return hashed.hexdigest()


def _output(*arguments: str) -> str:
    """What a git command prints, without its newline; empty where it fails."""
    code, output = lean_result(["git", *arguments])
    return os.fsdecode(output).removesuffix("\n") if code == 0 else ""


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
