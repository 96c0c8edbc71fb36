"""The worker process as the server sees it: started when it is needed, started again when it dies, gone at the end.

pygls' own JSON-RPC client was tried in its place: importing it costs the worker over a second before the first
suggestion, it never drains the worker's standard error, and watching over a life would have stayed here all the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mergebert_lsp.worker.messages import (
    MOST_BYTES,
    EditorText,
    RankingTask,
    WorkerSettings,
    decoded,
    encoded,
)

COMMAND = (sys.executable, "-P", "-m", "mergebert_lsp.worker.process")
# Seconds. A start or a model takes one to load, and many times that from a cold disk on a busy machine: the worker
# says when it is ready, so a limit this long delays nothing else.
LONGEST_LOAD = 60.0
# Otherwise it says twice a second how far it is; the longest pieces of work between two words, in files of several
# megabytes or with a thousand conflicts, take three.
LONGEST_SILENCE = 20.0
LONGEST_END = (
    5.0  # a process that was killed is gone at once, unless it waits for a disk that does not answer
)
MOST_DEATHS, WITHIN = 3, 4 * LONGEST_LOAD  # more deaths in so many seconds are no accident
_LOOKS = 20  # in the longest silence

logger = logging.getLogger(__name__)

GAVE_UP = (
    "The process that makes suggestions ended again and again and is left alone; conflicts are still shown. "
    "Restart the language server to try once more."
)
HUNG = "The process that makes suggestions did not answer any more and was started again."


class Supervisor:
    """Hands the newest state of the editor to a worker; what the worker says goes to `on_message`."""

    def __init__(
        self,
        on_message: Callable[[dict[str, Any]], None],
        complain: Callable[[str], None],
        command: Sequence[str] = COMMAND,
        longest_silence: float = LONGEST_SILENCE,
        longest_load: float = LONGEST_LOAD,
    ) -> None:
        self._on_message = on_message
        self._complain = complain
        self._command = command
        self._longest_silence = longest_silence
        self._longest_load = longest_load
        self._is_loading = True  # the worker or a model of it, as far as the worker has said
        self._texts: dict[str, EditorText] = {}  # everything the worker has to know, for the next one
        self._pending = RankingTask(0)
        self._is_pending = asyncio.Event()
        self.answered = 0  # the newest generation that was answered wholly
        self._silence = 0.0  # seconds for which the worker has owed an answer and said nothing
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        self._has_hung = False
        self._is_closed = False

    @property
    def generation(self) -> int:
        """The number of the newest task."""
        return self._pending.generation

    @property
    def is_busy(self) -> bool:
        """Whether the newest task is still unanswered."""
        return self.answered < self.generation

    def post(
        self,
        texts: dict[str, EditorText | None],
        settings: WorkerSettings,
        folders: Sequence[str] = (),
        saved: Sequence[str] = (),
    ) -> int:
        """Posts a new task, with these texts changed or saved; the generation that its answers will carry."""
        for uri, editor_text in texts.items():
            if editor_text is None:
                self._texts.pop(uri, None)
            else:
                self._texts[uri] = editor_text
        texts = {**self._pending.texts, **texts}
        saved = (*self._pending.saved, *saved)
        self._ask(RankingTask(self.generation + 1, texts, settings, tuple(folders), saved))
        return self.generation

    def halt(self) -> None:
        """Calls off what the worker is doing, until the next task."""
        self._ask(replace(self._pending, generation=self.generation + 1, is_halt=True))

    def close(self) -> None:
        """Ends the worker for good; what it owed counts as answered."""
        self._is_closed = True
        self.answered = self.generation
        self._is_pending.set()  # it is not called off: a process that asyncio has only begun to start is waited for in vain
        self._kill()

    async def ended(self) -> None:
        """Waits until a worker that was closed is gone."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=LONGEST_END)

    def _ask(self, task: RankingTask) -> None:
        self._pending = task
        self._is_pending.set()
        if self._is_closed:
            self.answered = self.generation
            return
        loop = asyncio.get_running_loop()
        if self._running is None:
            self._running = loop.create_task(self._run())
        elif self._running.done():  # given up: nobody must wait for an answer
            loop.call_soon(self._answer_nothing)

    def _answer_nothing(self) -> None:
        self.answered = self.generation
        self._on_message({"kind": "done", "generation": self.generation})

    async def _run(self) -> None:
        """Keeps a worker alive as long as it dies of accidents only; nobody waits for an answer after that."""
        try:
            while not self._has_given_up():
                await self._is_pending.wait()
                if not self._is_closed:
                    await self._live()
                if self._is_closed:
                    return
                self._deaths.append(time.monotonic())
                self._pending.texts = {**self._texts, **self._pending.texts}
                if self._texts or self.is_busy:  # a whole merge can be asked for without any text
                    self._is_pending.set()
            self._complain(GAVE_UP)
        except OSError as error:
            self._complain(f"The process that makes suggestions cannot be started: {error}.")
        finally:
            if not self._is_closed:
                self._answer_nothing()

    def _has_given_up(self) -> bool:
        return len(self._deaths) == MOST_DEATHS and time.monotonic() - self._deaths[0] < WITHIN

    async def _live(self) -> None:
        """One life of a worker."""
        # Not in the folder of the editor: that is the repository, and nothing there may be imported.
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=os.path.abspath(os.sep),
            limit=MOST_BYTES,
            start_new_session=True,  # with whatever git it runs, which may hang as well
        )
        if self._is_closed:
            self._kill()
        self._silence, self._is_loading = 0.0, True
        loop = asyncio.get_running_loop()
        beside = [loop.create_task(self._send(self._process)), loop.create_task(self._end_if_silent())]
        try:
            await self._receive(self._process)
        finally:
            for task in beside:
                task.cancel()
            self._kill()
            if self._process.stdin is not None:
                self._process.stdin.close()
            logger.info("The worker ended with %s", await self._process.wait())

    async def _end_if_silent(self) -> None:
        """Ends a worker that owes an answer and does not even say how far it is."""
        look = self._longest_silence / _LOOKS
        # Looks are counted, and not what a clock says: it goes on while both processes are stopped or the machine sleeps.
        while self._silence < (self._longest_load if self._is_loading else self._longest_silence):
            await asyncio.sleep(look)
            self._silence = self._silence + look if self.is_busy else 0.0
        if not self._has_hung:
            self._has_hung = True
            self._complain(HUNG)
        self._kill()

    async def _send(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        while True:
            await self._is_pending.wait()
            self._is_pending.clear()
            task = self._pending
            self._pending = replace(task, texts={}, saved=())
            try:
                process.stdin.write(encoded(task.to_json()))
                await process.stdin.drain()  # what comes meanwhile is one task
            except (BrokenPipeError, ConnectionResetError):
                return

    async def _receive(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while (message := decoded(await process.stdout.readline())) is not None:
                self._silence, self._is_loading = 0.0, message.get("kind") == "loading"
                self._take(message)
        except ValueError:  # no message of ours is that long
            return

    def _take(self, message: dict[str, Any]) -> None:
        """Hands a message on; one that cannot be shown must not end the watch over the worker."""
        try:
            if message.get("kind") == "done":
                self.answered = message["generation"]
            self._on_message(message)
        except (AttributeError, LookupError, TypeError, ValueError):
            logger.exception("What the worker says cannot be shown")

    def _kill(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError, PermissionError):  # it is gone already
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
