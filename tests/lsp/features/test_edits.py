"""Edits of one document."""

from __future__ import annotations

from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.edits import sure_edits, workspace_edit
from mergebert_lsp.text.document_state import DocumentState
from tests.lsp.documents import TWO_WAY


def test_only_what_is_sure_is_accepted_at_once(both: DocumentState) -> None:
    [edit] = sure_edits(both)
    assert (both.text[edit.start : edit.end], edit.text) == (TWO_WAY, "b\n")


def test_an_edit_for_a_client_without_versions_names_files_alone(both: DocumentState) -> None:
    assert workspace_edit({both: sure_edits(both)}, Client()).document_changes is None
