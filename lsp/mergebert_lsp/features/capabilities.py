"""What the client at the other end can do; what it cannot is done in an older way or left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsprotocol.types import ClientCapabilities, MarkupKind


@dataclass(frozen=True, slots=True)
class Client:
    """The client capabilities that change what the server does."""

    pulls_diagnostics: bool = False  # and pulls again when asked to
    shows_related: bool = False
    has_action_literals: bool = False
    resolves_edits: bool = False
    versions_edits: bool = False
    applies_edits: bool = False
    shows_documents: bool = False
    shows_progress: bool = False
    reads_markdown: bool = False
    refreshes_lenses: bool = False
    refreshes_hints: bool = False
    has_configuration: bool = False


def client_of(capabilities: ClientCapabilities) -> Client:
    """What the client says that it can do."""

    def has(path: str) -> Any:
        found: Any = capabilities
        for name in path.split("."):
            found = getattr(found, name, None)
        return found

    resolved = has("text_document.code_action.resolve_support.properties") or ()
    return Client(
        pulls_diagnostics=bool(
            has("text_document.diagnostic") and has("workspace.diagnostics.refresh_support")
        ),
        shows_related=bool(has("text_document.publish_diagnostics.related_information")),
        has_action_literals=bool(has("text_document.code_action.code_action_literal_support")),
        resolves_edits=bool("edit" in resolved and has("text_document.code_action.data_support")),
        # Operations on files stand in document changes too: Neovim names the one and reads the other.
        versions_edits=bool(
            has("workspace.workspace_edit.document_changes")
            or has("workspace.workspace_edit.resource_operations")
        ),
        applies_edits=bool(has("workspace.apply_edit")),
        shows_documents=bool(has("window.show_document.support")),
        shows_progress=bool(has("window.work_done_progress")),
        reads_markdown=MarkupKind.Markdown in (has("text_document.hover.content_format") or ()),
        refreshes_lenses=bool(has("workspace.code_lens.refresh_support")),
        refreshes_hints=bool(has("workspace.inlay_hint.refresh_support")),
        has_configuration=bool(has("workspace.configuration")),
    )
