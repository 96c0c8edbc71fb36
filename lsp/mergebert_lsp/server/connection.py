"""One connection to an editor: what the session learns is sent to it."""

from __future__ import annotations

import logging
from json import JSONDecodeError
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, cast

from lsprotocol import types as lsp
from pygls.exceptions import FeatureRequestError, JsonRpcException
from pygls.io_ import StdinAsyncReader, run_async
from pygls.lsp.server import LanguageServer

from mergebert import __version__
from mergebert.regular_files import bytes_in
from mergebert.terminal import visible
from mergebert_lsp.features.diagnostics import diagnostics
from mergebert_lsp.server.options import options_of
from mergebert_lsp.server.progress import RankingProgress
from mergebert_lsp.server.protocol import Malformed, Protocol
from mergebert_lsp.server.publishing import Publishing
from mergebert_lsp.server.session import Session, SessionEvents
from mergebert_lsp.server.streams import BoundedInput, UnheardOutput
from mergebert_lsp.text.document_state import DocumentState
from mergebert_lsp.text.uris import path_of

STATUS = "mergebert/status"
APOLOGY = "Something went wrong in mergebert-lsp; it goes on working. Start it with `--log FILE` to see what."

UNREADABLE = (JSONDecodeError, UnicodeDecodeError, RecursionError)  # what json.loads says of a body

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
        self.bar = RankingProgress(
            self,
            is_shown=lambda: self.session.client.shows_progress,
            cancel=lambda: self.session.supervisor.halt(),
        )
        self.publishing = Publishing(self)
        self.session = Session(
            SessionEvents(
                show=self.show,
                forget=self.forget,
                refresh=self.refresh,
                status=self.tell_status,
                complain=self.complain,
                progress=self.bar.report,
                done=self.done,
            )
        )

    def show(self, document: DocumentState) -> None:
        """Sends the diagnostics of a text, unless the client fetches them itself."""
        if not self.session.client.pulls_diagnostics or document.version is None:
            found = diagnostics(document, self.session.client, not self.session.is_busy)
            self.publishing.publish(document.uri, document.version, found)

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
        found = [one for document in self.session.all_documents() for one in document.conflicts]
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
        self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, visible(message)))

    def configure(self, given: Any) -> None:
        """Takes over settings of the client; says what is wrong with them."""
        self.session.options, wrong = options_of(given)
        for sentence in wrong:
            self.complain(sentence)

    def is_current(self, document: DocumentState) -> bool:
        """Whether the text is still what the editor, or the disk, holds."""
        if document.uri in self.session.documents:
            return self.session.documents[document.uri] is document
        path = path_of(document.uri)
        try:
            return path is not None and bytes_in(Path(path)) == document.text.encode("utf-8")
        except (OSError, UnicodeEncodeError):
            return False

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Says once that something went wrong; a request has its own answer, and the log has every case."""
        logger.error("%s: %s", type(error).__name__, error)
        if source is JsonRpcException and isinstance(error, UNREADABLE):
            self.protocol.refuse_unread()
        elif (
            not isinstance(error, Malformed)
            and source is not FeatureRequestError
            and not self._has_apologised
        ):
            self._has_apologised = True
            self.complain(APOLOGY)

    async def serve(self, stdin: BoundedInput, stdout: UnheardOutput) -> None:
        """Serves the client until it says `exit` or goes away; every request is answered then, and the worker gone."""
        self.protocol.set_writer(stdout)
        reader = StdinAsyncReader(cast(BinaryIO, stdin), self.thread_pool)
        try:
            await run_async(Event(), reader, self.protocol, logger, self.report_server_error)
        except SystemExit:  # pygls' way to end
            pass
        finally:
            self.protocol.cancel_pending()
            self.session.close()
            await self.session.supervisor.ended()
