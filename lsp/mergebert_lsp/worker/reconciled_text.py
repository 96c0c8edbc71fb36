"""A text of the editor as the core sees a file: its parts, its open conflicts, and where these stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mergebert.text.conflicted_text import ConflictedText, OpenConflict, resolved_part
from mergebert.text.file_parts import OpenPart
from mergebert.text.markers import MarkedConflict, MergedFile, split_at
from mergebert.text.reconcile import reconciled, unreconciled
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.marker_facts import MarkerFacts, marker_facts
from mergebert_lsp.worker.messages import EditorText
from mergebert_lsp.worker.repository import OwnResolutions, Versions


@dataclass(frozen=True, slots=True)
class LocatedPart:
    """An open part of a text: where its first marker stands, how many conflicts it holds, and those of the merge.

    `text` goes from the first marker to the end of the last one; the part can hold more lines around that.
    """

    start: int
    count: int
    text: str
    part: OpenPart
    open_conflicts: tuple[OpenConflict, ...]
    marked_sides: ThreeWay[str]  # of the first conflict, as its markers give them

    @property
    def sides(self) -> ThreeWay[str] | None:
        """The whole sides of the conflict, where git knows more of them than the markers show."""
        if len(self.open_conflicts) != 1 or self.count != 1:
            return None
        conflict = self.open_conflicts[0].conflict
        return conflict.sides if conflict.has_base and conflict.sides != self.marked_sides else None

    def resolved(self, texts: Mapping[int, str]) -> str | None:
        """What stands here once the conflicts in `texts`, keyed by index, are resolved; None if that would lose text."""
        found = resolved_part(self.part, self.open_conflicts, texts)
        if found is None:
            return None
        lead, tail = len(self.part.agreed[0]), len(self.part.agreed[-1])
        return found[lead : len(found) - tail]


@dataclass(frozen=True, slots=True)
class ReconciledText:
    """A reconciled document: the conflicted text of the core, and where its open parts stand."""

    file: ConflictedText
    open_parts: tuple[LocatedPart, ...]
    facts: MarkerFacts


def reconciled_text(
    editor_text: EditorText,
    versions: Versions | None,
    before: MergedFile | None,
    own: OwnResolutions = frozenset(),
) -> ReconciledText:
    """`editor_text` reconciled with git's line merge of its versions, or with the merge that it was `before`.

    That merge holds conflicts which a person has resolved since: so the answers in a text that no repository knows count
    too. What mergebert resolved, `own`, does not.
    """
    facts = (
        marker_facts(editor_text.text, versions.marker_size, versions.stages) if versions else MarkerFacts()
    )
    marks = resolvable(editor_text.text, facts)
    merged = split_at(editor_text.text, marks)
    other = versions.line_merge if versions else before
    parts = unreconciled(merged.parts) if other is None else reconciled(merged, other)
    file = ConflictedText(editor_text.name, parts, versions.stages if versions else None, own)
    return ReconciledText(file, tuple(_open_parts(editor_text.text, marks, file)), facts)


def resolvable(text: str, facts: MarkerFacts | None = None) -> tuple[MarkedConflict, ...]:
    """The conflicts of a text that have two sides; others are shown and not resolved."""
    found = (one for one in (facts or MarkerFacts()).marked(text) if isinstance(one, MarkedConflict))
    return tuple(one for one in found if one.conflict.is_two_sided)


def _open_parts(text: str, marks: Sequence[MarkedConflict], file: ConflictedText) -> Iterator[LocatedPart]:
    """Where each open part stands."""
    by_part: dict[int, list[OpenConflict]] = {}
    for one in file.open_conflicts:
        by_part.setdefault(id(one.part), []).append(one)
    waiting = deque(marks)
    at = 0
    for part in file.parts:
        end = at + len(str(part))
        if isinstance(part, OpenPart):
            while waiting[0].start < at:  # a conflict that is content of the file
                waiting.popleft()
            here = []
            while waiting and waiting[0].start < end:
                here.append(waiting.popleft())
            start, stop = here[0].start, here[-1].end
            open_here = tuple(by_part.get(id(part), ()))
            yield LocatedPart(start, len(here), text[start:stop], part, open_here, here[0].conflict.sides)
        at = end
