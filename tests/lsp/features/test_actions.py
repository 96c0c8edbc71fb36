"""Code actions of one document, for every kind of client."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lsprotocol.types import (
    CodeAction,
    Command,
    Position,
    TextDocumentEdit,
)

from mergebert_lsp.features.actions import KIND, choices, code_actions, is_wanted, resolved
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.diagnostics import diagnostics
from mergebert_lsp.text.document_state import DocumentState
from tests.lsp.documents import ABLE, DIFF3, TWO_WAY, document, suggested_in


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
