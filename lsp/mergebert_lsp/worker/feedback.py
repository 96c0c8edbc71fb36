"""What people made of suggestions, as the texts they save show it; kept only where they asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.text.conflicted_text import ConflictedText
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.suggestions import Suggestion
from mergebert_lsp.worker.feedback_log import Verdict, record
from mergebert_lsp.worker.merges import MergeText

if TYPE_CHECKING:
    from mergebert.ranking.resolution import RankedConflict
    from mergebert.text.markers import Conflict

EDITED = "edited"
_SHOWN = 9  # suggestions worth keeping


@dataclass
class _Text:
    """One text: what was suggested for each of its conflicts, and the answers that are kept already."""

    file: ConflictedText
    path: str | None
    suggested: dict[int, tuple[Suggestion, ...]] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)


class Feedback:
    """Sees what is offered and what comes of it."""

    def __init__(self) -> None:
        self._texts: dict[str, _Text] = {}

    def see(self, item: MergeText, file: ConflictedText, offers: Mapping[int, RankedConflict]) -> None:
        """Remembers what is suggested in a text of the editor at this moment."""
        if not item.uri:
            return
        text = self._texts.setdefault(item.uri, _Text(file, item.editor_text.path))
        if len(text.file.line_merge.conflicts) != len(file.line_merge.conflicts):  # another merge
            text.suggested, text.kept = {}, {}
        text.file, text.path = file, item.editor_text.path
        text.suggested |= {index: _suggested(offer) for index, offer in offers.items()}

    def forget(self, uri: str) -> None:
        """Lets go of a text that was closed."""
        self._texts.pop(uri, None)

    def keep(self, saved: Sequence[str]) -> None:
        """Writes down the answers in these texts, each once. Raises InputError where they cannot be written."""
        for text in (self._texts[uri] for uri in saved if uri in self._texts):
            for index, answer in text.file.answers.items():
                if text.kept.get(index) == answer:
                    continue
                suggested = text.suggested.get(index, ())
                choice = choice_of(text.file.line_merge.conflicts[index], answer, suggested)
                verdict = Verdict(text.file, index, answer, choice, suggested)
                record(verdict, Path(text.path) if text.path else None)
                text.kept[index] = answer


def choice_of(conflict: Conflict, answer: str, suggested: Sequence[Suggestion]) -> str:
    """How an answer came about: the rank of the suggestion that it is, the name of a side, or edited."""
    ranks = (str(rank) for rank, one in enumerate(suggested, start=1) if one.text == answer)
    sides = (name for name, choice in CHOICES.items() if choice.text(conflict.sides) == answer)
    return next(ranks, None) or next(sides, EDITED)


def _suggested(offer: RankedConflict) -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion(one.text, one.confidence, one.pattern, one.method) for one in offer.resolutions[:_SHOWN]
    )
