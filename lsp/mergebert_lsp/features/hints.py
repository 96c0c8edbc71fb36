"""Inlay hints: the best suggestion at the end of the line that opens a conflict."""

from __future__ import annotations

from lsprotocol.types import InlayHint

from mergebert.terminal import percent
from mergebert_lsp.features.wording import labels_of, taken
from mergebert_lsp.text.document_state import DocumentState, ShownConflict


def hints(document: DocumentState, start: int, end: int) -> list[InlayHint]:
    """The hints of the conflicts that the characters from `start` to `end` touch."""
    return [_hint(document, shown) for shown in document.at(start, end) if shown.suggestions]


def _hint(document: DocumentState, shown: ShownConflict) -> InlayHint:
    best = shown.suggestions[0]
    mark = "✓ " if shown.is_sure else ""
    return InlayHint(
        position=document.positions.line_range(shown.marked.start).end,
        label=f"{mark}{taken(best, labels_of(shown))} {percent(best.confidence)}",
        padding_left=True,
    )
