"""A real server ends by the signals that end a process, and with its editor; the worker goes with it, even a hanging one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository
from tests.lsp.editor import COMMAND, PACKAGES, PATIENCE, Editor, editor
from tests.lsp.server.test_handlers import TEXT, URI, children_of, is_running
from tests.lsp.test_fuzz_protocol import framed

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


async def test_a_git_that_hangs_ends_with_the_server(repository: Repository) -> None:
    repository.diverge(*({"a.py": f"x = {at}\n"} for at in range(3)))
    repository.run("merge", "theirs")
    repository.write({".gitattributes": "*.py filter=slow\n"})
    waiting = f"sleep 600.{os.getpid()}"
    repository.git("config", "filter.slow.smudge", waiting)
    async with editor(folder=repository.path) as one:
        one.open((repository.path / "a.py").as_uri(), repository.read("a.py").decode())
        while not running(waiting):
            await asyncio.sleep(0.1)
    for _ in range(PATIENCE * 10):
        if not running(waiting):
            return
        await asyncio.sleep(0.1)
    pytest.fail("git is left")


def running(command: str) -> bool:
    listed = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, check=True, text=True)
    return command in listed.stdout.split("\n")


async def test_a_process_that_was_never_there_tells_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    async with editor(process=process.pid) as one:
        await asyncio.sleep(0.5)
        one.open(URI, TEXT)
        await one.settled(conflicts=3)


@contextmanager
def started(**streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose output nobody reads."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **streams}
    with subprocess.Popen(COMMAND, env=environment, **streams) as one:
        try:
            yield one
        finally:
            one.kill()


def asked(number: int, method: str, **params: Any) -> bytes:
    return framed(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())


async def test_errors_that_nobody_reads_do_not_stop_the_server() -> None:
    with started(stderr=subprocess.PIPE) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        one.stdin.write(framed(b"{") * 400 + asked(1, "initialize", processId=None, capabilities={}))
        one.stdin.write(asked(2, "no/such"))  # whose answer ends the line of the one before
        one.stdin.flush()
        reading = asyncio.to_thread(
            lambda: next(line for line in one.stdout or () if b"capabilities" in line)
        )
        assert await asyncio.wait_for(reading, PATIENCE)


async def test_the_end_of_the_editor_ends_a_server_that_waits_for_a_reader() -> None:
    with subprocess.Popen(["sleep", "600"]) as process, started() as one:
        assert one.stdin is not None
        os.set_blocking(one.stdin.fileno(), False)
        one.stdin.write(asked(1, "initialize", processId=process.pid, capabilities={}))
        with suppress(BlockingIOError):  # then it reads no more, for it waits until it can write
            while True:
                one.stdin.write(asked(2, "no/such"))
                one.stdin.flush()
                await asyncio.sleep(0.001)
        process.kill()
        process.wait()
        assert await asyncio.to_thread(one.wait, PATIENCE) == 1
        with suppress(BlockingIOError, BrokenPipeError):
            one.stdin.close()


async def test_a_log_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    command = [*COMMAND, "--log", str(tmp_path / "nowhere" / "log")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(command, capture_output=True, env=environment, check=False, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("log cannot be written: No such file or directory; name another file.\n")
    assert done.stderr.count("\n") == 1
