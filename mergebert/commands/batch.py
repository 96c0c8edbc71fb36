"""`mergebert suggest --batch`: a stream of merges in, ranked resolutions out, a line of JSON each."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

from mergebert.commands.offers import ConflictOffers, conflicts_json, load_resolver
from mergebert.commands.workfile import merged_text
from mergebert.errors import InputError, MergebertError
from mergebert.git.known_history import history_of_commits
from mergebert.regular_files import LARGEST_TEXT
from mergebert.settings import Settings
from mergebert.strict_json import json_text, print_json
from mergebert.terminal import Progress
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory, joined_history
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import ErrorBudgets

if TYPE_CHECKING:
    from mergebert.ranking.resolution import AnyResolver

_MERGERS = 2  # threads that wait for git while the model works
LONGEST = 3 * LARGEST_TEXT + 2_000_000  # bytes of a line: three versions of a file and their names
_AHEAD = 8  # lines parsed before they are answered; bounds memory
_FEW = 4_000_000  # bytes of such lines, beyond which no further one is
_READ = 2  # lines read before they are parsed
_PIECE = 1_000_000  # bytes of a line too long that are read at a time
_MERGE = ("repository", "ours_commit", "theirs_commit")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
CONFLICTS_AT_ONCE = 60  # of one merge; evidence beyond so many adds nothing
_LONGEST_ID = 10_000  # characters


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One line of a batch: whose it is, and the file to merge or why it cannot be.

    `merge` are a repository and the commits of ours and theirs in it, where the line names them.
    """

    id: object
    path: str
    versions: ThreeWay[str] | None
    error: str = ""
    merge: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class MergedLine:
    """A request with its line merge, or what is wrong with it."""

    request: BatchRequest
    merged: MergedRequest | None
    error: str


@dataclass(frozen=True, slots=True)
class MergedRequest:
    """The line merge of a request's file, and what history tells of its merge."""

    text: ConflictedText
    history: MergeHistory


def run_batch(name: str, settings: Settings, count: int) -> int:
    """The exit code of `mergebert suggest --batch`: an answer a line of the file `name`."""
    progress = Progress("files answered")
    with _batch_lines(name) as lines:
        answers = batch(bounded_lines(lines), load_resolver(settings), settings.budgets, count)
        for done, answer in enumerate(answers, start=1):
            print_json(answer)
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
    lines: Iterable[bytes], resolver: AnyResolver, budgets: ErrorBudgets, count: int
) -> Iterator[dict[str, object]]:
    """An answer for every line, in order; what is wrong with a line is said in its answer.

    git merges the next files by lines while the model ranks this one; only a few are held at a time. Neighbouring lines
    of one named merge are ranked together, once a line that is not of it has come.
    """
    with ThreadPoolExecutor(_MERGERS) as mergers:
        for group in _by_merge(_merged_lines(_merged_ahead(mergers, lines))):
            yield from _answers(group, resolver, budgets, count)


def _merged_lines(
    merging: Iterable[tuple[BatchRequest, Future[MergedRequest] | None]],
) -> Iterator[MergedLine]:
    for request, future in merging:
        try:
            yield MergedLine(request, future.result() if future else None, request.error)
        except MergebertError as error:
            yield MergedLine(request, None, str(error))


def _by_merge(merged: Iterable[MergedLine]) -> Iterator[list[MergedLine]]:
    """The lines in order, those of one merge together as far as a person could have to do with them at once."""
    group: list[MergedLine] = []
    for line in merged:
        merge = line.request.merge
        held = [one for one in [*group, line] if one.merged]
        size = sum(len(one.merged.text.open_conflicts) for one in held if one.merged)
        weight = sum(map(len, (text for one in held for text in one.request.versions or ())))
        is_full = size > CONFLICTS_AT_ONCE or weight > _FEW
        if group and (merge is None or merge != group[-1].request.merge or is_full):
            yield group
            group = []
        group.append(line)
        if merge is None:
            yield group
            group = []
    if group:
        yield group


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
    versions = ThreeWay(*map(str, texts))
    if any(len(text.encode("utf-8", "surrogatepass")) > LARGEST_TEXT for text in versions):
        reason = f"line {number}: a version has more than {LARGEST_TEXT // 1_000_000} MB."
        return BatchRequest(row.get("id"), "", None, reason)
    named = [row.get(name) for name in _MERGE]
    if not any(named):
        return BatchRequest(row.get("id"), path, versions)
    repository, ours, theirs = (one if isinstance(one, str) else "" for one in named)
    if not (repository and _COMMIT.fullmatch(ours) and _COMMIT.fullmatch(theirs)):
        reason = f"line {number}: {', '.join(_MERGE)} go together: a folder of git and two whole ids."
        return BatchRequest(row.get("id"), "", None, reason)
    return BatchRequest(row.get("id"), path, versions, merge=(repository, ours, theirs))


def _merged_ahead(
    mergers: ThreadPoolExecutor, lines: Iterable[bytes]
) -> Iterator[tuple[BatchRequest, Future[MergedRequest] | None]]:
    """The requests in order, each with its line merge under way; no answer waits for a line to be read."""
    queue = _read_ahead(lines)
    waiting: deque[tuple[BatchRequest, Future[MergedRequest] | None, int]] = deque()
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


def _start(mergers: ThreadPoolExecutor, request: BatchRequest) -> Future[MergedRequest] | None:
    return mergers.submit(_merged, request, request.versions) if request.versions else None


def _merged(request: BatchRequest, versions: ThreeWay[str]) -> MergedRequest:
    """The line merge of a request and, where it conflicts and its merge is named, what history tells of that."""
    text = merged_text(request.path, versions)
    if request.merge is None or not text.open_conflicts:
        return MergedRequest(text, UNKNOWN_MERGE)
    repository, ours, theirs = request.merge
    return MergedRequest(text, history_of_commits(Path(repository), ours, theirs, [request.path]))


def _answers(
    group: Sequence[MergedLine], resolver: AnyResolver, budgets: ErrorBudgets, count: int
) -> Iterator[dict[str, object]]:
    """The conflicts of each line with their resolutions, or what is wrong with it; for JSON."""
    merged = [line.merged for line in group if line.merged]
    try:
        offers = iter(_offers(merged, resolver, budgets))
    except MergebertError as error:
        if len(group) > 1:  # one file is no reason to answer none
            for line in group:
                yield from _answers([line], resolver, budgets, count)
        else:
            yield {"id": group[0].request.id, "error": str(error)}
        return
    for line in group:
        answer = {"conflicts": conflicts_json(next(offers), count)} if line.merged else {"error": line.error}
        yield {"id": line.request.id, **answer}


def _offers(
    merged: Sequence[MergedRequest], resolver: AnyResolver, budgets: ErrorBudgets
) -> list[ConflictOffers]:
    """The open conflicts of each file of one merge with what is offered for them."""
    texts = [one.text for one in merged]
    if not any(text.open_conflicts for text in texts):
        return [[] for _ in texts]
    from mergebert.ranking.open_merge import OpenMerge

    history = joined_history([one.history for one in merged])
    offers = OpenMerge(texts, resolver, budgets, history).offers({})
    return [
        [(conflict, offers[at, conflict.index]) for conflict in text.open_conflicts]
        for at, text in enumerate(texts)
    ]
