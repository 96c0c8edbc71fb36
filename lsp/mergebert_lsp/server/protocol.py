"""pygls' protocol made strict: every request is answered, none is served out of turn, no input ends the server."""

from __future__ import annotations

from typing import Any

from lsprotocol.types import EXIT, INITIALIZE, SHUTDOWN, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol


class ContentModified(JsonRpcException):
    """The text has changed since the client sent its request."""

    CODE = LSPErrorCodes.ContentModified.value
    MESSAGE = "Content modified"


class Malformed(JsonRpcException):
    """A message that cannot be read; if it was a request, it has been answered with an error."""


class Protocol(LanguageServerProtocol):
    """The protocol of the server: refuses what the specification does not allow in its present state."""

    @property
    def was_shut_down(self) -> bool:
        """Whether the client has asked the server to end."""
        return self._shutdown

    def structure_message(self, data: dict[str, Any]) -> Any:
        """The message in `data`; what cannot be read is answered with an error."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data:
                self._refuse(data, ErrorCodes.InvalidParams, "The parameters are not what the method takes.")
            raise Malformed("A message could not be read.") from error

    def handle_message(self, message: Any) -> None:
        """Handles a message, or refuses one that is invalid or out of turn."""
        method = getattr(message, "method", None)
        if isinstance(message, list):
            for one in message:
                self._refuse(
                    one,
                    ErrorCodes.InvalidRequest,
                    "The protocol knows no batches; send one message at a time.",
                )
        elif isinstance(message, dict) or getattr(message, "jsonrpc", None) != self.VERSION:
            self._refuse(message, ErrorCodes.InvalidRequest, "This is no message of JSON-RPC 2.0.")
        elif self._shutdown and method is None:
            return  # an answer that nobody waits for any more
        elif self._shutdown and method != EXIT:
            self._refuse(message, ErrorCodes.InvalidRequest, "The server is shutting down.")
        elif self._workspace is None and method not in (INITIALIZE, EXIT, None):
            self._refuse(message, ErrorCodes.ServerNotInitialized, "Send `initialize` first.")
        elif self._workspace is not None and method == INITIALIZE:
            self._refuse(message, ErrorCodes.InvalidRequest, "The server was initialized before.")
        else:
            if method == SHUTDOWN:
                self.cancel_pending()
            super().handle_message(message)

    def cancel_pending(self) -> None:
        """Answers every request that waits; pygls itself would stumble over those that an answer takes out."""
        for future in tuple(self._request_futures.values()):
            future.cancel()

    def _handle_response(
        self, msg_id: int | str, result: Any = None, error: ResponseError | None = None
    ) -> None:
        """Takes an answer of the client; one that comes when nobody waits for it any more is passed over."""
        future = self._request_futures.get(msg_id)
        if future is not None and future.done():
            del self._request_futures[msg_id]
        else:
            super()._handle_response(msg_id, result, error)

    def refuse_unread(self) -> None:
        """Answers what is not even JSON, as JSON-RPC wants it: with an error to no request in particular."""
        error = ResponseError(ErrorCodes.ParseError, "A message was no JSON of the length its header named.")
        self._send_data({"jsonrpc": self.VERSION, "id": None, "error": error})

    def _refuse(self, message: Any, code: ErrorCodes, reason: str) -> None:
        """Answers a request with an error; there is no answer to anything else."""
        found = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
        if isinstance(found, int | str):
            self._send_response(found, error=ResponseError(code, reason))
