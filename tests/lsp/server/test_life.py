"""A real server ends by the signals that end a process, and with its editor; the worker goes with it, even a hanging one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from tests.lsp.editor import PATIENCE, Editor, editor
from tests.lsp.server.test_handlers import TEXT, URI, children_of, is_running

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("shipped_bundle")]

hangs = pytest.mark.parametrize("is_hanging", [False, True], ids=["works", "hangs"])


async def started_worker(one: Editor, is_hanging: bool) -> int:
    one.open(URI, TEXT)
    await one.settled(conflicts=3)
    [worker] = children_of(one)
    if is_hanging:
        os.kill(worker, signal.SIGSTOP)
    return worker


async def gone(*processes: int) -> None:
    for _ in range(PATIENCE * 10):
        if not any(map(is_running, processes)):
            return
        await asyncio.sleep(0.1)
    pytest.fail("a process is left")


@hangs
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_a_signal_ends_server_and_worker(number: signal.Signals, is_hanging: bool) -> None:
    if number == signal.SIGKILL and is_hanging and sys.platform != "linux":
        pytest.skip("no system but Linux ends a child with its parent")
    async with editor() as one:
        worker = await started_worker(one, is_hanging)
        server = one.client._server
        assert server is not None
        os.kill(server.pid, number)
        one.client._stop_event.set()
        assert await asyncio.wait_for(server.wait(), PATIENCE) == -number
        await gone(server.pid, worker)
        one.client.error = RuntimeError("ended by the test")


@hangs
async def test_the_end_of_the_input_ends_server_and_worker(is_hanging: bool) -> None:
    async with editor() as one:
        worker = await started_worker(one, is_hanging)
        server = one.client._server
        assert server is not None
        assert server.stdin is not None
        one.client._stop_event.set()
        server.stdin.close()
        assert await asyncio.wait_for(server.wait(), PATIENCE) == 1
        await gone(server.pid, worker)
        one.client.error = RuntimeError("ended by the test")


async def test_the_end_of_the_editor_ends_server_and_worker_while_its_streams_are_open() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        async with editor(process=process.pid) as one:
            worker = await started_worker(one, is_hanging=True)
            server = one.client._server
            assert server is not None
            process.kill()
            process.wait()
            one.client._stop_event.set()
            assert await asyncio.wait_for(server.wait(), PATIENCE) == 1
            await gone(server.pid, worker)
            one.client.error = RuntimeError("ended by the test")


async def test_a_process_that_was_never_there_tells_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    async with editor(process=process.pid) as one:
        await asyncio.sleep(0.5)
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
