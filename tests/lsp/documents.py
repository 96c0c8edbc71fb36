"""Texts with conflicts, and answers to them made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from mergebert.text.markers import MarkedConflict, marked_conflicts
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.text.document_state import DocumentState
from mergebert_lsp.text.suggestions import ConflictSuggestions, Suggestion

ABLE = Client(
    shows_related=True,
    has_action_literals=True,
    resolves_edits=True,
    versions_edits=True,
    reads_markdown=True,
)
TWO_WAY = "<<<<<<< main\na\n=======\nb\n>>>>>>> feature\n"
DIFF3 = "<<<<<<< main\na\na\n||||||| base\no\n=======\n>>>>>>> feature\n"


def suggested(
    text: str,
    *suggested: tuple[str, float],
    is_sure: bool = False,
    sides: ThreeWay[str] | None = None,
    choices: dict[str, str] | None = None,
) -> ConflictSuggestions:
    """An answer for a suggested, its suggestions taking theirs by lines."""
    suggestions = tuple(Suggestion(one, share, "theirs", "lines") for one, share in suggested)
    count = sum(isinstance(one, MarkedConflict) for one in marked_conflicts(text))
    return ConflictSuggestions(text, count, suggestions, is_sure, sides, choices or {})


def document(
    text: str, suggested: Sequence[ConflictSuggestions] = (), version: int | None = 7
) -> DocumentState:
    return DocumentState("file:///a.py", version, text, "utf-16", suggested)


def applied(one: DocumentState, *choices: tuple[int, str]) -> str:
    """The text after these choices, each for a conflict by its number."""
    text = one.text
    edits = [one.conflicts[number - 1].edit(choice) for number, choice in choices]
    for edit in sorted(filter(None, edits), key=lambda edit: -edit.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def suggested_in(shown: DocumentState) -> tuple[ConflictSuggestions, ...]:
    """The answers that hold for a text."""
    return tuple(one.suggested for one in shown.conflicts if one.suggested is not None and one.is_first)
