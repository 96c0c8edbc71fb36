"""What is tightened of the protocol: every request gets an answer, nothing is done before its time, nothing ends us."""

from __future__ import annotations

from typing import Any, BinaryIO

from lsprotocol.types import EXIT, INITIALIZE, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol

LARGEST_MESSAGE = 1 << 28  # bytes
LONGEST_HEADER = 1 << 12
_AT_ONCE = 1 << 20


class ContentModified(JsonRpcException):
    """The text that was asked about has moved on."""

    CODE = LSPErrorCodes.ContentModified.value
    MESSAGE = "Content modified"


class Malformed(JsonRpcException):
    """A message that is none; whoever waits for an answer to it has got one."""


class Protocol(LanguageServerProtocol):
    """The protocol of the server."""

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
        """Hands a message on where it is its time."""
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
    """What the client sends, in pieces that fit into memory; larger ones are skipped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self, size: int | None = -1) -> bytes:
        """The next line of a header, or a part of one that is too long to be any."""
        return self._stream.readline(LONGEST_HEADER)

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes; something else that is valid where they are too many."""
        if size <= LARGEST_MESSAGE:
            return self._stream.read(size)
        while size > 0 and (skipped := self._stream.read(min(size, _AT_ONCE))):
            size -= len(skipped)
        return b"null"
