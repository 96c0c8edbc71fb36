"""What is sent to the client unasked: diagnostics that have changed, and refresh requests."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from lsprotocol.types import Diagnostic, PublishDiagnosticsParams
from pygls.lsp.server import LanguageServer


class Publishing:
    """Publishes only diagnostics that changed, and keeps one refresh request of each kind in flight."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._published: dict[str, tuple[int | None, list[Diagnostic]]] = {}
        self._asked: dict[str, Future[Any]] = {}
        self._again: set[str] = set()

    def publish(self, uri: str, version: int | None, found: list[Diagnostic]) -> None:
        """Sends the diagnostics of a text."""
        if self._published.get(uri) != (version, found):
            self._published[uri] = (version, found)
            self._server.text_document_publish_diagnostics(PublishDiagnosticsParams(uri, found, version))

    def withdraw(self, uri: str) -> None:
        """Takes the diagnostics of a text back, where any were sent."""
        if self._published.pop(uri, (None, []))[1]:
            self._server.text_document_publish_diagnostics(PublishDiagnosticsParams(uri, []))

    def ask_to(self, method: str) -> None:
        """Sends the refresh request `method`, now or once the last one was answered."""
        if method in self._asked:
            self._again.add(method)
            return
        self._asked[method] = self._server.protocol.send_request(method, None)
        self._asked[method].add_done_callback(lambda done: self._answered(method, done))

    def _answered(self, method: str, done: Future[Any]) -> None:
        self._asked.pop(method, None)
        if method in self._again and not done.cancelled():  # which it is when the server shuts down
            self._again.remove(method)
            self.ask_to(method)
