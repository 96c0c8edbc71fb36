"""Code lenses of one document."""

from __future__ import annotations

from mergebert_lsp.features.lenses import lenses
from mergebert_lsp.text.document_state import DocumentState


def test_lenses_leave_out_what_vs_code_shows_itself(both: DocumentState) -> None:
    titles = [one.command.title for one in lenses(both) if one.command and one.range.start.line == 1]
    assert titles == [
        "feature (97 %)",
        "Take both, feature first",
        "Next conflict (1 of 2)",
    ]
