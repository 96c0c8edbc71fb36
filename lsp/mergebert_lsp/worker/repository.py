"""What git and the journal tell the worker of a file: its three versions and their line merge, and what was ours in it.

Each is read once, and again when what holds it was written again.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

from mergebert.driver.journal import journal_folder
from mergebert.driver.own_resolutions import own_resolutions
from mergebert.errors import GitError, InputError, MarkerError
from mergebert.git.command import git_output
from mergebert.git.index_stages import marker_size_of, repository_root, stage_texts, unmerged_entries
from mergebert.git.known_history import history_of_waiting
from mergebert.git.line_merge import line_merge
from mergebert.git.matching_merge import matching_merge
from mergebert.git.operation import Operation, noted_operation
from mergebert.regular_files import LARGEST_TEXT, bytes_in
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory
from mergebert.text.markers import MergedFile, parse
from mergebert.text.threeway import ThreeWay

logger = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]  # of a file or folder: when it was written, its size, its inode

OwnResolutions = frozenset[tuple[ThreeWay[str], str]]  # what mergebert resolved: no answer of a person


@dataclass(frozen=True, slots=True)
class Versions:
    """What git knows of one conflicted file."""

    stages: ThreeWay[str]
    line_merge: MergedFile
    marker_size: int | None = None  # of git's attributes, where they give one


@dataclass(slots=True)
class _CachedVersions:
    entry: tuple[str, ...]
    versions: Versions | None


@dataclass(slots=True)
class _CachedOwn:
    read_at: tuple[object, ...]  # the journal and the index at that time
    own: OwnResolutions


@dataclass(frozen=True, slots=True)
class _CachedHistory:
    read_at: _Stamp | None  # the index at that time
    operation: Operation
    names: frozenset[str]
    history: MergeHistory


class Repository:
    """One work tree; `problem` is why git cannot say what is in conflict there, where it cannot."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problem: GitError | None = None
        self._index = root / _line(git_output(["rev-parse", "--git-path", "index"], root))
        self._stamp: _Stamp | None = None
        self._entries: dict[str, tuple[str, ...]] = {}
        self._cache: dict[str, _CachedVersions] = {}
        self._names: dict[Path, str] = {}
        self._journal = journal_folder(root)
        self._own: dict[str, _CachedOwn] = {}
        self._history: _CachedHistory | None = None

    @property
    def is_there(self) -> bool:
        """Whether the work tree and git's folder of it still lie on the disk."""
        return self.root.is_dir() and self._index.parent.is_dir()

    def name_of(self, path: Path) -> str:
        """The name git has for the file, by whatever links it was reached; empty where it lies elsewhere after all."""
        if path not in self._names:
            try:
                name = (path.parent.resolve() / path.name).relative_to(self.root.resolve()).as_posix()
            except (ValueError, OSError):
                name = ""
            self._names[path] = name
        return self._names[path]

    def unmerged(self) -> tuple[str, ...]:
        """The names of the files that the index holds in conflict, in its order."""
        self._refresh()
        return tuple(self._entries)

    def is_unmerged(self, path: Path) -> bool:
        """Whether the index holds this file in conflict."""
        self._refresh()
        return self.name_of(path) in self._entries

    def versions_of(self, path: Path) -> Versions | None:
        """The three versions of a conflicted file; None where the index has no conflict of two texts."""
        self._refresh()
        name = self.name_of(path)
        entry = self._entries.get(name)
        if entry is None:
            self._cache.pop(name, None)
            return None
        cached = self._cache.get(name)
        if cached is None or cached.entry != entry:
            cached = self._cache[name] = _CachedVersions(entry, _versions(entry, name, self.root))
        return cached.versions

    def own_in(self, path: Path) -> OwnResolutions:
        """What the driver and `solve` have put into the file in the merge that goes on."""
        name = self.name_of(path)
        read_at = (self.journal_stamp, self._entries.get(name, self._stamp))
        cached = self._own.get(name)
        if cached is None or cached.read_at != read_at:
            own = own_resolutions(name, self.root, logger.warning, self._journal)
            cached = self._own[name] = _CachedOwn(read_at, own)
        return cached.own

    def history(self) -> MergeHistory:
        """What history tells of the merge that waits here; asked again for another merge, or of files that are new in it."""
        self._refresh()
        names = frozenset(self._entries)
        cached = self._history
        if cached is not None and cached.read_at == self._stamp:
            return cached.history
        try:
            operation = noted_operation(self.root)
        except GitError:  # without it the texts are still worth ranking
            return UNKNOWN_MERGE
        if cached is None or cached.operation != operation or not names <= cached.names:
            history = history_of_waiting(self.root, sorted(names))
            cached = _CachedHistory(self._stamp, operation, names, history)
        self._history = replace(cached, read_at=self._stamp)
        return cached.history

    @property
    def journal_stamp(self) -> _Stamp | None:
        """When something was noted in the journal or taken out; None where there is none."""
        return _stamp(self._journal)

    def forget(self, paths: frozenset[Path]) -> None:
        """Drops what is known of all files but `paths`."""
        names = {self.name_of(path) for path in paths}
        self._cache = {name: cached for name, cached in self._cache.items() if name in names}
        self._own = {name: cached for name, cached in self._own.items() if name in names}
        self._names.clear()

    def _refresh(self) -> None:
        stamp = _stamp(self._index)
        if stamp == self._stamp:
            return
        self._stamp, self._entries, self.problem = stamp, {}, None
        try:
            self._entries = unmerged_entries(self.root) if stamp else {}
        except GitError as problem:  # what the markers show is still worth resolving
            self.problem = problem


class Repositories:
    """The work trees that texts lie in, each found once."""

    def __init__(self) -> None:
        self._roots: dict[Path, Path | None] = {}
        self._found: dict[Path, Repository] = {}

    def around(self, path: Path) -> Repository | None:
        """The work tree around a file or folder; None outside of one, and without git."""
        folder = path if path.is_dir() else path.parent
        root = self._roots.get(folder)
        if root in self._found and not self._found[root].is_there:
            del self._found[root]
            self._roots = {folder: known for folder, known in self._roots.items() if known != root}
        if folder not in self._roots and folder.is_dir():
            self._roots[folder] = _root_of(folder)
        root = self._roots.get(folder)
        if root is None:
            return None
        if root not in self._found:
            try:
                self._found[root] = Repository(root)
            except GitError:
                return None
        return self._found[root]

    def forget(self, paths: frozenset[Path]) -> None:
        """Drops what belongs to no file of `paths`."""
        folders = {path.parent for path in paths}
        self._roots = {folder: root for folder, root in self._roots.items() if root or folder in folders}
        for repository in self._found.values():
            repository.forget(paths)


def _root_of(folder: Path) -> Path | None:
    try:
        return repository_root(folder) if folder.is_dir() else None
    except GitError:
        return None


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _versions(entry: tuple[str, ...], name: str, root: Path) -> Versions | None:
    try:
        stages = stage_texts(entry, name, root)
        if stages is None:
            return None
        merged = _line_merge(stages, root / name)
        return Versions(stages, merged, marker_size_of(name, root))
    except (GitError, InputError):  # what the markers show is still worth resolving
        return None


def _line_merge(stages: ThreeWay[str], file: Path) -> MergedFile:
    """The line merge that the file shows on the disk, that of a plain merge where it shows none."""
    try:
        shown = parse(bytes_in(file, LARGEST_TEXT).decode("utf-8", "surrogateescape"))
    except (OSError, MarkerError):
        return line_merge(stages)
    return matching_merge(shown, stages).line_merge


def _line(output: bytes) -> str:
    return os.fsdecode(output).removesuffix("\n")
