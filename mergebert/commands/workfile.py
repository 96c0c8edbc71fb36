"""A file of the work tree that holds conflict markers: read, and written back."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.atomic import inner_place, replace_file
from mergebert.errors import GitError, InputError, MarkerError, MergebertError, MissingGitError
from mergebert.regular_files import LARGEST_TEXT
from mergebert.terminal import one_line
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.markers import (
    MOST_CONFLICTS,
    MergedFile,
    are_countless,
    has_markers,
    marked_conflicts,
    marker_size_in,
    parse,
)
from mergebert.text.reconcile import unreconciled
from mergebert.text.threeway import ThreeWay
from mergebert.text_files import decoded, read_bytes

if TYPE_CHECKING:
    from mergebert.git.index_stages import UnmergedFile
    from mergebert.text.file_parts import Part
    from mergebert.text.history import MergeHistory

MOST_AT_ONCE = 4 * LARGEST_TEXT  # characters: the largest file there is with its three versions
_PERFORCE = "\n>>>> ORIGINAL //"  # the first line of a conflict that `p4 resolve` left


class PathConflictError(InputError):
    """A conflict of git that no text resolves: a deleted side, a link, a submodule."""


@dataclass(frozen=True, slots=True)
class WorkFile:
    """A file with conflicts: where it lies, its content as it was read, and the conflicted text in it.

    `wanted` is what git wants decided at this path beside the text; mostly nothing.
    """

    path: Path
    content: bytes
    text: ConflictedText
    index: UnmergedFile | None = None  # None where git does not know the file
    wanted: str = ""

    @property
    def weight(self) -> int:
        """How much memory it takes while it is ranked, in characters of text."""
        texts = len(self.content) + sum(map(len, self.text.stages or ()))
        return texts + len(self.text.open_conflicts) * (MOST_AT_ONCE // MOST_CONFLICTS)


def open_work_files(paths: Sequence[Path]) -> Iterator[tuple[list[WorkFile], dict[Path, MergebertError]]]:
    """The files that can be worked on, with their versions from git's index, and why the others cannot.

    As many at a time as memory is sure to hold, mostly all.
    """
    files: list[WorkFile] = []
    refused: dict[Path, MergebertError] = {}
    weight = 0
    for path in dict.fromkeys(paths):
        try:
            file = read_work_file(path)
        except (GitError, InputError, MarkerError) as error:
            error.__cause__ = error.__context__ = None  # which hold on to what was read
            refused[path] = error.with_traceback(None)
            continue
        weight += file.weight
        if files and weight > MOST_AT_ONCE:
            yield files, refused
            files, refused, weight = [], {}, file.weight
        files.append(file)
    yield files, refused


def known_history(files: Sequence[WorkFile]) -> MergeHistory:
    """What history tells of the merge of these files; nothing of files of several work trees."""
    from mergebert.git.known_history import history_of_waiting
    from mergebert.text.history import UNKNOWN_MERGE

    roots = {file.index.root for file in files if file.index}
    names = [file.index.name for file in files if file.index and file.text.open_conflicts]
    return history_of_waiting(roots.pop(), names) if len(roots) == 1 else UNKNOWN_MERGE


def read_work_file(path: Path) -> WorkFile:
    """The file at `path`, reconciled with the line merge of its versions where git's index has them.

    Raises InputError or MarkerError when it is unusable, PathConflictError where its text is not what is in conflict.
    """
    from mergebert.git.index_stages import wanted_by_git

    index = _in_index(path)
    wanted = wanted_by_git(index.entries) if index else ""
    if not wanted:
        return _marked_file(path, index)
    try:
        # Both sides may have renamed it: then either name holds the markers of one merge.
        file = None if path.is_symlink() else _marked_file(path, index)
    except (InputError, MarkerError):
        file = None
    if file is None or not file.text.open_conflicts:
        raise PathConflictError(f"{path}: {wanted}")
    return replace(file, wanted=wanted)


def _marked_file(path: Path, index: UnmergedFile | None) -> WorkFile:
    try:
        inner_place(str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    content = read_bytes(path)
    stages = _stages(index)
    work_tree = _parsed(path, decoded(path, content), stages)
    # What names the file to a resolver: its path in the repository, never where on this machine that lies.
    name = index.name if index else portable_name(path)
    parts = _parts(work_tree, stages)
    if index is None or parts is None:
        text = ConflictedText(name, unreconciled(work_tree.parts))
    else:
        from mergebert.driver.own_resolutions import own_resolutions

        text = ConflictedText(name, parts, stages, own_resolutions(name, index.root, _warn))
    return WorkFile(path, content, text, index)


def _warn(sentence: str) -> None:
    print(one_line(f"mergebert: {sentence}"), file=sys.stderr)


def write_work_file(file: WorkFile, text: str) -> bool:
    """Whether the file changed: its content becomes `text` in one step, or stays what it was.

    Raises InputError if someone else wrote the file meanwhile, or it cannot be written.
    """
    content = text.encode("utf-8", "surrogateescape")
    if content == file.content:
        return False
    if read_bytes(file.path) != file.content:
        raise InputError(f"{file.path} was changed meanwhile and is left alone; run the command again.")
    try:
        replace_file(inner_place(str(file.path)), content)
    except OSError as error:
        raise InputError(f"{file.path} cannot be written and is left alone: {error.strerror}.") from error
    return True


def _parsed(path: Path, text: str, stages: ThreeWay[str] | None) -> MergedFile:
    from mergebert.git.index_stages import marker_size_of

    size = marker_size_in(text, marker_size_of(path.name, path.parent) if stages else None)
    if are_countless(text, size):
        raise InputError(f"{path} has more than {MOST_CONFLICTS} conflicts; resolve it by hand.")
    try:
        work_tree = parse(text, size, stages)
    except MarkerError as error:
        raise MarkerError(f"{path}: {error}") from error
    is_torn = has_markers if size is None else lambda part: bool(marked_conflicts(part, size))
    if not work_tree.conflicts and _PERFORCE in text:
        raise MarkerError(
            f"{path} holds a conflict of Perforce, whose markers are not read; `p4 resolve` it."
        )
    if any(isinstance(part, str) and is_torn(part) for part in work_tree.parts):
        raise MarkerError(f"{path} holds a marker without its conflict; restore it or remove the line.")
    return work_tree


def merged_text(path: str, versions: ThreeWay[str]) -> ConflictedText:
    """The line merge of three versions."""
    from mergebert.git.line_merge import line_merge

    return ConflictedText(portable_name(Path(path)), unreconciled(line_merge(versions).parts), versions)


def portable_name(path: Path) -> str:
    """A path as it was given, or the bare name of an absolute one."""
    return path.name if path.is_absolute() else path.as_posix()


def _in_index(path: Path) -> UnmergedFile | None:
    """What git's index holds of `path`; None where there is no git, for what the markers show is worth resolving."""
    from mergebert.git.index_stages import unmerged_file

    try:
        return unmerged_file(path)
    except (MissingGitError, ValueError):  # a link led out of the repository
        return None


def _stages(index: UnmergedFile | None) -> ThreeWay[str] | None:
    """The three versions of a conflicted file, where the index has them."""
    from mergebert.git.index_stages import stage_texts

    try:
        return stage_texts(index.entries, index.name, index.root) if index else None
    except GitError:  # what the markers show is still worth resolving
        return None


def _parts(work_tree: MergedFile, stages: ThreeWay[str] | None) -> tuple[Part, ...] | None:
    """The parts of a conflicted file, where its versions are known: git knows two sides."""
    from mergebert.git.matching_merge import matching_merge

    if stages is None or not all(one.is_two_sided for one in work_tree.conflicts):
        return None
    try:
        return matching_merge(work_tree, stages).parts
    except (GitError, InputError):
        return None
