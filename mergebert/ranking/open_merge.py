"""What a resolver offers for the open conflicts of one merge, given what a person has answered."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mergebert.ranking.evidence import ConflictKey, FileMerge
from mergebert.text.conflicted_text import ConflictedText, OpenConflict
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory
from mergebert.text.imports import clashing_imports
from mergebert.text.languages import Language, language_of
from mergebert.text.nested_markers import has_written_base, nests
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import ErrorBudgets, Tier

if TYPE_CHECKING:
    from mergebert.ranking.resolution import AnyResolver, RankedConflict

Offers = dict[ConflictKey, "RankedConflict"]


class OpenMerge:
    """The conflicted texts of one merge and the resolver that ranks their resolutions; `history` tells of the merge."""

    def __init__(
        self,
        texts: Sequence[ConflictedText],
        resolver: AnyResolver,
        budgets: ErrorBudgets,
        history: MergeHistory = UNKNOWN_MERGE,
    ) -> None:
        self._resolver = resolver
        self._budgets = budgets
        self._files = [_file_merge(text, history) for text in texts]
        self.conflicts: dict[ConflictKey, OpenConflict] = {
            (at, one.index): one for at, text in enumerate(texts) for one in text.open_conflicts
        }
        self._answers: dict[ConflictKey, str] = {
            (at, index): answer for at, text in enumerate(texts) for index, answer in text.answers.items()
        }

    def offers(
        self, answers: Mapping[ConflictKey, str], wanted: Container[ConflictKey] | None = None
    ) -> Offers:
        """Ranked resolutions of every open conflict, or of those that are wanted, once a person has given `answers`."""
        conflicts = {key: one for key, one in self.conflicts.items() if wanted is None or key in wanted}
        if not conflicts:
            return {}
        ranked = self._resolver.rank(self._files, self._budgets, {**self._answers, **answers}, wanted)
        return {
            (at, index): _offer(one, ranked[at][index], language_of(self._files[at].path))
            for (at, index), one in conflicts.items()
        }


def _file_merge(text: ConflictedText, history: MergeHistory) -> FileMerge:
    known = history.of(text.path, text.stages, text.line_merge.conflicts)
    return FileMerge(text.path, text.line_merge, text.stages, history.context, known)


def _offer(one: OpenConflict, ranked: RankedConflict, language: Language) -> RankedConflict:
    """What may be offered for a conflict: nothing that loses or repeats text outside the markers, or cannot be meant.

    Nothing is applied or drafted without a base that somebody has written.
    """
    fitting = tuple(
        resolution
        for resolution in ranked.resolutions
        if one.accepts(resolution.text)
        and not one.repeats(resolution.text)
        and not nests(resolution.text, one.conflict.sides)
        and not _clashes(resolution.text, one.conflict.sides, language)
    )
    is_safe = has_written_base(one.conflict) and bool(fitting) and fitting[0] is ranked.resolutions[0]
    return replace(ranked, resolutions=fitting, tier=ranked.tier if is_safe else Tier.SUGGESTED)


def _clashes(text: str, sides: ThreeWay[str], language: Language) -> bool:
    """Whether `text` imports a name from two modules, which neither side does."""
    found = clashing_imports(text, language)
    known = (clashing_imports(side, language) for side in (sides.ours, sides.theirs))
    return bool(found) and bool(found.difference(*known))
