"""pygls' protocol made strict: every request is answered, none is served out of turn, no input ends the server."""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from lsprotocol.types import EXIT, INITIALIZE, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol

LARGEST_MESSAGE = 1 << 28  # bytes
LONGEST_HEADER = 1 << 12
_LONGEST_LENGTH = 40  # bytes of a header that names a length
# The names of headers have no case, and what stands before one is left of a frame that was not as long as it said.
_LENGTH = re.compile(rb"Content-Length:[ \t]*(\d{1,15})[ \t]*\r?\n\Z", re.IGNORECASE)
_FRAME = re.compile(rb"Content-Length:[ \t]*\d+[ \t]*\r?\n", re.IGNORECASE)


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

    def refuse_unread(self) -> None:
        """Answers what is not even JSON, as JSON-RPC wants it: with an error to no request in particular."""
        error = ResponseError(ErrorCodes.ParseError, "A message was no JSON of the length its header named.")
        self._send_data({"jsonrpc": self.VERSION, "id": None, "error": error})

    def _refuse(self, message: Any, code: ErrorCodes, reason: str) -> None:
        """Answers a request with an error; there is no answer to anything else."""
        found = message.get("id") if isinstance(message, dict) else getattr(message, "id", None)
        if isinstance(found, int | str):
            self._send_response(found, error=ResponseError(code, reason))


class BoundedInput:
    """The client's stream as pygls reads it: a frame starts wherever a header names its length, whatever stands before it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""  # what was read of the next frame
        self._unfinished = b""  # the end of a line that goes on

    def readline(self, size: int | None = -1) -> bytes:
        """The next line, cut where it is too long; a length as pygls wants it, and none where it is not possible."""
        piece = self._piece()
        line, self._unfinished = self._unfinished + piece, b""
        found = _LENGTH.search(line)
        if found is not None:
            is_possible = int(found[1]) <= LARGEST_MESSAGE
            return b"Content-Length: %d\r\n" % int(found[1]) if is_possible else b":\r\n"
        if not piece.endswith(b"\n"):
            self._unfinished = line[-_LONGEST_LENGTH:]
        return piece

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or those before the header of another frame: no JSON holds one."""
        body, self._ahead = self._ahead[:size], self._ahead[size:]
        body += self._stream.read(size - len(body))
        found = _FRAME.search(body)
        if found is None:
            return body
        self._ahead = body[found.start() :] + self._ahead
        return body[: found.start()] or b"null"  # nothing at all would be the end

    def _piece(self) -> bytes:
        """The next line or a part of it."""
        if not self._ahead:
            return self._stream.readline(LONGEST_HEADER)
        end = self._ahead.find(b"\n", 0, LONGEST_HEADER) + 1 or LONGEST_HEADER
        piece, self._ahead = self._ahead[:end], self._ahead[end:]
        return piece
