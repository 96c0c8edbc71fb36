"""The worker process as the server sees it: started when it is needed, started again when it dies, gone at the end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mergebert_lsp.worker.wire import Source, Task, Wishes, framed, message_of, size_of

COMMAND = (sys.executable, "-P", "-m", "mergebert_lsp.worker.loop")
MOST_DEATHS, WITHIN = 3, 60.0  # more deaths in so many seconds are no accident
LIMIT = 1 << 16  # of the line that leads a message

logger = logging.getLogger(__name__)

GAVE_UP = (
    "The process that makes suggestions ended again and again and is left alone; conflicts are still shown. "
    "Restart the language server to try once more."
)


class Supervisor:
    """Hands the newest state of the editor to a worker; what the worker says goes to `hear`."""

    def __init__(
        self,
        hear: Callable[[dict[str, Any]], None],
        complain: Callable[[str], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._hear = hear
        self._complain = complain
        self._command = command
        self._texts: dict[str, Source] = {}  # everything the worker has to know, for the next one
        self._pending = Task(0)
        self._is_pending = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        self._is_closed = False

    @property
    def generation(self) -> int:
        """The number of the newest question."""
        return self._pending.generation

    @property
    def process_id(self) -> int | None:
        """The worker that is running, if one is."""
        return self._process.pid if self._process else None

    def post(
        self,
        texts: dict[str, Source | None],
        wishes: Wishes,
        folders: Sequence[str] = (),
        saved: Sequence[str] = (),
    ) -> int:
        """Asks anew, with these texts changed or saved; the generation that the answers will carry."""
        for uri, source in texts.items():
            if source is None:
                self._texts.pop(uri, None)
            else:
                self._texts[uri] = source
        self._pending = Task(
            self.generation + 1,
            {**self._pending.texts, **texts},
            wishes,
            tuple(folders),
            (*self._pending.saved, *saved),
        )
        self._go()
        return self.generation

    def halt(self) -> None:
        """Calls off what the worker is doing, until the next question."""
        self._pending = replace(self._pending, generation=self.generation + 1, is_halt=True)
        self._go()

    def close(self) -> None:
        """Ends the worker for good."""
        self._is_closed = True
        if self._running is not None:
            self._running.cancel()
        self._kill()

    async def ended(self) -> None:
        """Waits until a worker that was closed is gone."""
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    def _go(self) -> None:
        self._is_pending.set()
        if self._running is None and not self._is_closed:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Keeps a worker alive as long as it dies of accidents only."""
        try:
            while not self._has_given_up():
                await self._is_pending.wait()
                await self._live()
                self._deaths.append(time.monotonic())
                self._pending.texts = {**self._texts, **self._pending.texts}
                if self._texts:
                    self._is_pending.set()
            self._complain(GAVE_UP)
            self._hear({"kind": "done", "generation": self.generation})
        except OSError as error:
            self._complain(f"The process that makes suggestions cannot be started: {error}.")
            self._hear({"kind": "done", "generation": self.generation})

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
            limit=LIMIT,
        )
        sending = asyncio.get_running_loop().create_task(self._send(self._process))
        try:
            await self._receive(self._process)
        finally:
            sending.cancel()
            self._kill()
            if self._process.stdin is not None:
                self._process.stdin.close()
            logger.info("The worker ended with %s", await self._process.wait())

    async def _send(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        while True:
            await self._is_pending.wait()
            self._is_pending.clear()
            task = self._pending
            self._pending = replace(task, texts={}, saved=())
            try:
                process.stdin.write(framed(task.to_json()))
                await process.stdin.drain()  # what comes meanwhile is one task
            except (BrokenPipeError, ConnectionResetError):
                return

    async def _receive(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while size := size_of(await process.stdout.readline()):
                self._hear(message_of(await process.stdout.readexactly(size)))
        except (asyncio.IncompleteReadError, ValueError):
            return

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                return
