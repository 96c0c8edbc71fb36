"""Edits of the protocol: bound to the version of the text they were made for, where the client knows versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lsprotocol.types import (
    OptionalVersionedTextDocumentIdentifier,
    TextDocumentEdit,
    TextEdit,
    WorkspaceEdit,
)

from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.text.document_state import DocumentState, Edit


def workspace_edit(edits: Mapping[DocumentState, Sequence[Edit]], client: Client) -> WorkspaceEdit:
    """The edit of these texts as the client can take it."""
    if not client.versions_edits:
        return WorkspaceEdit(
            changes={document.uri: _text_edits(document, found) for document, found in edits.items()}
        )
    return WorkspaceEdit(
        document_changes=[
            TextDocumentEdit(
                OptionalVersionedTextDocumentIdentifier(document.uri, document.version),
                _text_edits(document, found),
            )
            for document, found in edits.items()
        ]
    )


def sure_edits(document: DocumentState) -> list[Edit]:
    """What resolves every conflict whose best suggestion is within the error budget, in order and apart."""
    found = (one.edit("1") for one in document.conflicts if one.is_sure and one.is_first)
    return _apart(edit for edit in found if edit is not None)


def _apart(edits: Iterable[Edit]) -> list[Edit]:
    found: list[Edit] = []
    for edit in edits:
        if not found or edit.start >= found[-1].end:
            found.append(edit)
    return found


def _text_edits(document: DocumentState, edits: Sequence[Edit]) -> list[TextEdit]:
    return [TextEdit(document.positions.range(one.start, one.end), one.text) for one in edits]
