"""The next and the previous conflict."""

from __future__ import annotations

import pytest

from mergebert_lsp.features.navigation import next_conflict
from mergebert_lsp.text.document_state import DocumentState
from tests.lsp.documents import DIFF3, TWO_WAY


@pytest.mark.parametrize(
    ("line", "step", "wanted"),
    [
        (0, 1, ("a", 1)),
        (1, 1, ("a", 7)),
        (7, 1, ("b", 0)),
        (99, -1, ("a", 7)),
        (7, -1, ("a", 1)),
        (1, -1, ("b", 0)),
    ],
)
def test_the_next_conflict_may_be_in_another_file(line: int, step: int, wanted: tuple[str, int]) -> None:
    documents = [
        DocumentState("a", 1, f"x\n{TWO_WAY}y\n{DIFF3}z\n", "utf-16"),
        DocumentState("b", 1, TWO_WAY, "utf-16"),
    ]
    found = next_conflict(documents, "a", line, step)
    assert found is not None
    assert (found.uri, found.range.start.line) == wanted


def test_from_a_text_without_conflicts_one_gets_to_the_first_and_the_last() -> None:
    documents = [DocumentState("b", 1, TWO_WAY + DIFF3, "utf-16")]
    first, last = (next_conflict(documents, "elsewhere", 3, step) for step in (1, -1))
    assert first is not None
    assert last is not None
    assert (first.range.start.line, last.range.start.line) == (0, 5)
    assert next_conflict([], "elsewhere", 0, 1) is None
