"""The supervisor with workers made for the test: small programs that speak, die or do not start."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mergebert_lsp.server.supervisor import GAVE_UP, MOST_DEATHS, Supervisor
from mergebert_lsp.worker.wire import Source, Wishes
from tests.lsp.editor import PACKAGES

pytestmark = pytest.mark.asyncio

PRELUDE = f"""
import sys, os, time
sys.path[:0] = {PACKAGES!r}
from mergebert_lsp.worker.wire import framed, read_message
def send(message):
    sys.stdout.buffer.write(framed(message)); sys.stdout.buffer.flush()
"""
ECHO = PRELUDE + "while (task := read_message(sys.stdin.buffer)): send({'kind': 'done', **task})"
DIES = PRELUDE + "task = read_message(sys.stdin.buffer); os._exit(3)"
DIES_ONCE = PRELUDE + "\n".join(
    (
        "while (task := read_message(sys.stdin.buffer)):",
        "    if task['generation'] == 2 and not os.path.exists(MARK):",
        "        open(MARK, 'x').close(); os._exit(3)",
        "    send({'kind': 'done', **task})",
    )
)
NONSENSE = "print('hello, world'); import time; time.sleep(60)"
SLOW = PRELUDE + "\n".join(
    (
        "send({'kind': 'started'})",
        "time.sleep(0.5)",
        "while (task := read_message(sys.stdin.buffer)): send({'kind': 'done', **task})",
    )
)


class Heard:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    async def wait(self, wanted: Callable[[Heard], bool]) -> None:
        async with asyncio.timeout(60):
            while not wanted(self):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def supervised(program: str, command: tuple[str, ...] = ()) -> AsyncIterator[tuple[Supervisor, Heard]]:
    heard = Heard()
    made = Supervisor(
        heard.messages.append, heard.complaints.append, command or (sys.executable, "-c", program)
    )
    try:
        yield made, heard
    finally:
        made.close()
        await made.ended()


def source(text: str) -> Source:
    return Source(text, None, "a.py")


async def test_the_worker_gets_what_has_changed() -> None:
    async with supervised(ECHO) as (made, heard):
        assert made.process_id is None
        generation = made.post({"a": source("1"), "b": source("2")}, Wishes(suggestions=5), ["/f"])
        await heard.wait(lambda all_: len(all_.messages) == 1)
        made.post({"a": None}, Wishes(), saved=["b"])
        await heard.wait(lambda all_: len(all_.messages) == 2)

    first, second = heard.messages
    assert first["generation"] == generation == 1
    assert first["texts"]["a"]["text"] == "1"
    assert first["wishes"]["suggestions"] == 5
    assert first["folders"] == ["/f"]
    assert second["texts"] == {"a": None}
    assert (second["generation"], second["saved"]) == (2, ["b"])


async def test_questions_that_nobody_has_taken_are_one() -> None:
    async with supervised(SLOW) as (made, heard):
        for at in range(50):
            made.post({"a": source(str(at)), str(at): source("")}, Wishes())
        await heard.wait(lambda all_: any(one.get("generation") == 50 for one in all_.messages))

    done = [one for one in heard.messages if one["kind"] == "done"]
    assert len(done) <= 2
    assert done[-1]["texts"]["a"]["text"] == "49"


async def test_a_worker_that_dies_is_replaced_and_told_everything(tmp_path: Path) -> None:
    async with supervised(f"MARK = {str(tmp_path / 'mark')!r}\n{DIES_ONCE}") as (made, heard):
        made.post({"a": source("1")}, Wishes())
        await heard.wait(lambda all_: len(all_.messages) == 1)
        made.post({"b": source("2")}, Wishes())
        await heard.wait(lambda all_: len(all_.messages) == 2)

    assert {uri: one["text"] for uri, one in heard.messages[-1]["texts"].items()} == {"a": "1", "b": "2"}
    assert heard.complaints == []


@pytest.mark.parametrize("program", [DIES, NONSENSE])
async def test_a_worker_that_dies_again_and_again_is_given_up_with_one_message(program: str) -> None:
    async with supervised(program) as (made, heard):
        made.post({"a": source("1")}, Wishes())
        await heard.wait(lambda all_: bool(all_.complaints))
        made.post({"a": source("2")}, Wishes())
        await asyncio.sleep(0.1)

    assert heard.complaints == [GAVE_UP]
    assert heard.messages[0]["kind"] == "done"  # nobody waits for it
    assert made.generation > 1
    assert MOST_DEATHS > 1


async def test_a_worker_that_cannot_be_started_is_said_so_once() -> None:
    async with supervised("", ("/nowhere/python",)) as (made, heard):
        made.post({"a": source("1")}, Wishes())
        await heard.wait(lambda all_: bool(all_.complaints))

    assert "cannot be started" in heard.complaints[0]
    assert heard.messages[0]["kind"] == "done"


async def test_work_can_be_called_off_until_the_next_question() -> None:
    async with supervised(ECHO) as (made, heard):
        made.post({"a": source("1")}, Wishes())
        made.halt()
        made.post({"a": source("2")}, Wishes())
        await heard.wait(lambda all_: any(one["generation"] == 3 for one in all_.messages))
        made.halt()
        await heard.wait(lambda all_: any(one["generation"] == 4 for one in all_.messages))

    assert heard.messages[-2]["is_halt"] is False
    assert heard.messages[-1]["is_halt"] is True


async def test_nothing_is_started_once_it_is_closed() -> None:
    async with supervised(ECHO) as (made, _):
        made.close()
        made.post({"a": source("1")}, Wishes())
        await asyncio.sleep(0.05)
        assert made.process_id is None
