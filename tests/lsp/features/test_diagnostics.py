"""Diagnostics of one document."""

from __future__ import annotations

from lsprotocol.types import (
    DiagnosticSeverity,
    Position,
)

from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.diagnostics import diagnostics
from mergebert_lsp.text.document_state import DocumentState
from tests.lsp.documents import ABLE, TWO_WAY, document


def test_a_diagnostic_stands_at_the_opening_marker(both: DocumentState) -> None:
    first, second = diagnostics(both, ABLE, is_ranked=True)
    assert (first.range.start, first.range.end) == (Position(1, 0), Position(1, 12))
    assert first.severity is DiagnosticSeverity.Error
    assert first.data == {"conflict": both.conflicts[0].id, "confidence": 0.97}
    assert first.message == (
        "Conflict 1 of 2: main has 1 line, feature has 1 line. "
        "Best suggestion: feature (97 %, sure enough to apply)."
    )
    assert second.message == (
        "Conflict 2 of 2: main made 1 line into 2, feature removed 1 line. Best suggestion: feature (40 %)."
    )
    related = first.related_information or ()
    assert [(one.message, one.location.range.start.line) for one in related] == [("main", 2), ("feature", 4)]


def test_a_diagnostic_says_whether_an_answer_is_still_to_come() -> None:
    assert diagnostics(document(TWO_WAY), ABLE, is_ranked=False)[0].message.endswith("No suggestion yet.")
    assert "by hand" in diagnostics(document(TWO_WAY), ABLE, is_ranked=True)[0].message


def test_torn_markers_are_reported_in_their_place() -> None:
    found = diagnostics(document("<<<<<<< main\na\n=======\n" + TWO_WAY), ABLE, is_ranked=True)
    assert [one.code for one in found] == ["torn", "conflict"]


def test_related_places_are_left_out_for_clients_that_do_not_show_them(both: DocumentState) -> None:
    assert diagnostics(both, Client(), is_ranked=True)[0].related_information is None
