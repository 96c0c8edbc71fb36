"""Inlay hints of one document."""

from __future__ import annotations

from lsprotocol.types import (
    Position,
)

from mergebert_lsp.features.hints import hints
from mergebert_lsp.text.document_state import DocumentState


def test_a_hint_ends_the_opening_line(both: DocumentState) -> None:
    first, second = hints(both, 0, len(both.text))
    assert (first.position, first.label) == (Position(1, 12), "✓ feature 97 %")
    assert second.label == "feature 40 %"
    assert hints(both, 0, 1) == []
