"""A real server ends by the signals that end a process, and with its editor; the worker goes with it, even a hanging one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from lsprotocol.types import LSPErrorCodes

from tests.conftest import Repository
from tests.lsp.editor import COMMAND, PACKAGES, PATIENCE, Editor, editor
from tests.lsp.server.test_handlers import TEXT, URI, children_of, is_running
from tests.lsp.server.test_protocol import framed, messages_of, request

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
    return framed(request(number, method, params))


def told(method: str, **params: Any) -> bytes:
    return framed({"jsonrpc": "2.0", "method": method, "params": params})


def opening(uri: str) -> bytes:
    document = {"uri": uri, "languageId": "python", "version": 1, "text": TEXT}
    return told("textDocument/didOpen", textDocument=document)


FILE = "file:///nowhere/a.py"  # of which git is asked first
ACCEPTED = {"uri": URI, "conflict": 1, "choice": "ours"}
ABLE = {"workspace": {"applyEdit": True, "codeLens": {"refreshSupport": True}}}
# The worker has not even started when these come in; the edit waits for an editor that does not answer.
PENDING = b"".join(
    [
        asked(1, "initialize", processId=None, capabilities=ABLE),
        opening(URI) + opening(FILE),
        asked(2, "workspace/executeCommand", command="mergebert.accept", arguments=[ACCEPTED]),
        asked(3, "workspace/executeCommand", command="mergebert.check", arguments=[{}]),
        asked(4, "textDocument/codeLens", textDocument={"uri": FILE}),
    ]
)
SHUTDOWN = framed(request(5, "shutdown", None))
EXIT = framed({"jsonrpc": "2.0", "method": "exit"})
CANCELLED = LSPErrorCodes.RequestCancelled.value


@pytest.mark.parametrize(
    ("end", "answers", "code"),
    [
        (SHUTDOWN + EXIT, {2: CANCELLED, 3: CANCELLED, 4: CANCELLED, 5: None}, 0),
        (SHUTDOWN, {2: CANCELLED, 3: CANCELLED, 4: CANCELLED, 5: None}, 0),
        (b"", {2: CANCELLED, 3: CANCELLED, 4: CANCELLED}, 1),
        (EXIT, {}, 1),
    ],
    ids=["shutdown and exit", "shutdown", "end of input", "exit"],
)
async def test_the_end_is_quiet_and_answers_what_waits(
    end: bytes, answers: dict[int, int | None], code: int
) -> None:
    with started(stderr=subprocess.PIPE) as one:
        output, errors = one.communicate(
            PENDING + end, timeout=PATIENCE
        )  # a worker would hold the streams open
    found = {message.get("id"): message for message in messages_of(output) if "method" not in message}
    del found[1]
    assert {number: message.get("error", {}).get("code") for number, message in found.items()} == answers
    assert found.get(5, {"result": None})["result"] is None
    assert errors == b""
    assert one.returncode == code


async def test_a_worker_that_is_only_being_started_ends_with_the_server() -> None:
    first = asked(1, "initialize", processId=None, capabilities=ABLE) + opening(FILE)
    with started(stderr=subprocess.PIPE) as one:
        _, errors = one.communicate(first, timeout=PATIENCE)
    assert errors == b""
    assert one.returncode == 1


async def test_the_end_of_an_editor_that_is_wholly_gone_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with started(stdout=writing, stderr=subprocess.PIPE) as one:
        os.close(writing)
        _, errors = one.communicate(PENDING, timeout=PATIENCE)
    assert errors == b""
    assert one.returncode == 1


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
        refused = 0  # times in a row: once it reads no more for seconds, it waits until it can write
        while refused < 30:
            try:
                one.stdin.flush()
                one.stdin.write(asked(2, "no/such"))
                refused = 0
                await asyncio.sleep(0.001)
            except BlockingIOError:
                refused += 1
                await asyncio.sleep(0.1)
        process.kill()
        process.wait()
        assert await asyncio.to_thread(one.wait, PATIENCE) == 1
        with suppress(BlockingIOError, BrokenPipeError):
            one.stdin.close()


@pytest.mark.parametrize("module", ["mergebert", "mergebert_lsp"])
async def test_a_folder_that_is_gone_is_no_obstacle_to_a_start(module: str, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    command = [sys.executable, "-m", module, "--version"]
    program = f"import os; os.rmdir({str(folder)!r}); os.execv({sys.executable!r}, {command!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


async def test_a_log_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    command = [*COMMAND, "--log", str(tmp_path / "nowhere" / "log")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(command, capture_output=True, env=environment, check=False, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("log cannot be written: No such file or directory; name another file.\n")
    assert done.stderr.count("\n") == 1
