"""A resolver without a model: sure where a test says so, and learning from answers in the plainest way."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolution import RankedConflict, Resolution
from mergebert.text.markers import Conflict
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets, Tier


@dataclass
class FakeResolver:
    """Offers theirs, ours, both and base; accepts theirs where its text holds a word of `sure`.

    Once a person has taken ours somewhere, ours comes first everywhere, and is accepted where its text holds
    a word of `sure_after_ours`.
    """

    sure: tuple[str, ...] = ()
    sure_after_ours: tuple[str, ...] = ()
    calls: list[tuple[tuple[FileMerge, ...], dict[tuple[int, int], str]]] = field(default_factory=list)

    def rank(
        self,
        files: Sequence[FileMerge],
        budgets: ErrorBudgets = USUAL_BUDGETS,
        answers: Mapping[tuple[int, int], str] | None = None,
        wanted: Container[tuple[int, int]] | None = None,
    ) -> list[list[RankedConflict]]:
        answers = answers or {}
        self.calls.append((tuple(files), dict(answers)))
        took_ours = any(
            files[file].merged.conflicts[index].sides.ours == text for (file, index), text in answers.items()
        )
        return [[self._ranked(conflict, took_ours) for conflict in file.merged.conflicts] for file in files]

    def _ranked(self, conflict: Conflict, took_ours: bool) -> RankedConflict:
        sides = conflict.sides
        texts = {"b": sides.theirs, "a": sides.ours, "ab": sides.ours + sides.theirs, "o": sides.base}
        order = ["a", "b", "ab", "o"] if took_ours else ["b", "a", "ab", "o"]
        words = (*self.sure, *self.sure_after_ours) if took_ours else self.sure
        accepted = any(word in texts[order[0]] for word in words)
        scores = [0.97, 0.01, 0.01, 0.01] if accepted else [0.6, 0.3, 0.1, 0.0]
        resolutions = tuple(
            Resolution(text=texts[name], pattern=name, method="lines", confidence=score)
            for name, score in zip(order, scores, strict=True)
        )
        return RankedConflict(conflict, resolutions, Tier.APPLIED if accepted else Tier.SUGGESTED)
