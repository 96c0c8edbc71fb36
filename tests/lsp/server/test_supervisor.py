"""The supervisor with workers made for the test: small programs that speak, die or do not start."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mergebert_lsp.server.session import Session, SessionEvents
from mergebert_lsp.server.supervisor import GAVE_UP, HUNG, MOST_DEATHS, Supervisor
from mergebert_lsp.worker.messages import EditorText, WorkerSettings
from mergebert_lsp.worker.process import OUT_OF_MEMORY
from tests.lsp.editor import PACKAGES

pytestmark = pytest.mark.asyncio

PRELUDE = f"""
import sys, os, time
sys.path[:0] = {PACKAGES!r}
from mergebert_lsp.worker.messages import decoded, encoded
def send(message):
    sys.stdout.buffer.write(encoded(message)); sys.stdout.buffer.flush()
def read():
    return decoded(sys.stdin.buffer.readline())
"""
ECHO = PRELUDE + "while (task := read()): send({'kind': 'done', **task})"
DIES = PRELUDE + "task = read(); os._exit(3)"
DIES_ONCE = PRELUDE + "\n".join(
    (
        "while (task := read()):",
        "    if task['generation'] == 2 and not os.path.exists(MARK):",
        "        open(MARK, 'x').close(); os._exit(3)",
        "    send({'kind': 'done', **task})",
    )
)
DIES_FIRST = PRELUDE + "\n".join(
    (
        "while (task := read()):",
        "    if not os.path.exists(MARK):",
        "        open(MARK, 'x').close(); os._exit(3)",
        "    send({'kind': 'done', **task})",
    )
)
READY_AND_HANGS = PRELUDE + "send({'kind': 'ready'}); time.sleep(600)"
HANGS_WHILE_LOADING = PRELUDE + "send({'kind': 'ready'}); read(); send({'kind': 'loading'}); time.sleep(600)"
LOADS = PRELUDE + "\n".join(
    (
        "time.sleep(2)",  # as long as a start takes
        "send({'kind': 'ready'})",
        "while (task := read()):",
        "    send({'kind': 'loading'}); time.sleep(2); send({'kind': 'ready'})",
        "    send({'kind': 'done', **task})",
    )
)
NO_MEMORY = """
from mergebert.ranking import limits
from mergebert_lsp.worker import process
process.Ranking.reports = lambda self: iter([bytearray(2 * limits.MEMORY)])
process.main()
"""
HANGS_FIRST = DIES_FIRST.replace("os._exit(3)", "time.sleep(600)")
HANGS = ("sleep", "600")  # no interpreter to start, which takes its time on a busy machine
BUSY = PRELUDE + "\n".join(
    (
        "while (task := read()):",
        "    for at in range(8): time.sleep(0.15); send({'kind': 'progress', 'done': at, 'of': 8})",
        "    send({'kind': 'done', **task})",
    )
)
NONSENSE = "print('hello, world'); import time; time.sleep(60)"
SLOW = PRELUDE + "\n".join(
    (
        "send({'kind': 'started'})",
        "time.sleep(0.5)",
        "while (task := read()): send({'kind': 'done', **task})",
    )
)


class Received:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    async def wait(self, wanted: Callable[[Received], bool]) -> None:
        while not wanted(self):  # pytest's own limit is the only one: how long a start takes is not tested
            await asyncio.sleep(0.01)


@asynccontextmanager
async def supervised(
    program: str, command: tuple[str, ...] = (), longest_silence: float = 60, longest_load: float = 60
) -> AsyncIterator[tuple[Supervisor, Received]]:
    received = Received()
    made = Supervisor(
        received.messages.append,
        received.complaints.append,
        command or (sys.executable, "-c", program),
        longest_silence,
        longest_load,
    )
    try:
        yield made, received
    finally:
        made.close()
        await made.ended()


def editor_text(text: str) -> EditorText:
    return EditorText(text, None, "a.py")


async def test_the_worker_gets_what_has_changed() -> None:
    async with supervised(ECHO) as (made, received):
        generation = made.post(
            {"a": editor_text("1"), "b": editor_text("2")}, WorkerSettings(suggestions=5), ["/f"]
        )
        await received.wait(lambda all_: len(all_.messages) == 1)
        made.post({"a": None}, WorkerSettings(), saved=["b"])
        await received.wait(lambda all_: len(all_.messages) == 2)

    first, second = received.messages
    assert first["generation"] == generation == 1
    assert first["texts"]["a"]["text"] == "1"
    assert first["settings"]["suggestions"] == 5
    assert first["folders"] == ["/f"]
    assert second["texts"] == {"a": None}
    assert (second["generation"], second["saved"]) == (2, ["b"])


async def test_questions_that_nobody_has_taken_are_one() -> None:
    async with supervised(SLOW) as (made, received):
        for at in range(50):
            made.post({"a": editor_text(str(at)), str(at): editor_text("")}, WorkerSettings())
        await received.wait(lambda all_: any(one.get("generation") == 50 for one in all_.messages))

    done = [one for one in received.messages if one["kind"] == "done"]
    assert len(done) <= 2
    assert done[-1]["texts"]["a"]["text"] == "49"


async def test_a_worker_that_dies_is_replaced_and_told_everything(tmp_path: Path) -> None:
    async with supervised(f"MARK = {str(tmp_path / 'mark')!r}\n{DIES_ONCE}") as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: len(all_.messages) == 1)
        made.post({"b": editor_text("2")}, WorkerSettings())
        await received.wait(lambda all_: len(all_.messages) == 2)

    assert {uri: one["text"] for uri, one in received.messages[-1]["texts"].items()} == {"a": "1", "b": "2"}
    assert received.complaints == []


@pytest.mark.parametrize("program", [DIES, NONSENSE])
async def test_a_worker_that_dies_again_and_again_is_given_up_with_one_message(program: str) -> None:
    async with supervised(program) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.complaints))
        made.post({"a": editor_text("2")}, WorkerSettings())
        await asyncio.sleep(0.1)

    assert received.complaints == [GAVE_UP]
    assert received.messages[0]["kind"] == "done"  # nobody waits for it
    assert made.generation > 1
    assert MOST_DEATHS > 1


async def test_a_whole_merge_without_texts_is_asked_for_again_when_the_worker_dies(tmp_path: Path) -> None:
    async with supervised(f"MARK = {str(tmp_path / 'mark')!r}\n{DIES_FIRST}") as (made, received):
        made.post({}, WorkerSettings(), ["/f"])
        await received.wait(lambda all_: bool(all_.messages))

    assert received.messages[0]["folders"] == ["/f"]
    assert received.complaints == []


async def test_nobody_waits_for_a_worker_that_was_given_up() -> None:
    async with supervised(DIES) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.complaints))
        generation = made.post({"a": editor_text("2")}, WorkerSettings())
        await received.wait(lambda all_: all_.messages[-1]["generation"] == generation)

    assert not made.is_busy


async def test_a_worker_that_hangs_is_replaced_and_told_everything(tmp_path: Path) -> None:
    program = f"MARK = {str(tmp_path / 'mark')!r}\n{HANGS_FIRST}"
    async with supervised(program, longest_load=4) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings(suggestions=5))
        await received.wait(lambda all_: bool(all_.messages))

    assert received.messages[0]["texts"]["a"]["text"] == "1"
    assert received.messages[0]["settings"]["suggestions"] == 5
    assert received.complaints == [HUNG]


async def test_a_worker_that_hangs_again_and_again_is_given_up() -> None:
    async with supervised("", HANGS, longest_silence=0.2, longest_load=0.2) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.messages))

    assert received.complaints == [HUNG, GAVE_UP]


async def test_a_worker_that_says_how_far_it_is_is_left_alone() -> None:
    async with supervised(BUSY, longest_silence=5) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: not made.is_busy)
        made._longest_silence = 0.8
        await asyncio.sleep(1)  # nothing is owed
        made.post({"a": editor_text("2")}, WorkerSettings())
        await received.wait(lambda all_: not made.is_busy)

    assert [one["generation"] for one in received.messages if one["kind"] == "done"] == [1, 2]
    assert received.complaints == []


async def test_a_worker_may_take_long_to_start_and_to_load() -> None:
    async with supervised(LOADS, longest_silence=1) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: not made.is_busy)

    assert [one["kind"] for one in received.messages] == ["ready", "loading", "ready", "done"]
    assert received.complaints == []


async def test_a_worker_that_started_and_says_nothing_hangs() -> None:
    async with supervised(READY_AND_HANGS, longest_silence=0.5, longest_load=600) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.complaints))

    assert received.complaints == [HUNG]


async def test_a_worker_whose_model_never_loads_hangs() -> None:
    async with supervised(HANGS_WHILE_LOADING, longest_silence=600, longest_load=3) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.complaints))

    assert received.complaints == [HUNG]


async def test_while_the_server_stands_still_nobody_is_silent() -> None:
    async with supervised(SLOW, longest_silence=2) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.messages))
        assert made._process is not None
        os.kill(made._process.pid, signal.SIGSTOP)  # both are stopped, or the machine sleeps
        time.sleep(4)
        os.kill(made._process.pid, signal.SIGCONT)
        await received.wait(lambda all_: not made.is_busy)

    assert received.complaints == []


async def test_a_worker_without_memory_says_so_and_is_given_up() -> None:
    program = f"import sys\nsys.path[:0] = {PACKAGES!r}\n{NO_MEMORY}"
    async with supervised(program) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.complaints))

    said = [one["message"] for one in received.messages if one["kind"] == "problem"]
    assert said == [OUT_OF_MEMORY] * MOST_DEATHS
    assert received.complaints == [GAVE_UP]
    assert received.messages[-1]["kind"] == "done"


async def test_a_message_that_cannot_be_shown_does_not_end_the_watch() -> None:
    found: list[int] = []

    def show(message: dict[str, Any]) -> None:
        found.append(message["generation"])
        if message["generation"] == 1:
            raise UnicodeEncodeError("utf-8", "\udce9", 0, 1, "as of a name that is not UTF-8")

    made = Supervisor(show, [].append, (sys.executable, "-c", ECHO))
    try:
        for generation in (1, 2):
            made.post({"a": editor_text("1")}, WorkerSettings())
            while made.answered < generation:
                await asyncio.sleep(0.01)
    finally:
        made.close()
        await made.ended()

    assert found == [1, 2]


async def test_a_worker_that_cannot_be_started_is_said_so_once() -> None:
    async with supervised("", ("/nowhere/python",)) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        await received.wait(lambda all_: bool(all_.complaints))

    assert "cannot be started" in received.complaints[0]
    assert received.messages[0]["kind"] == "done"


async def test_work_can_be_called_off_until_the_next_question() -> None:
    async with supervised(ECHO) as (made, received):
        made.post({"a": editor_text("1")}, WorkerSettings())
        made.halt()
        made.post({"a": editor_text("2")}, WorkerSettings())
        await received.wait(lambda all_: any(one["generation"] == 3 for one in all_.messages))
        made.halt()
        await received.wait(lambda all_: any(one["generation"] == 4 for one in all_.messages))

    assert received.messages[-2]["is_halt"] is False
    assert received.messages[-1]["is_halt"] is True


async def test_nothing_is_started_once_it_is_closed() -> None:
    async with supervised(ECHO) as (made, _):
        made.close()
        made.post({"a": editor_text("1")}, WorkerSettings())
        await asyncio.sleep(0.05)
        assert not made._running


async def test_what_waits_is_answered_by_the_end() -> None:
    session = Session(SessionEvents(*[lambda *_: None] * 7))  # type: ignore[arg-type]
    session.supervisor = Supervisor([].append, [].append, HANGS)
    waiting = asyncio.gather(session.settled(session.ask_whole()))
    await asyncio.sleep(0)
    session.close()
    await waiting
    await session.settled(session.ask_whole())
    await session.supervisor.ended()
