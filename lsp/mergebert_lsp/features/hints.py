"""Inlay hints: the best suggestion at the end of the line that opens a conflict."""

from __future__ import annotations

from lsprotocol.types import InlayHint

from mergebert.terminal import percent
from mergebert_lsp.features.wording import labels_of, taken
from mergebert_lsp.text.document_state import DocumentConflict, DocumentState


def hints(document: DocumentState, start: int, end: int) -> list[InlayHint]:
    """The hints of the conflicts that the characters from `start` to `end` touch."""
    return [_hint(document, conflict) for conflict in document.at(start, end) if conflict.suggestions]


def _hint(document: DocumentState, conflict: DocumentConflict) -> InlayHint:
    best = conflict.suggestions[0]
    mark = "✓ " if conflict.is_sure else ""
    return InlayHint(
        position=document.positions.line_range(conflict.marked.start).end,
        label=f"{mark}{taken(best, labels_of(conflict))} {percent(best.confidence)}",
        padding_left=True,
    )
