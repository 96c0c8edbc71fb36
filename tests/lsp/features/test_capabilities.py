"""What is made of each editor that pytest-lsp knows.

`python -m tests.lsp.features.test_capabilities` writes lsp/clients.md anew.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol.types import ClientCapabilities

from mergebert_lsp.features.capabilities import Client, client_of

PROFILES = {
    "VS Code 1.65": "visual_studio_code@v1.65.2",
    "Neovim 0.11": "neovim@v0.11.0",
    "Neovim 0.10": "neovim@v0.10.0",
    "Neovim 0.9": "neovim@v0.9.1",
    "Neovim 0.8": "neovim@v0.8.0",
    "Neovim 0.7": "neovim@v0.7.0",
    "Neovim 0.6": "neovim@v0.6.1",
    "Emacs 29 (eglot)": "emacs@v29.1",
}
USED = {
    "pulls_diagnostics": "textDocument.diagnostic, workspace.diagnostics.refreshSupport",
    "shows_related": "textDocument.publishDiagnostics.relatedInformation",
    "has_action_literals": "textDocument.codeAction.codeActionLiteralSupport",
    "resolves_edits": "textDocument.codeAction.resolveSupport (edit), dataSupport",
    "versions_edits": "workspace.workspaceEdit.documentChanges or resourceOperations",
    "applies_edits": "workspace.applyEdit",
    "shows_documents": "window.showDocument.support",
    "shows_progress": "window.workDoneProgress",
    "reads_markdown": "textDocument.hover.contentFormat (markdown)",
    "refreshes_lenses": "workspace.codeLens.refreshSupport",
    "refreshes_hints": "workspace.inlayHint.refreshSupport",
    "has_configuration": "workspace.configuration",
}
INSTEAD = {
    "pulls_diagnostics": "diagnostics are sent",
    "shows_related": "the places of the sides are left out",
    "has_action_literals": "code actions are commands",
    "resolves_edits": "edits come with the actions",
    "versions_edits": "edits name the file alone",
    "applies_edits": "commands say that they cannot",
    "shows_documents": "`next` and `previous` answer with the place alone",
    "shows_progress": "no progress is shown",
    "reads_markdown": "hover is plain text",
    "refreshes_lenses": "lenses change with the next edit",
    "refreshes_hints": "hints change with the next edit",
    "has_configuration": "settings are those that the client sends",
}
TABLE = Path(__file__).resolve().parent.parent.parent.parent / "lsp" / "clients.md"


def table() -> str:
    """The capabilities that make a difference, by editor."""
    clients = [client_of(pytest_lsp.client_capabilities(spec)) for spec in PROFILES.values()]
    lines = [
        "| capability | " + " | ".join(PROFILES) + " | without it |",
        "|---" * (len(PROFILES) + 2) + "|",
    ]
    for field in dataclasses.fields(Client):
        marks = ["yes" if getattr(one, field.name) else "-" for one in clients]
        cells = [f"`{USED[field.name]}`", *marks, INSTEAD[field.name]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_table_of_clients_is_up_to_date() -> None:
    assert TABLE.read_text(encoding="utf-8") == table()


@pytest.mark.parametrize("profile", PROFILES.values())
def test_every_editor_is_told_apart_from_one_that_can_do_nothing(profile: str) -> None:
    assert client_of(pytest_lsp.client_capabilities(profile)) != Client()


def test_a_client_that_says_nothing_can_do_nothing() -> None:
    assert client_of(ClientCapabilities()) == Client()


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
