"""What is said of a conflict to people."""

from __future__ import annotations

import pytest

from mergebert_lsp.features.wording import labels_of, suggestion_title, summary, taken
from mergebert_lsp.text.suggestions import Suggestion
from tests.lsp.documents import TWO_WAY, document, suggested


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted"),
    [
        ("main", "feature", ("main", "feature")),
        ("", "", ("ours", "theirs")),
        ("same", "same", ("same (first)", "same (second)")),
        ("\u202e!", "b", ("\\u202e!", "b")),
        ("m" * 60, "b", ("m" * 39 + "…", "b")),
    ],
)
def test_labels_are_those_of_the_markers_made_harmless(
    ours: str, theirs: str, wanted: tuple[str, str]
) -> None:
    text = TWO_WAY.replace(" main", f" {ours}".rstrip()).replace(" feature", f" {theirs}".rstrip())
    labels = labels_of(document(text).conflicts[0])
    assert (labels.ours, labels.theirs) == wanted


@pytest.mark.parametrize(
    ("pattern", "method", "wanted"),
    [
        ("ours", "lines", "main"),
        ("theirs+ours", "lines", "both, feature first"),
        ("base", "lines", "base"),
        ("theirs", "tokens", "merged, feature where they clash"),
        ("ours/theirs", "tokens", "merged (tokens)"),
        ("clean", "line merge", "merged (line merge)"),
    ],
)
def test_suggestions_are_told_in_labels(pattern: str, method: str, wanted: str) -> None:
    labels = labels_of(document(TWO_WAY).conflicts[0])
    assert taken(Suggestion("", 0.5, pattern, method), labels) == wanted


def test_a_summary_without_a_base_counts_lines() -> None:
    text = TWO_WAY.replace("a\n", "")
    assert summary(document(text).conflicts[0], 1, False).startswith(
        "Conflict 1 of 1: main has nothing, feature has 1 line."
    )


def test_the_title_of_a_suggestion_never_promises_everything() -> None:
    one = document(TWO_WAY, [suggested(TWO_WAY, ("b\n", 0.9999))]).conflicts[0]
    assert suggestion_title(one, 1) == "Accept suggestion 1: feature (99 %)"
