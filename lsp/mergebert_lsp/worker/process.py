"""The process that asks the model: one task at a time, always the newest, and never in the way of the editor.

It lives as long as its standard input; what it was doing is called off when a newer task comes in.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
from threading import Condition, Thread
from typing import Any, BinaryIO

from mergebert.errors import MergebertError
from mergebert.ranking.limits import MEMORY, limit_memory
from mergebert_lsp.worker.messages import RankingTask, StaleError, decoded, encoded, task_of
from mergebert_lsp.worker.ranking import Ranking

OUT_OF_MEMORY = (
    f"Suggestions took more than {MEMORY // 1_000_000} MB of memory and were stopped; close large files, or name "
    "another bundle in mergebert.bundle."
)
BETWEEN_LOOKS = 1.0  # seconds without a task after which it is looked whether the last answers still hold
QUIET = 0.2  # seconds without an edit before what is far from it is looked at
PATIENCE = 0.5  # seconds before progress is worth a message, and between two of them

_PR_SET_PDEATHSIG = 1  # prctl(2)

logger = logging.getLogger(__name__)


class Inbox:
    """Tasks as they come in, those that nobody has taken yet made one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: RankingTask | None = None
        self._changed = Condition()

    def start(self) -> None:
        """Reads tasks from now on; the process ends with its input, whatever it is doing."""
        Thread(target=self._read, daemon=True).start()

    def take(self) -> RankingTask:
        """The newest task, once there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None)
            task, self._waiting = self._waiting, None
        assert task is not None
        return task

    def is_coming(self, seconds: float) -> bool:
        """Whether a task comes within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting is not None, seconds)

    @property
    def is_waiting(self) -> bool:
        """Whether there is a task that nobody has taken."""
        return self._waiting is not None

    def _read(self) -> None:
        try:
            self._read_all()
        finally:  # whatever ends it: without it no task would come any more, and nobody would know
            os._exit(0)

    def _read_all(self) -> None:
        while (message := decoded(self._stream.readline())) is not None:
            task = task_of(message)
            with self._changed:
                if self._waiting is not None:
                    task.texts = {**self._waiting.texts, **task.texts}
                    task.saved = (*self._waiting.saved, *task.saved)
                self._waiting = task
                self._changed.notify()


class Outbox:
    """Messages to the server, each with the generation it answers."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.generation = 0

    def send(self, message: dict[str, Any]) -> None:
        """Sends one message at once."""
        self._stream.write(encoded({"generation": self.generation, **message}))
        self._stream.flush()

    def tell(self, kind: str) -> None:
        """Sends a message that says no more than its kind."""
        self.send({"kind": kind})


class Worker:
    """Takes tasks and answers them."""

    def __init__(self, inbox: Inbox, outbox: Outbox) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._next_word = 0.0
        self._is_halted = True  # there is nothing to do yet
        self._ranking = Ranking(self._check, self._settle, outbox.tell)

    def run(self) -> None:
        """Works until there is no memory left: a process that begins anew holds nothing yet."""
        self._outbox.tell("ready")
        try:
            while True:
                task = self._next_task()
                self._outbox.generation = task.generation
                self._ranking.take(task)
                self._is_halted = task.is_halt
                self._answer()
        except MemoryError:
            self._outbox.send({"kind": "problem", "message": OUT_OF_MEMORY})

    def _next_task(self) -> RankingTask:
        """The next task; until it comes, what was answered is answered again where it is no longer right."""
        while not self._inbox.is_coming(BETWEEN_LOOKS):
            if self._ranking.is_outdated and not self._is_halted:
                self._answer()
        return self._inbox.take()

    def _answer(self) -> None:
        """Sends what is offered for every text, unless a newer task comes in."""
        self._next_word = time.monotonic() + PATIENCE
        try:
            for report in () if self._is_halted else self._ranking.reports():
                self._outbox.send(report)
        except StaleError:
            return
        except MemoryError:
            raise
        except MergebertError as error:
            self._outbox.send({"kind": "problem", "message": str(error)})
        except Exception as error:
            logger.exception("A task could not be done")
            self._outbox.send({"kind": "problem", "message": _apology(error)})
        self._outbox.send({"kind": "done", "others": self._ranking.others})

    def _settle(self) -> None:
        if self._inbox.is_coming(QUIET):
            raise StaleError

    def _check(self, done: int, of: int) -> None:
        if self._inbox.is_waiting:
            raise StaleError
        now = time.monotonic()
        if now >= self._next_word:  # even with nothing to count: a worker that is silent is replaced
            self._next_word = now + PATIENCE
            self._outbox.send({"kind": "progress", "done": done, "of": of})


def main() -> None:
    """Runs the worker on the standard streams."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at once and without a traceback
    _die_with_parent()
    limit_memory()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get between the messages
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    inbox = Inbox(sys.stdin.buffer)
    inbox.start()
    Worker(inbox, Outbox(answers)).run()
    os._exit(1)  # at once: threads of libraries may hang without memory


def _die_with_parent() -> None:
    """Has Linux end this process with the one that started it, even where it hangs and reads no end of input."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _apology(error: Exception) -> str:
    kind = type(error).__name__
    return f"A suggestion could not be made ({kind}: {error}); the conflicts stay marked. Please report it."


if __name__ == "__main__":
    main()
