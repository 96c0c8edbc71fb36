"""What the worker offers for the merges it knows: the conflicts near the last edit first, then all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mergebert.errors import MergebertError
from mergebert.ranking.evidence import ConflictKey
from mergebert.ranking.open_merge import OpenMerge
from mergebert_lsp.text.marker_facts import MarkerFacts
from mergebert_lsp.worker.feedback import Feedback
from mergebert_lsp.worker.merges import MergeKey, Merges, MergeText
from mergebert_lsp.worker.messages import EditorText, RankingTask, WorkerSettings
from mergebert_lsp.worker.models import Models
from mergebert_lsp.worker.reconciled_text import ReconciledText
from mergebert_lsp.worker.repository import Repository
from mergebert_lsp.worker.suggestions import suggested

if TYPE_CHECKING:
    from mergebert.ranking.resolution import RankedConflict

NEAR = 12  # conflicts that fit on a screen or two: answered before the others

Report = dict[str, Any]


@dataclass(frozen=True)
class _Merge:
    """The reconciled texts of one merge, and the work tree they belong to."""

    root: Path | None
    items: tuple[MergeText, ...]
    reconciled: tuple[ReconciledText, ...]

    def is_like(self, other: _Merge | None) -> bool:
        """Whether nothing has changed since `other`."""
        return (
            other is not None
            and self.items == other.items
            and all(here is there for here, there in zip(self.reconciled, other.reconciled, strict=True))
        )

    @cached_property
    def open_conflicts(self) -> tuple[ConflictKey, ...]:
        """The keys of every open conflict."""
        return tuple(
            (at, one.index) for at, here in enumerate(self.reconciled) for one in here.file.open_conflicts
        )


class Ranking:
    """The state of the worker.

    `check` is called between pieces of work, may raise StaleError, and hears of progress; `settle` waits a moment
    for a newer task before what takes long, and raises it too; `tell` hears of `loading` and `ready` as Models says.
    """

    def __init__(
        self, check: Callable[[int, int], None], settle: Callable[[], None], tell: Callable[[str], None]
    ) -> None:
        self._check = check
        self._settle = settle
        self._merges = Merges()
        self._feedback = Feedback()
        self._settings = WorkerSettings()
        self._folders: tuple[str, ...] = ()
        self._ranked: dict[MergeKey, _Merge] = {}  # what the last whole answer was about
        self._told: dict[str, ReconciledText] = {}  # the texts whose facts the server knows
        self._read_at: dict[Repository, object] = {}  # the journals, as they were before the last reports
        self._models = Models(check, tell)
        self._saved: list[str] = []  # texts that were saved since people's choices were kept last
        self._closed: set[str] = set()  # texts that were closed since then

    def take(self, task: RankingTask) -> None:
        """Takes over what has changed."""
        self._merges.take(task.texts)
        self._saved += task.saved  # a task that is called off must not take them along
        self._closed |= {uri for uri, editor_text in task.texts.items() if editor_text is None}
        self._folders = task.folders
        if task.settings != self._settings:
            self._settings = task.settings
            self._models.configure(task.settings)
            self._ranked.clear()

    def reports(self) -> Iterator[Report]:
        """The suggestions for every merge; records what was chosen in saved texts where feedback is on.

        Raises the first MergebertError once every other merge has been answered.
        """
        merges = self._merges.by_work_tree()
        asked = [one for one in self._merges.work_trees(self._folders) if one not in merges]
        merges |= {key: [] for key in asked}
        self._read_at = {key: key.journal_stamp for key in merges if isinstance(key, Repository)}
        yield from self._facts(merges)
        self._ranked = {key: merge for key, merge in self._ranked.items() if key in merges}
        problems: list[MergebertError] = []
        for key, items in merges.items():
            try:
                yield from self._steps(key, items)
            except MergebertError as problem:  # a setting of one work tree is no concern of the others
                problems.append(problem)
        self._keep_feedback()
        problems += [one.problem for one in self._read_at if one.problem]
        if problems:
            raise problems[0]

    def _facts(self, merges: Mapping[MergeKey, Sequence[MergeText]]) -> Iterator[Report]:
        """What git tells of the markers in each text that has changed: an editor shows none before."""
        texts = {item.uri: self._reconciled(key, item) for key, items in merges.items() for item in items}
        new = {uri: here.facts for uri, here in texts.items() if here is not self._told.get(uri)}
        self._told = texts
        nothing = {uri: MarkerFacts() for uri in self._merges.uris if uri not in texts}
        if new or nothing:
            yield {"kind": "facts", "facts": {uri: one.to_json() for uri, one in (new | nothing).items()}}

    def _keep_feedback(self) -> None:
        """Keeps what saved texts show; only then are closed ones forgotten, which may have been saved just before."""
        saved, closed = self._saved, self._closed
        self._saved, self._closed = [], set()
        try:
            if self._settings.feedback:
                self._feedback.keep(saved)
        finally:
            for uri in closed:
                if self._merges.text(uri) is None:
                    self._feedback.forget(uri)

    @property
    def is_outdated(self) -> bool:
        """Whether something was noted since the last reports: `solve` writes a file first and its note after that."""
        return any(repository.journal_stamp != stamp for repository, stamp in self._read_at.items())

    @property
    def others(self) -> list[str]:
        """The paths of the files in the last answers that no editor has open."""
        items = (item for merge in self._ranked.values() for item in merge.items)
        return [item.editor_text.path for item in items if not item.uri and item.editor_text.path]

    def _steps(self, key: MergeKey, items: Sequence[MergeText]) -> Iterator[Report]:
        """What is offered for one merge: what is quick first, what takes longer when nothing newer is asked."""
        rest = self._rest(key, items)
        merge = self._merge(key, [*items, *rest])
        last = self._ranked.get(key)
        if merge.is_like(last):
            return
        if set(rest) <= set(last.items if last else ()):
            near = _near(merge, last.items if last else ())
            if near:
                yield self._report(merge, near)
                self._settle()
        elif items:
            yield self._report(self._merge(key, items))
        yield self._report(merge)
        self._ranked[key] = merge

    def _rest(self, key: MergeKey, items: Sequence[MergeText]) -> list[MergeText]:
        if not isinstance(key, Repository):
            return []
        return self._merges.rest(key, items, lambda: self._check(0, 0))

    def _merge(self, key: MergeKey, items: Sequence[MergeText]) -> _Merge:
        root = key.root if isinstance(key, Repository) else None
        return _Merge(root, tuple(items), tuple(self._reconciled(key, item) for item in items))

    def _reconciled(self, key: MergeKey, item: MergeText) -> ReconciledText:
        self._check(0, 0)  # git may have to read three versions first
        return self._merges.reconciled(key, item)

    def _report(self, merge: _Merge, wanted: frozenset[ConflictKey] | None = None) -> Report:
        """What is offered for a merge, or for those of its conflicts that are wanted."""
        offers = self._offers(merge, wanted)
        files = [
            {
                "uri": item.uri,
                "path": item.editor_text.path,
                "text": None if item.uri else item.editor_text.text,
                "facts": here.facts.to_json(),
                "answered": len(here.file.answers),
                "suggested": [one.to_json() for one in suggested(here, found, self._settings.suggestions)],
            }
            for item, here, found in zip(merge.items, merge.reconciled, offers, strict=True)
            if found or wanted is None
        ]
        for item, here, found in zip(merge.items, merge.reconciled, offers, strict=True):
            self._feedback.see(item, here.file, found)
        return {"kind": "offers", "is_part": wanted is not None, "files": files}

    def _offers(
        self, merge: _Merge, wanted: frozenset[ConflictKey] | None
    ) -> list[dict[int, RankedConflict]]:
        """The ranked resolutions of each open conflict of each text."""
        grouped: list[dict[int, RankedConflict]] = [{} for _ in merge.reconciled]
        if not merge.open_conflicts:
            return grouped
        resolver, budgets = self._models.of(merge.root)
        files = [here.file for here in merge.reconciled]
        work = OpenMerge(files, resolver, budgets, self._merges.history(merge.root))
        for (at, index), offer in work.offers({}, wanted).items():
            grouped[at][index] = offer
        return grouped


def _near(merge: _Merge, last: Sequence[MergeText]) -> frozenset[ConflictKey]:
    """The conflicts next to the edit that was made since `last`; none where that is unknown, or all are near."""
    before = {item.name: item.editor_text for item in last}
    changed = [at for at, item in enumerate(merge.items) if before.get(item.name) != item.editor_text]
    if (
        len(changed) != 1
        or merge.items[changed[0]].name not in before
        or len(merge.open_conflicts) <= 2 * NEAR
    ):
        return frozenset()
    at = changed[0]
    edited = _first_change(before[merge.items[at].name], merge.items[at].editor_text)
    nearest = sorted(merge.reconciled[at].open_parts, key=lambda part: abs(part.start - edited))
    return frozenset((at, one.index) for part in nearest[:NEAR] for one in part.open_conflicts)


def _first_change(before: EditorText, after: EditorText) -> int:
    """The first character in which two texts differ."""
    low, high = 0, min(len(before.text), len(after.text))
    while low < high:
        middle = (low + high + 1) // 2
        if before.text[low:middle] == after.text[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
