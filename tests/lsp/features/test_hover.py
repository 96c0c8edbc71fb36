"""Hover over one document."""

from __future__ import annotations

from lsprotocol.types import (
    MarkupContent,
    MarkupKind,
)

from mergebert.text.threeway import ThreeWay
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.hover import hover
from mergebert_lsp.text.document_state import DocumentState
from tests.lsp.documents import ABLE, TWO_WAY, document, suggested


def text_of(one: DocumentState, found: object) -> str:
    assert isinstance(found, MarkupContent)
    return found.value


def test_hover_shows_what_each_side_did_and_what_is_suggested(both: DocumentState) -> None:
    found = hover(both, both.conflicts[1].marked.start, ABLE, is_ranked=True)
    assert found is not None
    text = text_of(both, found.contents)
    assert "`main`:\n```diff\n-o\n+a\n+a\n```" in text
    assert "**1. 40 %** `feature` (pattern theirs, method lines)\n```\n(nothing)\n```" in text
    assert hover(both, 0, ABLE, is_ranked=True) is None


def test_hover_without_a_base_shows_the_sides() -> None:
    found = hover(document(TWO_WAY), 0, ABLE, is_ranked=True)
    assert found is not None
    assert "`main`:\n```\na\n```" in text_of(document(TWO_WAY), found.contents)


def test_hover_shows_the_whole_sides_where_git_knows_more_than_the_markers() -> None:
    known = suggested(TWO_WAY, sides=ThreeWay("k\no\n", "k\na\n", "k\nb\n"))
    found = hover(document(TWO_WAY, [known]), 0, ABLE, is_ranked=True)
    assert found is not None
    assert "```diff\n k\n-o\n+a\n```" in text_of(document(TWO_WAY), found.contents)


def test_no_text_of_the_repository_is_markup() -> None:
    text = TWO_WAY.replace("main", "[x](command:y)`").replace("a\n", "```\n# big\n````\n")
    found = hover(document(text), 0, ABLE, is_ranked=True)
    assert found is not None
    shown = text_of(document(text), found.contents)
    assert "\\[x\\](command:y)" in shown
    assert "`` [x](command:y)` ``" in shown
    assert "`````\n```\n# big\n````\n`````" in shown


def test_a_long_side_is_cut() -> None:
    text = TWO_WAY.replace("a\n", "a\n" * 500)
    found = hover(document(text), 0, ABLE, is_ranked=True)
    assert found is not None
    assert "... 476 more lines" in text_of(document(text), found.contents)


def test_hover_is_plain_for_clients_that_read_no_markdown() -> None:
    found = hover(document(TWO_WAY), 0, Client(), is_ranked=True)
    assert found is not None
    assert isinstance(found.contents, MarkupContent)
    assert found.contents.kind is MarkupKind.PlainText
