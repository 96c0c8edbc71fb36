"""The language server: what the protocol asks is looked up in the session, what the session learns is sent."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import FeatureRequestError
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from mergebert import __version__
from mergebert_lsp import commands
from mergebert_lsp.actions import KIND, code_actions, is_wanted, resolved
from mergebert_lsp.client import client_of
from mergebert_lsp.diagnostics import diagnostics
from mergebert_lsp.hints import hints
from mergebert_lsp.hover import hover
from mergebert_lsp.lenses import lenses
from mergebert_lsp.options import options_of
from mergebert_lsp.progress import RankingProgress
from mergebert_lsp.protocol import ContentModified, Malformed, Protocol
from mergebert_lsp.publishing import Publishing
from mergebert_lsp.session import Session, Shell
from mergebert_lsp.view import View

STATUS = "mergebert/status"
APOLOGY = "Something went wrong in mergebert-lsp; it goes on working. Start it with `--log FILE` to see what."

logger = logging.getLogger(__name__)


class MergebertServer(LanguageServer):
    """One connection to an editor."""

    protocol: Protocol

    def __init__(self) -> None:
        super().__init__(
            "mergebert-lsp",
            __version__,
            text_document_sync_kind=lsp.TextDocumentSyncKind.Full,
            protocol_cls=Protocol,
            max_workers=2,
        )
        self.wrong: tuple[str, ...] = ()  # with the settings that came first
        self._has_apologised = False
        self._status: dict[str, Any] = {}
        self.bar = RankingProgress(self)
        self.publishing = Publishing(self)
        self.session = Session(
            Shell(
                show=self.show,
                forget=self.forget,
                refresh=self.refresh,
                status=self.tell_status,
                complain=self.complain,
                progress=self.bar.report,
                done=self.done,
            )
        )

    def show(self, view: View) -> None:
        """Sends the diagnostics of a text, unless the client fetches them itself."""
        if not self.session.client.pulls_diagnostics or view.version is None:
            found = diagnostics(view, self.session.client, not self.session.is_busy)
            self.publishing.publish(view.uri, view.version, found)

    def forget(self, uri: str) -> None:
        """Takes the diagnostics of a text back."""
        self.publishing.withdraw(uri)

    def refresh(self) -> None:
        """Has the client ask again for what it has on its screen."""
        client = self.session.client
        if client.pulls_diagnostics:
            self.publishing.ask_to(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)
        if client.refreshes_lenses and self.session.options.code_lens:
            self.publishing.ask_to(lsp.WORKSPACE_CODE_LENS_REFRESH)
        if client.refreshes_hints and self.session.options.inlay_hints:
            self.publishing.ask_to(lsp.WORKSPACE_INLAY_HINT_REFRESH)
        self.tell_status()

    def done(self) -> None:
        """Ends what was shown while the worker was busy."""
        self.bar.end()
        self.tell_status()

    def tell_status(self) -> None:
        """Tells a status bar how many conflicts there are and how many of them are sure."""
        found = [one for view in self.session.all_views() for one in view.conflicts]
        status = {
            "conflicts": len(found),
            "sure": sum(one.is_sure for one in found),
            "busy": self.session.is_busy,
        }
        if status != self._status:
            self._status = status
            self.protocol.notify(STATUS, status)

    def complain(self, message: str) -> None:
        """Says what is wrong to the person."""
        self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, message))

    def configure(self, given: Any) -> None:
        """Takes over settings of the client; says what is wrong with them."""
        self.session.options, wrong = options_of(given)
        for sentence in wrong:
            self.complain(sentence)

    def is_current(self, view: View) -> bool:
        """Whether the text is still what the editor, or the disk, holds."""
        if view.uri in self.session.views:
            return self.session.views[view.uri] is view
        path = to_fs_path(view.uri)
        try:
            return path is not None and Path(path).read_bytes() == view.text.encode("utf-8")
        except (OSError, UnicodeEncodeError):
            return False

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Says once that something went wrong; a request has its own answer, and the log has every case."""
        logger.error("%s: %s", type(error).__name__, error)
        if (
            not isinstance(error, Malformed)
            and source is not FeatureRequestError
            and not self._has_apologised
        ):
            self._has_apologised = True
            self.complain(APOLOGY)

    def shutdown(self) -> None:
        """Ends the connection and what was started for it."""
        self.session.close()
        super().shutdown()  # type: ignore[no-untyped-call]


def server() -> MergebertServer:
    """A server with all its features."""
    made = MergebertServer()
    _register_life(made)
    _register_texts(made)
    _register_features(made)
    commands.register(made)
    return made


def _register_life(made: MergebertServer) -> None:
    session = made.session

    @made.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        session.client = client_of(params.capabilities)
        encoding = made.workspace.position_encoding
        session.encoding = lsp.PositionEncodingKind(encoding or lsp.PositionEncodingKind.Utf16).value
        for folder in params.workspace_folders or ():
            _add_folder(session, folder.uri)
        if not session.folders and params.root_uri:
            _add_folder(session, params.root_uri)
        made.session.options, made.wrong = options_of(params.initialization_options)
        if session.client.pulls_diagnostics:
            _register_pull(made)

    @made.feature(lsp.INITIALIZED)
    def initialized(params: lsp.InitializedParams) -> None:
        for sentence in made.wrong:
            made.complain(sentence)

    @made.feature(lsp.SHUTDOWN)
    def shutdown(params: None) -> None:
        session.close()

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
    def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction | lsp.Command] | None:
        view = session.views.get(params.text_document.uri)
        if view is None or not is_wanted(params.context.only):
            return None
        start, end = view.positions.offset(params.range.start), view.positions.offset(params.range.end)
        return code_actions(view, start, end, session.client, params.context.diagnostics)

    @made.feature(lsp.CODE_ACTION_RESOLVE)
    def resolve(action: lsp.CodeAction) -> lsp.CodeAction:
        data = action.data if isinstance(action.data, dict) else {}
        view = session.views.get(str(data.get("uri")))
        found = resolved(action, view, session.client) if view and "choice" in data else action
        if found is None:
            raise ContentModified(commands.MOVED_ON)
        return found

    @made.feature(lsp.TEXT_DOCUMENT_CODE_LENS, lsp.CodeLensOptions(resolve_provider=False))
    def code_lenses(params: lsp.CodeLensParams) -> list[lsp.CodeLens] | None:
        view = session.views.get(params.text_document.uri)
        return lenses(view) if view and session.options.code_lens else None

    @made.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hovered(params: lsp.HoverParams) -> lsp.Hover | None:
        view = session.views.get(params.text_document.uri)
        if view is None:
            return None
        return hover(view, view.positions.offset(params.position), session.client, not session.is_busy)

    @made.feature(lsp.TEXT_DOCUMENT_INLAY_HINT, lsp.InlayHintOptions(resolve_provider=False))
    def inlay_hints(params: lsp.InlayHintParams) -> list[lsp.InlayHint] | None:
        view = session.views.get(params.text_document.uri)
        if view is None or not session.options.inlay_hints:
            return None
        start, end = view.positions.offset(params.range.start), view.positions.offset(params.range.end)
        return hints(view, start, end)


def _register_pull(made: MergebertServer) -> None:
    """Diagnostics for clients that fetch them; the others are sent theirs."""
    session = made.session
    options = lsp.DiagnosticOptions(
        inter_file_dependencies=True, workspace_diagnostics=True, identifier="mergebert"
    )

    def found(view: View) -> list[lsp.Diagnostic]:
        return diagnostics(view, session.client, not session.is_busy)

    @made.feature(lsp.TEXT_DOCUMENT_DIAGNOSTIC, options)
    def document(params: lsp.DocumentDiagnosticParams) -> lsp.RelatedFullDocumentDiagnosticReport:
        view = session.views.get(params.text_document.uri)
        return lsp.RelatedFullDocumentDiagnosticReport(found(view) if view else [])

    @made.feature(lsp.WORKSPACE_DIAGNOSTIC)
    async def workspace(params: lsp.WorkspaceDiagnosticParams) -> lsp.WorkspaceDiagnosticReport:
        if not session.is_whole:
            await session.settled(session.ask_whole())
        items: list[Any] = [
            lsp.WorkspaceFullDocumentDiagnosticReport(view.uri, found(view), view.version)
            for view in session.all_views()
        ]
        return lsp.WorkspaceDiagnosticReport(items)


def _add_folder(session: Session, uri: str) -> None:
    path = to_fs_path(uri) if uri.startswith("file:") else None
    if path is not None:
        session.folders[uri] = path
