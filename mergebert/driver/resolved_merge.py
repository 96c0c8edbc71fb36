"""What the model makes of a conflicted line merge; runs in the driver's child process, which may die."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from mergebert.driver.journal import (
    DRIVER,
    AppliedResolution,
    Entry,
    encoded,
    journal_folder,
    new_id,
    now,
    place_for,
)
from mergebert.errors import GitError, InputError
from mergebert.git.byte_merge import ByteMerge, Labels
from mergebert.git.index_stages import marker_size_of, repository_root
from mergebert.git.known_history import history_of_called
from mergebert.git.line_merge import parsed_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.git.operation import called_operation
from mergebert.ranking.open_merge import OpenMerge
from mergebert.ranking.resolver import Resolver
from mergebert.settings import Settings
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory
from mergebert.text.markers import (
    DEFAULT_MARKER_SIZE,
    Conflict,
    Markers,
    MergedFile,
    has_markers,
    parse,
)
from mergebert.text.reconcile import reconciled
from mergebert.text.threeway import ThreeWay
from mergebert.text_files import decoded

if TYPE_CHECKING:
    from mergebert.ranking.resolution import Resolution

CONFLICT_LIMIT = 200  # a file with more is generated or reformatted: nothing a person would want guessed


@dataclass(frozen=True, slots=True)
class MergeJob:
    """A merge whose line merge conflicts: everything that is needed to resolve it."""

    path: str
    sides: ThreeWay[bytes]
    line_merge: ByteMerge
    with_bases: ByteMerge  # the same in another style
    labels: Labels
    marker_size: int
    options: MergeOptions
    in_git: bool
    caller: Sequence[str] = ()  # the git command that merges

    @property
    def shown(self) -> bytes:
        """The line merge as it stands in the result."""
        return self.line_merge.marked(self.labels, self.marker_size)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A merge with some conflicts resolved, and the resolution that stands for each of these."""

    text: str
    conflicts: tuple[Conflict, ...]
    resolutions: Mapping[int, Resolution]

    @property
    def left(self) -> int:
        """How many conflicts are still there."""
        return len(self.conflicts) - len(self.resolutions)


def resolved_merge(job: MergeJob, settings: Settings) -> Resolved | None:
    """The merge with every conflict resolved that the model is sure of; None where it is sure of none.

    Raises InputError for a merge that is not for the model, and whatever stops the model.
    """
    stages = job.sides.map(lambda content: decoded(job.path, content))
    _refuse_marked(job, stages)
    merged = parsed_merge(job.with_bases)
    if len(merged.conflicts) > CONFLICT_LIMIT:
        raise InputError(f"{job.path} has more than {CONFLICT_LIMIT} conflicts; none of them is guessed.")
    conflicted = ConflictedText(job.path, reconciled(_shown(job), merged), stages)
    told = _Told(job)
    resolver = Resolver.load(settings.bundle)
    offers = OpenMerge([conflicted], resolver, settings.budgets, told.history()).offers({})
    best = {index: offer.resolutions[0] for (_, index), offer in offers.items() if offer.accepted}
    text, applied = conflicted.resolved({index: one.text for index, one in best.items()})
    if not applied:
        return None
    ended = {one.index: one.ended for one in conflicted.open_conflicts}
    resolutions = {
        index: replace(best[index], text=ended[index](best[index].text)) for index in sorted(applied)
    }
    return Resolved(text, conflicted.line_merge.conflicts, resolutions)


class _Told:
    """What history tells of a merge; git is asked while the model is loaded, which takes longer."""

    def __init__(self, job: MergeJob) -> None:
        self._job = job
        self._history = UNKNOWN_MERGE
        self._thread = Thread(target=self._ask, daemon=True)
        if job.caller:
            self._thread.start()

    def history(self) -> MergeHistory:
        """What git told, nothing where it could not."""
        if self._job.caller:
            self._thread.join()
        return self._history

    def _ask(self) -> None:
        with suppress(GitError, OSError):
            self._history = history_of_called(self._job.caller, Path.cwd(), [self._job.path])


def journal_fields(job: MergeJob, resolved: Resolved) -> dict[str, str]:
    """The journal's entry for a merge whose resolved text is about to be written, its id, and where it belongs.

    The place is empty where the journal can take no entry.
    """
    here = Path.cwd()
    root = repository_root(here) if job.in_git else None
    entry = Entry(
        id=new_id(),
        time=now(),
        by=DRIVER,
        operation=called_operation(job.caller, here),
        work_tree=str(root or ""),
        path=job.path,
        conflicts=len(resolved.conflicts),
        changes=tuple(_applied(index, resolved) for index in resolved.resolutions),
        stages=job.sides.map(lambda content: content.decode("utf-8")),
        strategy=(f"diff-algorithm={job.options.algorithm}", *job.options.strategy_options()),
        marker_size=job.marker_size,
        line_merge=job.shown.decode("utf-8"),
        result=resolved.text,
    )
    try:
        place = str(place_for(entry, journal_folder(here)))
    except OSError:
        place = ""
    return {"id": entry.id, "entry": encoded(entry).decode("ascii"), "journal": place}


def _applied(index: int, resolved: Resolved) -> AppliedResolution:
    one, conflict = resolved.resolutions[index], resolved.conflicts[index]
    return AppliedResolution(
        index, conflict.sides, str(conflict), one.text, one.pattern, one.method, float(one.confidence)
    )


def _refuse_marked(job: MergeJob, stages: ThreeWay[str]) -> None:
    """Raises InputError for a merge of half-merged files: rerere at work, or git merging merge bases.

    An answer there would be recorded, or become the base of the real merge, without anybody having seen it.
    """
    if any(has_markers(text) for text in stages):
        raise InputError(f"{job.path} holds conflict markers already; only git's own merge is safe there.")
    # git makes the markers larger than those of a real merge when it merges merge bases.
    if job.in_git and job.marker_size not in (DEFAULT_MARKER_SIZE, marker_size_of(job.path, Path.cwd())):
        raise InputError(f"{job.path} is merged as a base for another merge; git's own result is kept there.")


def _shown(job: MergeJob) -> MergedFile:
    """The line merge that stands in the result, parsed while its markers are so long that no line is taken for one."""
    size = job.line_merge.size
    merged = parse(job.line_merge.marked(job.labels, size).decode("utf-8"), size)
    return MergedFile(
        tuple(part if isinstance(part, str) else _resized(part, job.marker_size) for part in merged.parts)
    )


def _resized(conflict: Conflict, size: int) -> Conflict:
    """The conflict between markers of this size."""
    marked = conflict.markers
    base = None if marked.base is None else _marker(marked.base, size)
    markers = Markers(
        _marker(marked.open, size), base, _marker(marked.separator, size), _marker(marked.close, size)
    )
    return replace(conflict, markers=markers)


def _marker(line: str, size: int) -> str:
    return line[0] * size + line.lstrip(line[0])
