"""`mergebert suggest --batch`: a stream of merges in, ranked resolutions out, a line of JSON each."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

from mergebert.commands.offers import conflicts_json, load_resolver, ranked_conflicts
from mergebert.commands.workfile import merged_text
from mergebert.errors import InputError, MergebertError
from mergebert.settings import Settings
from mergebert.strict_json import json_text
from mergebert.terminal import Progress
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.threeway import ThreeWay

if TYPE_CHECKING:
    from mergebert.ranking.resolution import AnyResolver

_MERGERS = 2  # threads that wait for git while the model works
LONGEST = (
    32_000_000  # bytes of a line: three versions of 10 MB each, the most there is of a file, and their names
)
_AHEAD = 8  # lines parsed before they are answered; bounds memory
_FEW = 4_000_000  # bytes of such lines, beyond which no further one is
_READ = 2  # lines read before they are parsed
_PIECE = 1_000_000  # bytes of a line too long that are read at a time
_LONGEST_ID = 10_000  # characters


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One line of a batch: whose it is, and the file to merge or why it cannot be."""

    id: object
    path: str
    versions: ThreeWay[str] | None
    error: str = ""


def run_batch(name: str, settings: Settings, count: int) -> int:
    """The exit code of `mergebert suggest --batch`: an answer a line of the file `name`."""
    progress = Progress("files answered")
    with _batch_lines(name) as lines:
        answers = batch(bounded_lines(lines), load_resolver(settings), settings.max_error, count)
        for done, answer in enumerate(answers, start=1):
            print(json_text(answer), flush=True)
            progress.show(done)
    progress.close()
    return 0


@contextmanager
def _batch_lines(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        # Not sys.stdin: at exit Python would wait for the lock of a reader that still waits for a line.
        with open(sys.stdin.fileno(), "rb", closefd=False) as stdin:
            yield stdin
        return
    try:
        file = open(name, "rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}.") from error
    with file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise InputError(f"{name} is neither a file nor a pipe; name one, or - for standard input.")
        yield file


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long only so much that this can be told."""
    while line := file.readline(LONGEST + 1):
        yield line
        while line and not line.endswith(b"\n"):
            line = file.readline(_PIECE)


def batch(
    lines: Iterable[bytes], resolver: AnyResolver, max_error: float, count: int
) -> Iterator[dict[str, object]]:
    """An answer for every line, in order; what is wrong with a line is said in its answer.

    git merges the next files by lines while the model ranks this one; only a few are held at a time.
    """
    with ThreadPoolExecutor(_MERGERS) as mergers:
        for request, merging in _merged_ahead(mergers, lines):
            yield _response(
                request,
                merging,
                lambda text: conflicts_json(ranked_conflicts(text, lambda: resolver, max_error), count),
            )


def request_of(number: int, line: bytes) -> BatchRequest:
    """What a line of a batch asks for."""
    if len(line) > LONGEST:
        return BatchRequest(None, "", None, f"line {number} has more than {LONGEST // 1_000_000} MB.")
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return BatchRequest(None, "", None, f"line {number} is not JSON in UTF-8.")
    if not isinstance(row, dict):
        return BatchRequest(None, "", None, f"line {number} is not a JSON object.")
    try:
        length = len(json_text(row.get("id")))
    except ValueError:  # Python reads NaN, and what is larger than any number
        return BatchRequest(None, "", None, f"line {number} has a number in its id that is none.")
    if length > _LONGEST_ID:
        return BatchRequest(None, "", None, f"line {number} has an id of more than {_LONGEST_ID} characters.")
    texts = [row.get(name) for name in ("base", "ours", "theirs")]
    path = row.get("path", "")
    if not all(isinstance(text, str) for text in [*texts, path]):
        return BatchRequest(
            row.get("id"), "", None, f"line {number}: path, base, ours and theirs must be texts."
        )
    base, ours, theirs = map(str, texts)
    return BatchRequest(row.get("id"), path, ThreeWay(base, ours, theirs))


def _merged_ahead(
    mergers: ThreadPoolExecutor, lines: Iterable[bytes]
) -> Iterator[tuple[BatchRequest, Future[ConflictedText] | None]]:
    """The requests in order, each with its line merge under way; no answer waits for a line to be read."""
    queue = _read_ahead(lines)
    waiting: deque[tuple[BatchRequest, Future[ConflictedText] | None, int]] = deque()
    number, held, is_open = 0, 0, True
    while is_open or waiting:
        while is_open and len(waiting) < _AHEAD and held <= _FEW and not (waiting and queue.empty()):
            line = queue.get()
            if isinstance(line, OSError):
                raise line
            is_open = line is not None
            if line is not None:
                number += 1
                request = request_of(number, line)
                waiting.append((request, _start(mergers, request), len(line)))
                held += len(line)
        if waiting:
            request, merging, size = waiting.popleft()
            yield request, merging
            held -= size


def _read_ahead(lines: Iterable[bytes]) -> Queue[bytes | OSError | None]:
    """A few lines at a time, read by a thread of its own; ends with None or what went wrong."""
    queue: Queue[bytes | OSError | None] = Queue(_READ)

    def read() -> None:
        try:
            for line in lines:
                queue.put(line)
            queue.put(None)
        except OSError as error:
            queue.put(error)

    Thread(target=read, daemon=True).start()
    return queue


def _start(mergers: ThreadPoolExecutor, request: BatchRequest) -> Future[ConflictedText] | None:
    return mergers.submit(merged_text, request.path, request.versions) if request.versions else None


def _response(
    request: BatchRequest,
    merging: Future[ConflictedText] | None,
    conflicts_of: Callable[[ConflictedText], Sequence[dict[str, object]]],
) -> dict[str, object]:
    """The conflicts of a request's file with their resolutions, or what is wrong with it; for JSON."""
    if merging is None:
        return {"id": request.id, "error": request.error}
    try:
        return {"id": request.id, "conflicts": conflicts_of(merging.result())}
    except MergebertError as error:
        return {"id": request.id, "error": str(error)}
