"""pygls' protocol made strict: every request is answered, none is served out of turn, no input ends the server."""

from __future__ import annotations

import re
from io import BufferedIOBase
from typing import Any

from lsprotocol.types import EXIT, INITIALIZE, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol

LARGEST_MESSAGE = 1 << 28  # bytes
LONGEST_HEADER = 1 << 12
NO_MESSAGE = b"null"  # nothing at all would be the end
_LONGEST_LENGTH = 40  # bytes of a header that names a length
# The names of headers have no case, and what stands before one is left of a frame that was not as long as it said.
_LENGTH = re.compile(rb"Content-Length:[ \t]*(\d+)[ \t]*\r?\n\Z", re.IGNORECASE)
_FRAME = re.compile(rb"Content-Length:[ \t]*\d+[ \t]*\r?\n", re.IGNORECASE)
_NAME = b"Content-Length:"
_BEGUN_NAME = b"|".join(_NAME[:end] for end in range(1, len(_NAME)))
_BEGUN_FRAME = re.compile(rb"(?:%b|%b[ \t]*\d*[ \t]*\r?)\Z" % (_BEGUN_NAME, _NAME), re.IGNORECASE)


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

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self._ahead = b""  # what was read of the next frame
        self._unfinished = b""  # the end of a line that goes on
        self._is_in_header = False  # which has named its length
        self._is_abandoned = False  # a frame that another one begins before

    def readline(self, size: int | None = -1) -> bytes:
        """The next line, cut where it is too long; a length as pygls wants it, and none where it is not possible."""
        piece = self._piece()
        line, self._unfinished = self._unfinished + piece, b""
        found = _LENGTH.search(line)
        if found is not None:
            return self._header(found)
        if not piece.endswith(b"\n"):
            self._unfinished = line[-_LONGEST_LENGTH:]
        self._is_in_header = self._is_in_header and bool(piece.strip())
        return piece

    def _header(self, found: re.Match[bytes]) -> bytes:
        """The line that names a length; the end of the header where another frame was begun before."""
        if self._is_in_header:
            self._ahead, self._is_in_header, self._is_abandoned = found[0] + self._ahead, False, True
            return b"\r\n"
        length = int(found[1])
        if length > LARGEST_MESSAGE:
            return b":\r\n"
        self._is_in_header = length > 0
        return b"Content-Length: %d\r\n" % length

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or those before the header of another frame: no JSON holds one or ends in the start of one.

        It is looked for in what has come so far: a length that is too large must not wait for all of it.
        """
        if self._is_abandoned:
            self._is_abandoned = False
            return NO_MESSAGE
        body, self._ahead = bytearray(self._ahead[:size]), self._ahead[size:]
        searched = 0
        while (found := _FRAME.search(body, searched)) is None and len(body) < size:
            searched = max(len(body) - _LONGEST_LENGTH, 0)
            piece = self._stream.read1(size - len(body))
            if not piece:
                break
            body += piece
        found = found or _BEGUN_FRAME.search(body, max(len(body) - _LONGEST_LENGTH, 0))
        if found is None:
            return bytes(body)
        self._ahead = bytes(body[found.start() :]) + self._ahead
        return bytes(body[: found.start()]) or NO_MESSAGE

    def _piece(self) -> bytes:
        """The next line, or a part of one that is too long."""
        end = self._ahead.find(b"\n", 0, LONGEST_HEADER) + 1 or LONGEST_HEADER
        piece, self._ahead = self._ahead[:end], self._ahead[end:]
        if piece.endswith(b"\n") or len(piece) == LONGEST_HEADER:
            return piece
        return piece + self._stream.readline(LONGEST_HEADER - len(piece))
