"""The language server with all its features: what the protocol asks is looked up in the session."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp

from mergebert_lsp.features.actions import KIND, code_actions, is_wanted, resolved
from mergebert_lsp.features.capabilities import client_of
from mergebert_lsp.features.diagnostics import diagnostics
from mergebert_lsp.features.hints import hints
from mergebert_lsp.features.hover import hover
from mergebert_lsp.features.lenses import lenses
from mergebert_lsp.server import commands
from mergebert_lsp.server.connection import MergebertServer
from mergebert_lsp.server.life import end_with_editor
from mergebert_lsp.server.options import options_of
from mergebert_lsp.server.protocol import ContentModified
from mergebert_lsp.server.session import Session
from mergebert_lsp.text.document_state import DocumentState
from mergebert_lsp.text.uris import path_of


def server() -> MergebertServer:
    """A server with all its features."""
    made = MergebertServer()
    _register_life(made)
    _register_workspace(made)
    _register_texts(made)
    _register_features(made)
    commands.register(made)
    return made


def _register_life(made: MergebertServer) -> None:
    @made.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        _initialize(made, params)

    @made.feature(lsp.INITIALIZED)
    def initialized(params: lsp.InitializedParams) -> None:
        for sentence in made.wrong:
            made.complain(sentence)

    @made.feature(lsp.SHUTDOWN)
    def shutdown(params: None) -> None:
        made.session.close()


def _initialize(made: MergebertServer, params: lsp.InitializeParams) -> None:
    session = made.session
    session.client = client_of(params.capabilities)
    encoding = made.workspace.position_encoding
    session.encoding = lsp.PositionEncodingKind(encoding or lsp.PositionEncodingKind.Utf16).value
    for folder in params.workspace_folders or ():
        _add_folder(session, folder.uri)
    if not session.folders and params.root_uri:
        _add_folder(session, params.root_uri)
    session.options, made.wrong = options_of(params.initialization_options)
    if session.client.pulls_diagnostics:
        _register_pull(made)
    if params.process_id is not None:
        end_with_editor(params.process_id, session.close)


def _register_workspace(made: MergebertServer) -> None:
    session = made.session

    @made.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders(params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        for folder in params.event.removed:
            session.folders.pop(folder.uri, None)
        for folder in params.event.added:
            _add_folder(session, folder.uri)
        session.ask_again()

    @made.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configuration(params: lsp.DidChangeConfigurationParams) -> None:
        given = params.settings
        if not given and session.client.has_configuration:
            wanted = lsp.ConfigurationParams([lsp.ConfigurationItem(section="mergebert")])
            given = (await made.workspace_configuration_async(wanted) or [None])[0]
        made.configure(given)
        session.ask_again()
        made.refresh()


def _register_texts(made: MergebertServer) -> None:
    session = made.session

    @made.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        one = params.text_document
        session.opened(one.uri, one.version, one.text, one.language_id)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        one = made.workspace.get_text_document(params.text_document.uri)
        session.opened(params.text_document.uri, params.text_document.version, one.source)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        session.closed(params.text_document.uri)

    @made.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        session.ask_again(saved=params.text_document.uri)


def _register_features(made: MergebertServer) -> None:
    session = made.session
    kinds = lsp.CodeActionOptions(code_action_kinds=[KIND], resolve_provider=True)

    @made.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, kinds)
    async def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction | lsp.Command] | None:
        document = await session.found(params.text_document.uri)
        if document is None or not is_wanted(params.context.only):
            return None
        start, end = document.positions.offsets(params.range)
        return code_actions(document, start, end, session.client, params.context.diagnostics)

    @made.feature(lsp.CODE_ACTION_RESOLVE)
    def resolve(action: lsp.CodeAction) -> lsp.CodeAction:
        data = action.data if isinstance(action.data, dict) else {}
        document = session.documents.get(str(data.get("uri")))
        found = resolved(action, document, session.client) if document and "choice" in data else action
        if found is None:
            raise ContentModified(commands.MOVED_ON)
        return found

    @made.feature(lsp.TEXT_DOCUMENT_CODE_LENS, lsp.CodeLensOptions(resolve_provider=False))
    async def code_lenses(params: lsp.CodeLensParams) -> list[lsp.CodeLens] | None:
        document = await session.found(params.text_document.uri)
        return lenses(document) if document and session.options.code_lens else None

    @made.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hovered(params: lsp.HoverParams) -> lsp.Hover | None:
        document = await session.found(params.text_document.uri)
        if document is None:
            return None
        at = document.positions.offset(params.position)
        return hover(document, at, session.client, not session.is_busy)

    @made.feature(lsp.TEXT_DOCUMENT_INLAY_HINT, lsp.InlayHintOptions(resolve_provider=False))
    async def inlay_hints(params: lsp.InlayHintParams) -> list[lsp.InlayHint] | None:
        document = await session.found(params.text_document.uri)
        if document is None or not session.options.inlay_hints:
            return None
        return hints(document, *document.positions.offsets(params.range))


def _register_pull(made: MergebertServer) -> None:
    """Diagnostics for clients that fetch them; the others are sent theirs."""
    session = made.session
    options = lsp.DiagnosticOptions(
        inter_file_dependencies=True, workspace_diagnostics=True, identifier="mergebert"
    )

    def found(document: DocumentState) -> list[lsp.Diagnostic]:
        return diagnostics(document, session.client, not session.is_busy)

    @made.feature(lsp.TEXT_DOCUMENT_DIAGNOSTIC, options)
    async def text_document(params: lsp.DocumentDiagnosticParams) -> lsp.RelatedFullDocumentDiagnosticReport:
        document = await session.found(params.text_document.uri)
        return lsp.RelatedFullDocumentDiagnosticReport(found(document) if document else [])

    @made.feature(lsp.WORKSPACE_DIAGNOSTIC)
    async def workspace(params: lsp.WorkspaceDiagnosticParams) -> lsp.WorkspaceDiagnosticReport:
        if not session.is_whole:
            await session.settled(session.ask_whole())
        items: list[Any] = [
            lsp.WorkspaceFullDocumentDiagnosticReport(document.uri, found(document), document.version)
            for document in session.all_documents()
        ]
        return lsp.WorkspaceDiagnosticReport(items)


def _add_folder(session: Session, uri: str) -> None:
    path = path_of(uri)
    if path is not None:
        session.folders[uri] = path
