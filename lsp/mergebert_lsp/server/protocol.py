"""pygls' protocol made strict: every request is answered, none is served out of turn, no input ends the server."""

from __future__ import annotations

from typing import Any, BinaryIO

from lsprotocol.types import EXIT, INITIALIZE, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol

LARGEST_MESSAGE = 1 << 28  # bytes
LONGEST_HEADER = 1 << 12
_AT_ONCE = 1 << 20


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
        if isinstance(message, dict) or getattr(message, "jsonrpc", None) != self.VERSION:
            self._refuse(message, ErrorCodes.InvalidRequest, "This is no message of JSON-RPC 2.0.")
        elif self._shutdown and method not in (EXIT, None):
            self._refuse(message, ErrorCodes.InvalidRequest, "The server is shutting down.")
        elif self._workspace is None and method not in (INITIALIZE, EXIT, None):
            self._refuse(message, ErrorCodes.ServerNotInitialized, "Send `initialize` first.")
        elif self._workspace is not None and method == INITIALIZE:
            self._refuse(message, ErrorCodes.InvalidRequest, "The server was initialized before.")
        else:
            super().handle_message(message)

    def _refuse(self, message: Any, code: ErrorCodes, reason: str) -> None:
        """Answers a request with an error; there is no answer to anything else."""
        found = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
        if isinstance(found, int | str):
            self._send_response(found, error=ResponseError(code, reason))


class BoundedInput:
    """The client's stream, whose oversized messages are skipped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self, size: int | None = -1) -> bytes:
        """The next header line, cut where it is too long to be one."""
        return self._stream.readline(LONGEST_HEADER)

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes; `null` in place of too many."""
        if size <= LARGEST_MESSAGE:
            return self._stream.read(size)
        while size > 0 and (skipped := self._stream.read(min(size, _AT_ONCE))):
            size -= len(skipped)
        return b"null"
