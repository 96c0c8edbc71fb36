"""The two streams of a client as pygls reads and writes them: neither what comes nor who has gone ends the server."""

from __future__ import annotations

import re
from contextlib import suppress
from io import BufferedIOBase
from typing import BinaryIO

# Bytes; a text takes ten times as much memory while it is read, and no editor sends a larger one.
LARGEST_MESSAGE = 1 << 26
LONGEST_HEADER = 1 << 12
NO_MESSAGE = b"null"  # nothing at all would be the end
_LONGEST_LENGTH = 40  # bytes of a header that names a length
# The names of headers have no case, and what stands before one is left of a frame that was not as long as it said.
_LENGTH = re.compile(rb"Content-Length:[ \t]*(\d+)[ \t]*\r?\n\Z", re.IGNORECASE)
_FRAME = re.compile(rb"Content-Length:[ \t]*\d+[ \t]*\r?\n", re.IGNORECASE)
_NAME = b"Content-Length:"
_BEGUN_NAME = b"|".join(_NAME[:end] for end in range(1, len(_NAME)))
_BEGUN_FRAME = re.compile(rb"(?:%b|%b[ \t]*\d*[ \t]*\r?)\Z" % (_BEGUN_NAME, _NAME), re.IGNORECASE)


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


class UnheardOutput:
    """The client's stream as pygls writes to it; what is said when the client is gone is dropped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Writes a message, all of it at once."""
        if not self._stream.closed:
            with suppress(BrokenPipeError):
                self._stream.write(data)
                self._stream.flush()

    def close(self) -> None:
        """Ends the stream."""
        with suppress(BrokenPipeError):
            self._stream.close()
