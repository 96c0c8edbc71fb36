"""What each feature shows of one document."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lsprotocol.types import (
    CodeAction,
    Command,
    DiagnosticSeverity,
    MarkupContent,
    MarkupKind,
    Position,
    TextDocumentEdit,
)

from mergebert.text.threeway import ThreeWay
from mergebert_lsp.features.actions import KIND, choices, code_actions, is_wanted, resolved
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.diagnostics import diagnostics
from mergebert_lsp.features.edits import sure_edits, workspace_edit
from mergebert_lsp.features.hints import hints
from mergebert_lsp.features.hover import hover
from mergebert_lsp.features.lenses import lenses
from mergebert_lsp.features.navigation import next_conflict
from mergebert_lsp.features.wording import labels_of, suggestion_title, summary, taken
from mergebert_lsp.text.document_state import DocumentState
from mergebert_lsp.text.suggestions import Suggestion
from tests.lsp.documents import ABLE, DIFF3, TWO_WAY, document, suggested, suggested_in

SURE = suggested(TWO_WAY, ("b\n", 0.97), ("a\n", 0.02), is_sure=True)
UNSURE = suggested(DIFF3, ("", 0.4))


@pytest.fixture
def both() -> DocumentState:
    return document(f"x\n{TWO_WAY}y\n{DIFF3}z\n", [SURE, UNSURE])


def text_of(one: DocumentState, found: object) -> str:
    assert isinstance(found, MarkupContent)
    return found.value


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


def test_actions_come_best_first_and_only_inside_a_conflict(both: DocumentState) -> None:
    assert code_actions(both, 0, 0, ABLE, []) == []
    found = code_actions(both, 5, 5, ABLE, diagnostics(both, ABLE, is_ranked=True))
    assert [one.title for one in found] == [
        "Accept suggestion 1: feature (97 %)",
        "Accept suggestion 2: feature (2 %)",
        "Take main",
        "Take feature",
        "Take both, main first",
        "Take both, feature first",
        "Take neither",
        "Accept everything sure in this file (1)",
        "Accept everything sure in the whole merge",
        "Go to the next conflict",
        "Go to the previous conflict",
    ]
    assert all(isinstance(one, CodeAction) and one.kind == KIND and one.edit is None for one in found)
    first = found[0]
    assert isinstance(first, CodeAction)
    assert first.is_preferred
    assert first.diagnostics
    assert first.diagnostics[0].data["conflict"] == both.conflicts[0].id


def test_an_action_is_resolved_to_an_edit_of_this_version(both: DocumentState) -> None:
    action = code_actions(both, 5, 5, ABLE, [])[2]
    assert isinstance(action, CodeAction)
    found = resolved(action, both, ABLE)
    assert found is not None
    assert found.edit is not None
    assert found.edit.document_changes is not None
    [edit] = found.edit.document_changes
    assert isinstance(edit, TextDocumentEdit)
    assert edit.text_document.version == 7
    assert (edit.edits[0].range.start, edit.edits[0].range.end) == (Position(1, 0), Position(6, 0))


def test_an_action_for_another_version_has_no_edit(both: DocumentState) -> None:
    action = code_actions(both, 5, 5, ABLE, [])[2]
    assert isinstance(action, CodeAction)
    later = DocumentState(both.uri, 8, both.text, "utf-16", suggested_in(both))
    assert resolved(action, later, ABLE) is None


def test_clients_that_do_not_ask_again_get_the_edit_at_once(both: DocumentState) -> None:
    unable = replace(ABLE, resolves_edits=False, versions_edits=False, applies_edits=False)
    action = code_actions(both, 5, 5, unable, [])[2]
    assert isinstance(action, CodeAction)
    assert action.edit is not None
    assert action.edit.changes is not None
    assert action.edit.changes[both.uri][0].new_text == "a\n"


@pytest.mark.parametrize(("knows_versions", "version"), [(True, 0), (False, 7)])
def test_where_no_version_guards_an_edit_the_server_makes_it(
    both: DocumentState, knows_versions: bool, version: int
) -> None:
    fresh = DocumentState(both.uri, version, both.text, "utf-16", suggested_in(both))
    action = code_actions(fresh, 5, 5, replace(ABLE, versions_edits=knows_versions, applies_edits=True), [])[
        2
    ]
    assert isinstance(action, CodeAction)
    assert (action.edit, action.data) == (None, None)
    assert action.command is not None
    assert action.command.arguments is not None
    assert action.command.arguments[0]["version"] == version


def test_clients_without_literals_get_commands(both: DocumentState) -> None:
    found = code_actions(both, 5, 5, Client(), [])
    assert all(isinstance(one, Command) for one in found)
    first = found[0]
    assert isinstance(first, Command)
    assert first.arguments == [
        {"uri": both.uri, "version": 7, "conflict": both.conflicts[0].id, "choice": "1"}
    ]


def test_a_choice_without_an_edit_is_not_offered() -> None:
    assert "base" not in choices(document(TWO_WAY).conflicts[0])
    assert "base" in choices(document(DIFF3).conflicts[0])


@pytest.mark.parametrize(
    ("only", "wanted"),
    [
        (None, True),
        (["quickfix"], True),
        ([KIND], True),
        (["refactor"], False),
        (["quickfix.other"], False),
        ([""], True),
        ([], False),
    ],
)
def test_actions_are_left_out_where_other_kinds_are_asked_for(only: list[str] | None, wanted: bool) -> None:
    assert is_wanted(only) is wanted


def test_only_what_is_sure_is_accepted_at_once(both: DocumentState) -> None:
    [edit] = sure_edits(both)
    assert (both.text[edit.start : edit.end], edit.text) == (TWO_WAY, "b\n")


def test_an_edit_for_a_client_without_versions_names_files_alone(both: DocumentState) -> None:
    assert workspace_edit({both: sure_edits(both)}, Client()).document_changes is None


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


def test_lenses_leave_out_what_vs_code_shows_itself(both: DocumentState) -> None:
    titles = [one.command.title for one in lenses(both) if one.command and one.range.start.line == 1]
    assert titles == [
        "feature (97 %)",
        "Take both, feature first",
        "Next conflict (1 of 2)",
    ]


def test_a_hint_ends_the_opening_line(both: DocumentState) -> None:
    first, second = hints(both, 0, len(both.text))
    assert (first.position, first.label) == (Position(1, 12), "✓ feature 97 %")
    assert second.label == "feature 40 %"
    assert hints(both, 0, 1) == []


def test_the_title_of_a_suggestion_never_promises_everything() -> None:
    one = document(TWO_WAY, [suggested(TWO_WAY, ("b\n", 0.9999))]).conflicts[0]
    assert suggestion_title(one, 1) == "Accept suggestion 1: feature (99 %)"


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
