"""An editor at the other end of a real server: what it opens, what it is told, what it is asked to change."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_lsp
from lsprotocol import types as lsp
from pytest_lsp import LanguageClient

import mergebert
import mergebert_lsp
from mergebert_lsp.text.positions import Positions

PATIENCE = 60  # seconds for one answer, on a machine that does other things too
COMMAND = (sys.executable, "-P", "-m", "mergebert_lsp")
# The folders that the packages under test were imported from, wherever that is.
PACKAGES = [str(Path(str(package.__file__)).parent.parent) for package in (mergebert, mergebert_lsp)]


class Published(dict[str, Sequence[lsp.Diagnostic]]):
    """The diagnostics of each text, and every publication of any."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, Sequence[lsp.Diagnostic]]] = []

    def __setitem__(self, uri: str, found: Sequence[lsp.Diagnostic]) -> None:
        super().__setitem__(uri, found)
        self.all.append((uri, found))


class Editor:
    """A client of the protocol with texts, as an editor holds them."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        client.diagnostics = self.published = Published()
        self.texts: dict[str, tuple[int, str]] = {}
        self.encoding = "utf-16"
        self.status: dict[str, Any] = {}
        self._changed = asyncio.Condition()

    @property
    def messages(self) -> list[str]:
        return [one.message for one in self.client.messages]

    def diagnostics(self, uri: str) -> Sequence[lsp.Diagnostic]:
        return self.client.diagnostics.get(uri, ())

    def text(self, uri: str) -> str:
        return self.texts[uri][1]

    def lines(self, uri: str) -> list[str]:
        return self.text(uri).split("\n")

    def line_of(self, uri: str, start: str, nth: int = 0) -> int:
        """The line of the nth line that starts so."""
        return [at for at, line in enumerate(self.lines(uri)) if line.startswith(start)][nth]

    def open(self, uri: str, text: str, language: str = "python") -> None:
        self.texts[uri] = (1, text)
        self.status = {}  # what was said before is no answer to this
        self.client.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, language, 1, text))
        )

    def change(self, uri: str, text: str) -> None:
        version = self.texts[uri][0] + 1
        self.texts[uri] = (version, text)
        self.status = {}
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version=version, uri=uri),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    def configure(self, **settings: Any) -> None:
        self.status = {}
        self.client.workspace_did_change_configuration(
            lsp.DidChangeConfigurationParams({"mergebert": settings})
        )

    def save(self, uri: str) -> None:
        self.client.text_document_did_save(lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(uri)))

    def close(self, uri: str) -> None:
        del self.texts[uri]
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))

    def apply(self, edit: lsp.WorkspaceEdit) -> bool:
        """Whether the edit fits the texts as they are, which it then changes."""
        changes: dict[str, Sequence[Any]] = dict(edit.changes or {})
        for one in edit.document_changes or ():
            assert isinstance(one, lsp.TextDocumentEdit)
            uri, version = one.text_document.uri, one.text_document.version
            if version is None and uri not in self.texts:  # a file that is not open
                self.texts[uri] = (0, Path(uri.removeprefix("file://")).read_text(encoding="utf-8"))
            elif self.texts[uri][0] != version:
                return False
            changes[uri] = one.edits
        for uri, edits in changes.items():
            self.change(uri, edited(self.text(uri), edits, self.encoding))
        return True

    async def settled(self, **wanted: Any) -> dict[str, Any]:
        """The status once the server is at rest, and says what is wanted."""

        def is_settled() -> bool:
            return self.status.get("busy") is False and wanted.items() <= self.status.items()

        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(is_settled), PATIENCE)
        return self.status

    async def actions(self, uri: str, line: int) -> list[lsp.CodeAction]:
        where = lsp.Range(lsp.Position(line, 0), lsp.Position(line, 0))
        found = await self.client.text_document_code_action_async(
            lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), where, lsp.CodeActionContext([]))
        )
        # The client library takes an action that holds a command for that command.
        return [one for one in found or () if isinstance(one, lsp.CodeAction)]

    async def take(self, uri: str, line: int, title: str) -> str:
        """The text after the action whose title starts so."""
        [action, *_] = [one for one in await self.actions(uri, line) if one.title.startswith(title)]
        if action.edit is None:
            action = await self.client.code_action_resolve_async(action)
        assert action.edit is not None
        assert self.apply(action.edit)
        return self.text(uri)

    async def command(self, name: str, **argument: Any) -> Any:
        found = await self.client.workspace_execute_command_async(
            lsp.ExecuteCommandParams(f"mergebert.{name}", arguments=[argument])
        )
        return found._asdict() if hasattr(found, "_asdict") else found

    async def hear(self, status: Any) -> None:
        async with self._changed:
            self.status = status._asdict()
            self._changed.notify_all()


def edited(text: str, edits: Sequence[Any], encoding: str) -> str:
    """The text after edits that do not overlap."""
    positions = Positions(text, encoding)
    spans = sorted(
        (positions.offset(one.range.start), positions.offset(one.range.end), one.new_text) for one in edits
    )
    at, parts = 0, []
    for start, end, new in spans:
        assert at <= start <= end
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


@asynccontextmanager
async def editor(
    profile: str = "visual_studio_code",
    *,
    folder: Path | None = None,
    options: Any = None,
    adapt: Callable[[lsp.ClientCapabilities], None] = lambda found: None,
    cwd: Path | None = None,
    process: int | None = None,
) -> AsyncIterator[Editor]:
    """An editor of this profile that has a server for as long as it is used, and ends it as it should."""
    client = pytest_lsp.client.make_test_lsp_client()
    made = Editor(client)
    _register(client, made)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    await client.start_io(*COMMAND, env=environment, cwd=cwd)
    capabilities = pytest_lsp.client_capabilities(profile)
    adapt(capabilities)
    folders = [lsp.WorkspaceFolder(folder.as_uri(), folder.name)] if folder else None
    answer = await client.initialize_session(
        lsp.InitializeParams(
            capabilities=capabilities,
            workspace_folders=folders,
            initialization_options=options,
            process_id=process,
        )
    )
    made.encoding = str(
        getattr(answer.capabilities.position_encoding, "value", answer.capabilities.position_encoding)
    )
    try:
        yield made
        await asyncio.wait_for(client.shutdown_session(), PATIENCE)
    finally:
        if client._server is not None and client._server.returncode is None:
            client._server.kill()  # a test has failed
        await client.stop()


def _register(client: LanguageClient, made: Editor) -> None:
    @client.feature("mergebert/status")
    async def status(params: Any) -> None:
        await made.hear(params)

    @client.feature(lsp.WORKSPACE_APPLY_EDIT)
    def apply(params: lsp.ApplyWorkspaceEditParams) -> lsp.ApplyWorkspaceEditResult:
        return lsp.ApplyWorkspaceEditResult(applied=made.apply(params.edit))

    for method in (lsp.WORKSPACE_CODE_LENS_REFRESH, lsp.WORKSPACE_INLAY_HINT_REFRESH):
        client.feature(method)(lambda _: None)
