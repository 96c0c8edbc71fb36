"""The local engine: blocks over the processes of one machine, resumed where they stopped."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from mergebert.errors import DatasetError
from mergebert_data.mine.block import Progress, mine_block
from mergebert_data.mine.plan import Block, Plan, Settings


def mined(plan: Plan, settings: Settings) -> Iterator[Progress]:
    """Mines every block that has no shard yet, reporting each; ends early when the minutes are over."""
    deadline = None if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    todo = []
    for block in plan.blocks:
        if block.shard.exists():
            yield Progress(block.count, was_done=True)
        else:
            todo.append(block)
    yield from over_processes(todo, settings.jobs, deadline)


def over_processes(
    todo: Sequence[Block],
    jobs: int,
    deadline: float | None = None,
    work: Callable[[Block], Progress] = mine_block,
) -> Iterator[Progress]:
    """Works on blocks over processes, never more of them handed out than are worked on soon."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _end_with_parent, max_tasks_per_child=64) as pool:
        waiting = iter(todo)
        running: set[Future[Progress]] = set()
        while True:
            while len(running) < 2 * jobs and (deadline is None or time.monotonic() < deadline):
                following = next(waiting, None)
                if following is None:
                    break
                running.add(pool.submit(work, following))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            yield from map(_result, finished)


def _result(future: Future[Progress]) -> Progress:
    try:
        return future.result()
    except BrokenProcessPool as error:
        advice = "run the same command again to go on, with fewer --jobs if memory is short"
        raise DatasetError(f"A mining process was killed; {advice}.") from error


def _end_with_parent() -> None:
    """Makes a worker end when the process that started it is gone, even by kill -9."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
