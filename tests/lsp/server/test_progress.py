from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from mergebert_lsp.server.progress import RankingProgress

pytestmark = pytest.mark.asyncio


class Bars:
    """The bars of an editor that may take its time to make one."""

    def __init__(self) -> None:
        self.tokens: dict[str, Future[None]] = {}
        self.said: list[str] = []
        self.is_ready = asyncio.Event()

    async def create_async(self, token: str) -> None:
        await self.is_ready.wait()
        self.tokens[token] = Future()

    def begin(self, token: str, value: Any) -> None:
        self.said.append(value.title)

    def report(self, token: str, value: Any) -> None:
        self.said.append(f"{value.message} ({value.percentage} %)")

    def end(self, token: str, value: Any) -> None:
        self.said.append("end")


def progress_in(bars: Bars, halted: list[bool], shows_progress: bool = True) -> RankingProgress:
    server = SimpleNamespace(work_done_progress=bars)
    return RankingProgress(server, lambda: shows_progress, lambda: halted.append(True))  # type: ignore[arg-type]


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_long_work_has_one_bar() -> None:
    bars, halted = Bars(), list[bool]()
    bars.is_ready.set()
    progress = progress_in(bars, halted)
    progress.report(1, 200)
    await turn()
    progress.report(50, 200)
    progress.end()
    progress.end()
    assert bars.said == ["Ranking 200 conflicts", "50 of 200 (25 %)", "end"]
    assert bars.tokens == {}
    assert halted == []


async def test_a_person_may_cancel() -> None:
    bars, halted = Bars(), list[bool]()
    bars.is_ready.set()
    progress = progress_in(bars, halted)
    progress.report(1, 200)
    await turn()
    [future] = bars.tokens.values()
    future.cancel()
    assert halted == [True]


async def test_work_that_is_done_before_the_bar_is_there_has_none() -> None:
    bars, halted = Bars(), list[bool]()
    progress = progress_in(bars, halted)
    progress.report(1, 200)
    await turn()
    progress.end()
    bars.is_ready.set()
    await turn()
    assert bars.said == []
    assert bars.tokens == {}


async def test_there_is_none_where_the_editor_shows_none() -> None:
    bars, halted = Bars(), list[bool]()
    bars.is_ready.set()
    progress = progress_in(bars, halted, shows_progress=False)
    progress.report(1, 200)
    await turn()
    progress.end()
    assert bars.said == []
