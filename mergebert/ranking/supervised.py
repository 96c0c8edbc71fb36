"""A resolver in a process of its own, which may crash, hang or run out of memory without its user's process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Container, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from mergebert.errors import MergebertError, ModelBundleError
from mergebert.ranking.bundle import default_bundle_path
from mergebert.ranking.evidence import ConflictKey, FileMerge
from mergebert.ranking.limits import MEMORY, limit_memory
from mergebert.ranking.resolution import RankedConflict
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets

SECONDS_A_CONFLICT = 1.0  # ten times what one takes; large files need as much to be read and parsed
CHARACTERS_A_SECOND = 50_000
MOST_FAILURES = 3  # after which the bundle is not tried again

_PROCESSES = get_context("spawn") if sys.platform == "win32" else get_context("fork")


class SupervisedResolver:
    """Ranks as a Resolver does, and raises ModelBundleError where its process died or took too long."""

    def __init__(self, bundle: Path | None, patience: float, threads: int = 1) -> None:
        """Loads the bundle at this path, or the shipped one; `patience`: seconds for that, and for a rank beside what
        its size takes.
        """
        self._bundle = bundle
        self._name = bundle or default_bundle_path()
        self._patience = patience
        self._threads = threads
        self._failures = 0
        self._connection: Connection | None = None
        self._start()

    def rank(
        self,
        files: Sequence[FileMerge],
        budgets: ErrorBudgets = USUAL_BUDGETS,
        answers: Mapping[ConflictKey, str] | None = None,
        wanted: Container[ConflictKey] | None = None,
    ) -> list[list[RankedConflict]]:
        """As of Resolver."""
        if self._connection is None:
            if self._failures == MOST_FAILURES:
                raise ModelBundleError(f"{self._name} failed {MOST_FAILURES} times and is not tried again.")
            self._start()
        seconds = self._patience + sum(map(_seconds_of, files))
        return self._response((seconds, tuple(files), budgets, dict(answers or {}), wanted), seconds)

    def _start(self) -> None:
        ours, theirs = _PROCESSES.Pipe()
        self._connection = ours
        self._process = _PROCESSES.Process(
            target=_serve, args=(theirs, ours, self._bundle, self._threads, self._patience), daemon=True
        )
        self._process.start()
        theirs.close()
        self._response(None, self._patience)

    def _response(self, request: object, seconds: float) -> list[list[RankedConflict]]:
        """What the process sends back: to a request, or after loading the bundle."""
        connection = self._connection
        assert connection is not None
        found: object = None
        try:
            if request is not None:
                connection.send(request)
            if connection.poll(seconds + 1):  # its own timer rings first
                found = connection.recv()
        except (EOFError, ConnectionError):
            pass
        if isinstance(found, list):
            return found
        raise self._end(seconds, found if isinstance(found, MergebertError) else None)

    def _end(self, seconds: float, reason: MergebertError | None) -> MergebertError:
        """Ends the process; the error that says why it sent no response."""
        self._process.join(1)
        self._process.kill()
        self._process.join()
        self._connection = None
        self._failures += 1
        if reason is not None:
            return reason
        code = self._process.exitcode
        if code in (-signal.SIGKILL, -getattr(signal, "SIGALRM", 0)):
            return ModelBundleError(
                f"{self._name} took longer than {seconds:g} seconds and was stopped; "
                "raise mergebert.timeout, or try it with `mergebert model verify`."
            )
        return ModelBundleError(
            f"{self._name} made its process crash ({_end_of(code)}); try it with `mergebert model verify`."
        )


def _seconds_of(file: FileMerge) -> float:
    size = sum(len(str(part)) for part in file.merged.parts)
    return SECONDS_A_CONFLICT * len(file.merged.conflicts) + size / CHARACTERS_A_SECOND


def _end_of(code: int | None) -> str:
    return f"signal {-code}" if code and code < 0 else f"exit code {code}"


def _serve(
    connection: Connection, parents: Connection, bundle: Path | None, threads: int, patience: float
) -> None:
    """Loads the bundle and ranks until the parent is gone; says why where it cannot."""
    parents.close()  # or the end of the parent would not be seen
    _prepare_process()
    name = bundle or default_bundle_path()
    try:
        _ring_after(patience)
        _rank_all(connection, bundle, threads)
    except EOFError:
        return
    except MergebertError as error:
        connection.send(error)
    except MemoryError:
        connection.send(
            ModelBundleError(
                f"{name} takes more than {MEMORY // 1_000_000} MB; name smaller files, or another bundle."
            )
        )
    except BaseException as error:
        reason = str(error).partition("\n")[0]
        what = f"{name} could not be used ({type(error).__name__}: {reason}); install the bundle again."
        connection.send(ModelBundleError(what))
        raise


def _rank_all(connection: Connection, bundle: Path | None, threads: int) -> None:
    from mergebert.ranking.resolver import Resolver

    resolver = Resolver.load(bundle, threads)
    connection.send([])
    while True:
        _ring_after(0)
        seconds, *request = connection.recv()
        _ring_after(seconds)
        connection.send(resolver.rank(*request))


def _prepare_process() -> None:
    """Leaves the terminal to the parent: it hears Ctrl-C and speaks, libraries that crash do not."""
    limit_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _ring_after(seconds: float) -> None:
    """Lets the system end this process then, even in a computation that never returns to Python; 0 takes it back."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
