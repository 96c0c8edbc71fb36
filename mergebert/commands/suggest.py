"""`mergebert suggest`: ranked resolutions of every conflict; changes nothing."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO

from mergebert.commands.offers import noticed_offers
from mergebert.commands.solve import load_resolver
from mergebert.commands.workfile import decoded, open_work_files, portable_name, read_bytes
from mergebert.errors import InputError, MergebertError
from mergebert.settings import Settings, add_settings_arguments, settings_of
from mergebert.terminal import Progress, percent, shown_lines, visible
from mergebert.text.conflicted import ConflictedText, OpenConflict
from mergebert.text.reconcile import unreconciled
from mergebert.text.threeway import ThreeWay

if TYPE_CHECKING:
    from mergebert.ranking.resolver import RankedConflict, Ranks

Ranking = list[tuple[OpenConflict, "RankedConflict"]]

FOR_PEOPLE, FOR_PROGRAMS = 3, 10  # candidates of each conflict when -k does not say
_CUTTERS = 2  # threads that wait for git while the model works
_AHEAD = 8  # lines read before they are answered; bounds memory


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `mergebert suggest`."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="file with conflict markers")
    parser.add_argument("--base", type=Path, metavar="FILE", help="common ancestor; with --ours and --theirs")
    parser.add_argument("--ours", type=Path, metavar="FILE", help="the version built on")
    parser.add_argument("--theirs", type=Path, metavar="FILE", help="the version merged in")
    parser.add_argument(
        "-p", "--path", metavar="PATH", help="name of the file in its repository, for the language"
    )
    parser.add_argument(
        "--batch",
        metavar="IN",
        help="JSON Lines of {id, path, base, ours, theirs}, - for standard input; answers a line for each",
    )
    parser.add_argument("-k", type=_count, metavar="N", help="candidates of each conflict")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    add_settings_arguments(parser)


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert suggest`."""
    settings = settings_of(arguments)
    _check(arguments)
    if arguments.batch is not None:
        return _run_batch(arguments, settings)
    suggest(arguments, settings, lambda: load_resolver(settings))
    return 0


def _check(arguments: Namespace) -> None:
    """Raises InputError unless exactly one kind of input is named."""
    versions = [arguments.base, arguments.ours, arguments.theirs]
    named = [arguments.file is not None, any(versions), arguments.batch is not None]
    if sum(named) != 1:
        raise InputError(
            "name one FILE with markers, or --base, --ours and --theirs, or --batch; --help shows each."
        )
    if any(versions) and not all(versions):
        raise InputError(
            "--base, --ours and --theirs go together; give an empty file where there is no base."
        )
    if arguments.batch is not None and not arguments.json:
        raise InputError("--batch answers in JSON Lines; add --json.")


def suggest(arguments: Namespace, settings: Settings, load: Callable[[], Ranks]) -> None:
    """Prints the ranked resolutions of one file."""
    text = _conflicted_text(arguments)
    ranked = _ranked(text, load, settings.max_error)
    name = arguments.path or str(arguments.file or arguments.ours)
    if arguments.json:
        count = arguments.k or FOR_PROGRAMS
        print(json.dumps({"path": name, "conflicts": _conflicts(ranked, count)}, indent=2))
        return
    for one, offer in ranked:
        lines = _shown(offer, arguments.k or FOR_PEOPLE)
        print("\n".join([f"{visible(name)}:{one.line}", *lines]))
    if not ranked:
        print(f"{visible(name)}: no conflicts")


def _conflicted_text(arguments: Namespace) -> ConflictedText:
    if arguments.file is not None:
        files, refused = open_work_files([arguments.file])
        if refused:
            raise InputError(next(iter(refused.values())))
        return files[0].text
    versions = ThreeWay(arguments.base, arguments.ours, arguments.theirs)
    return merged_text(
        arguments.path or str(arguments.ours), versions.map(lambda path: decoded(path, read_bytes(path)))
    )


def merged_text(path: str, versions: ThreeWay[str]) -> ConflictedText:
    """The line merge of three versions."""
    from mergebert.git.line_merge import line_merge

    return ConflictedText(portable_name(Path(path)), unreconciled(line_merge(versions)), versions)


def _ranked(text: ConflictedText, load: Callable[[], Ranks], max_error: float) -> Ranking:
    """The open conflicts of one text with what is offered for each; without any no resolver is loaded."""
    conflicts = text.open_conflicts
    if not conflicts:
        return []
    from mergebert.ranking.offers import OpenMerge

    offers = noticed_offers(OpenMerge([text], load(), max_error), {})
    return [(one, offers[0, one.index]) for one in conflicts]


def _conflicts(ranked: Ranking, count: int) -> list[dict[str, object]]:
    return [conflict_json(one.index, offer, count) for one, offer in ranked]


def conflict_json(index: int, offer: RankedConflict, count: int) -> dict[str, object]:
    """One conflict and its best `count` candidates for programs; a base that is not known is null."""
    sides = offer.conflict.sides
    return {
        "index": index,
        "base": sides.base if offer.conflict.has_base else None,
        "ours": sides.ours,
        "theirs": sides.theirs,
        "accepted": offer.accepted,
        "candidates": [
            {
                "text": resolution.text,
                "confidence": round(resolution.confidence, 6),
                "pattern": resolution.pattern,
                "method": resolution.method,
            }
            for resolution in offer.resolutions[:count]
        ],
    }


def _shown(offer: RankedConflict, count: int) -> list[str]:
    """The candidates of one conflict for people."""
    lines: list[str] = []
    for number, resolution in enumerate(offer.resolutions[:count], start=1):
        sure = "  sure enough to apply" if offer.accepted and number == 1 else ""
        how = f"{resolution.pattern} ({resolution.method})"
        lines.append(f"  {number}. {percent(resolution.confidence):>5}  {how}{sure}")
        lines += [f"     | {line}" for line in shown_lines(resolution.text) or ["(nothing)"]]
    return lines or ["  no candidate"]


@dataclass(frozen=True, slots=True)
class Request:
    """One line of a batch: whose it is, and the file to merge or why it cannot be."""

    id: object
    path: str
    versions: ThreeWay[str] | None
    error: str = ""


def _run_batch(arguments: Namespace, settings: Settings) -> int:
    progress = Progress("files answered")
    with _batch_lines(arguments.batch) as lines:
        answers = batch(lines, load_resolver(settings), settings.max_error, arguments.k or FOR_PROGRAMS)
        for done, answer in enumerate(answers, start=1):
            print(json.dumps(answer), flush=True)
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
        yield file


def batch(
    lines: Iterable[bytes], resolver: Ranks, max_error: float, count: int
) -> Iterator[dict[str, object]]:
    """An answer for every line, in order; what is wrong with a line is said in its answer.

    git cuts the next files while the model ranks this one; only a few are held at a time.
    """
    with ThreadPoolExecutor(_CUTTERS) as cutters:
        for request, cutting in _cut_ahead(cutters, lines):
            yield _answer(
                request, cutting, lambda text: _conflicts(_ranked(text, lambda: resolver, max_error), count)
            )


def request_of(number: int, line: bytes) -> Request:
    """What a line of a batch asks for."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return Request(None, "", None, f"line {number} is not JSON in UTF-8.")
    if not isinstance(row, dict):
        return Request(None, "", None, f"line {number} is not a JSON object.")
    texts = [row.get(name) for name in ("base", "ours", "theirs")]
    path = row.get("path", "")
    if not all(isinstance(text, str) for text in [*texts, path]):
        return Request(row.get("id"), "", None, f"line {number}: path, base, ours and theirs must be texts.")
    base, ours, theirs = map(str, texts)
    return Request(row.get("id"), path, ThreeWay(base, ours, theirs))


def _cut_ahead(
    cutters: ThreadPoolExecutor, lines: Iterable[bytes]
) -> Iterator[tuple[Request, Future[ConflictedText] | None]]:
    """The requests in order, each with its file being cut; no answer waits for a line to be read."""
    queue = _read_ahead(lines)
    waiting: deque[tuple[Request, Future[ConflictedText] | None]] = deque()
    number, is_open = 0, True
    while is_open or waiting:
        while is_open and len(waiting) < _AHEAD and not (waiting and queue.empty()):
            line = queue.get()
            if isinstance(line, OSError):
                raise line
            is_open = line is not None
            if line is not None:
                number += 1
                request = request_of(number, line)
                waiting.append((request, _start(cutters, request)))
        if waiting:
            yield waiting.popleft()


def _read_ahead(lines: Iterable[bytes]) -> Queue[bytes | OSError | None]:
    """A few lines at a time, read by a thread of its own; ends with None or what went wrong."""
    queue: Queue[bytes | OSError | None] = Queue(_AHEAD)

    def read() -> None:
        try:
            for line in lines:
                queue.put(line)
            queue.put(None)
        except OSError as error:
            queue.put(error)

    Thread(target=read, daemon=True).start()
    return queue


def _start(cutters: ThreadPoolExecutor, request: Request) -> Future[ConflictedText] | None:
    return cutters.submit(merged_text, request.path, request.versions) if request.versions else None


def _answer(
    request: Request,
    cutting: Future[ConflictedText] | None,
    conflicts_of: Callable[[ConflictedText], Sequence[dict[str, object]]],
) -> dict[str, object]:
    if cutting is None:
        return {"id": request.id, "error": request.error}
    try:
        return {"id": request.id, "conflicts": conflicts_of(cutting.result())}
    except MergebertError as error:
        return {"id": request.id, "error": str(error)}


def _count(text: str) -> int:
    from argparse import ArgumentTypeError

    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
