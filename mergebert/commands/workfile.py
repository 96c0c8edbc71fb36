"""A file of the work tree that holds conflict markers: read, told apart, and written back."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.atomic import write_atomically
from mergebert.driver.graft import with_final_newline
from mergebert.errors import GitError, InputError, MarkerError
from mergebert.terminal import notice
from mergebert.text.markers import Conflict, MergedFile, has_markers, parse
from mergebert.text.reconcile import AnsweredConflict, OpenConflicts, Part, reconciled, unreconciled
from mergebert.text.threeway import ThreeWay

if TYPE_CHECKING:
    from mergebert.ranking.evidence import ConflictKey
    from mergebert.ranking.resolver import RankedConflict, Ranks


@dataclass(frozen=True, slots=True)
class Slot:
    """A conflict that is still open: its index in the file, the part it stands in and its place there."""

    index: int
    part: OpenConflicts
    place: int
    line: int
    versions: ThreeWay[str] | None = None  # of the whole file, where this conflict ends it

    @property
    def conflict(self) -> Conflict:
        """The conflict, with its base where that is known."""
        return self.part.conflicts[self.place]

    def accepts(self, text: str) -> bool:
        """Whether `text` may stand here: no text outside the markers is lost by it, and no third side."""
        fits = self.part.resolved({self.place: self.ended(text)}) is not None
        return fits and self.conflict.is_two_sided

    def ended(self, text: str) -> str:
        """`text` with the final newline that the whole file should have."""
        return with_final_newline(text, self.conflict.sides, self.versions) if self.versions else text


@dataclass(frozen=True, slots=True)
class WorkFile:
    """A file with conflicts: `content` as it was read, its parts, and its versions and `name` when git has them."""

    path: Path
    content: bytes
    parts: tuple[Part, ...]
    stages: ThreeWay[str] | None = None
    name: str = ""

    @property
    def known_as(self) -> str:
        """What a resolver is told: the path in the repository, never where on this machine that lies."""
        return self.name or (self.path.name if self.path.is_absolute() else self.path.as_posix())

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The open conflicts in file order."""
        return tuple(self._slots())

    def _slots(self) -> Iterator[Slot]:
        index, line = 0, 1
        for part in self.parts:
            if isinstance(part, OpenConflicts):
                for place, conflict in enumerate(part.conflicts):
                    is_last = part is self.parts[-1] and conflict is part.parts[-1]
                    first = line + part.agreed[0].count("\n")
                    yield Slot(index + place, part, place, first, self.stages if is_last else None)
                index += len(part.conflicts)
            elif isinstance(part, AnsweredConflict):
                index += 1
            line += work_tree_text(part).count("\n")

    @property
    def answers(self) -> dict[int, str]:
        """What a person has already made of conflicts of this file."""
        disputed = [part for part in self.parts if not isinstance(part, str)]
        found: dict[int, str] = {}
        index = 0
        for part in disputed:
            if isinstance(part, AnsweredConflict):
                found[index] = part.text
            index += 1 if isinstance(part, AnsweredConflict) else len(part.conflicts)
        return found

    @property
    def merged(self) -> MergedFile:
        """The line merge of this file, answered conflicts included."""
        parts: list[str | Conflict] = []
        for part in self.parts:
            if isinstance(part, OpenConflicts):
                parts += part.parts
            else:
                parts.append(part if isinstance(part, str) else part.conflict)
        return MergedFile(tuple(parts))

    def resolved(self, texts: Mapping[int, str]) -> tuple[str, frozenset[int]]:
        """The file with the conflicts in `texts` resolved, and which could be without changing other text."""
        found: list[str] = []
        applied: set[int] = set()
        slots = self.slots
        for part in self.parts:
            if not isinstance(part, OpenConflicts):
                found.append(work_tree_text(part))
                continue
            here = [slot for slot in slots if slot.part is part and slot.index in texts]
            text = part.resolved({slot.place: slot.ended(texts[slot.index]) for slot in here})
            found.append(part.marked if text is None else text)
            applied.update(slot.index for slot in here if text is not None)
        return "".join(found), frozenset(applied)


def read_work_file(
    path: Path, stages: ThreeWay[str] | None = None, line_merge: MergedFile | None = None
) -> WorkFile:
    """The file at `path`; `line_merge` is git's fresh cut of `stages`.

    Raises InputError or MarkerError when it is unusable.
    """
    content = read_bytes(path)
    work_tree = _parsed(path, decoded(path, content))
    if line_merge is None or not all(one.is_two_sided for one in work_tree.conflicts):  # git knows two sides
        return WorkFile(path, content, unreconciled(work_tree))
    return WorkFile(path, content, reconciled(work_tree, line_merge), stages)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path} is not a regular file; name one that holds text.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def decoded(path: Path | str, content: bytes) -> str:
    """`content` as text, newlines untouched."""
    if b"\0" in content:
        raise InputError(f"{path} is binary; choose a version with `git checkout --ours` or `--theirs`.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; resolve it by hand.") from error


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
        write_atomically(str(file.path), content)
    except OSError as error:
        raise InputError(f"{file.path} cannot be written and is left alone: {error.strerror}.") from error
    return True


def _parsed(path: Path, text: str) -> MergedFile:
    try:
        work_tree = parse(text)
    except MarkerError as error:
        raise MarkerError(f"{path}: {error}") from error
    if any(isinstance(part, str) and has_markers(part) for part in work_tree.parts):
        raise MarkerError(
            f"{path} holds a closing marker without its conflict; restore it or remove the line."
        )
    return work_tree


def work_tree_text(part: Part) -> str:
    """What stands in the file for this part at the moment."""
    if isinstance(part, str):
        return part
    return part.marked if isinstance(part, OpenConflicts) else part.text


class WorkMerge:
    """The files of one merge and what the resolver offers for their open conflicts."""

    def __init__(self, files: Sequence[WorkFile], resolver: Ranks, max_error: float) -> None:
        from mergebert.ranking.resolver import FileMerge

        self.files = tuple(files)
        self._resolver = resolver
        self._max_error = max_error
        self._merges = [FileMerge(file.known_as, file.merged, file.stages) for file in self.files]
        self.slots: dict[ConflictKey, Slot] = {
            (at, slot.index): slot for at, file in enumerate(self.files) for slot in file.slots
        }
        self._given: dict[ConflictKey, str] = {
            (at, index): text for at, file in enumerate(self.files) for index, text in file.answers.items()
        }

    def offers(
        self, answers: Mapping[ConflictKey, str], wanted: Container[ConflictKey] | None = None
    ) -> dict[ConflictKey, RankedConflict]:
        """Ranked resolutions of every open conflict, or of those that are wanted, once a person has given `answers`."""
        slots = {key: slot for key, slot in self.slots.items() if wanted is None or key in wanted}
        if not slots:
            return {}
        with notice(f"Ranking {len(slots)} conflicts"):
            ranked = self._resolver.rank(self._merges, self._max_error, {**self._given, **answers}, wanted)
        return {(at, index): _offer(slot, ranked[at][index]) for (at, index), slot in slots.items()}


def _offer(slot: Slot, ranked: RankedConflict) -> RankedConflict:
    """What may be offered for `slot`: nothing that loses text, and nothing applied unasked without a base."""
    fitting = tuple(resolution for resolution in ranked.resolutions if slot.accepts(resolution.text))
    is_safe = slot.conflict.has_base and bool(fitting) and fitting[0] is ranked.resolutions[0]
    return replace(ranked, resolutions=fitting, accepted=ranked.accepted and is_safe)


def open_work_files(paths: Sequence[Path]) -> tuple[list[WorkFile], dict[Path, str]]:
    """The files that can be worked on, with their versions from git's index, and why the others cannot."""
    files: list[WorkFile] = []
    refused: dict[Path, str] = {}
    for path in dict.fromkeys(paths):
        try:
            files.append(replace(read_work_file(path, *_versions(path)), name=_name_of(path)))
        except (InputError, MarkerError) as error:
            refused[path] = str(error)
    return files, refused


def _name_of(path: Path) -> str:
    from mergebert.git.stages import path_in_repository

    return path_in_repository(path)


def _versions(path: Path) -> tuple[ThreeWay[str] | None, MergedFile | None]:
    """The three versions of the file at `path` and git's fresh cut of them, where the index has them."""
    from mergebert.git.line_merge import line_merge
    from mergebert.git.stages import stages_of

    if not path.is_file():
        return None, None
    try:
        stages = stages_of(path)
        return stages, line_merge(stages) if stages else None
    except (GitError, InputError):  # what the markers show is still worth resolving
        return None, None
