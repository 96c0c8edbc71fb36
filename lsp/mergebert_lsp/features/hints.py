"""Inlay hints: the best suggestion at the end of the line that opens a conflict."""

from __future__ import annotations

from lsprotocol.types import InlayHint

from mergebert.terminal import percent
from mergebert_lsp.features.wording import labels_of, taken
from mergebert_lsp.text.view import Shown, View


def hints(view: View, start: int, end: int) -> list[InlayHint]:
    """The hints of the conflicts that the characters from `start` to `end` touch."""
    return [_hint(view, shown) for shown in view.at(start, end) if shown.suggestions]


def _hint(view: View, shown: Shown) -> InlayHint:
    best = shown.suggestions[0]
    mark = "✓ " if shown.is_sure else ""
    return InlayHint(
        position=view.positions.line_range(shown.marked.start).end,
        label=f"{mark}{taken(best, labels_of(shown))} {percent(best.confidence)}",
        padding_left=True,
    )
