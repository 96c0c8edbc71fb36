"""The local engine: blocks mined by the processes of one computer."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice

from mergebert.errors import DatasetError
from mergebert.pool_workers import end_with_parent
from mergebert_data.mine.engine import Engine
from mergebert_data.mine.merge_block import BlockResult, mine_block
from mergebert_data.mine.plan import MergeBlock


def local_engine(jobs: int) -> Engine:
    """The engine of this computer: so many processes."""
    return Engine(map, partial(mined_blocks, jobs=jobs), jobs)


def mined_blocks(blocks: Iterable[MergeBlock], jobs: int) -> Iterator[BlockResult]:
    """The results of blocks mined by processes; at most two blocks a process are handed out, so that memory stays flat."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, end_with_parent, max_tasks_per_child=64) as pool:
        waiting = iter(blocks)
        running: set[Future[BlockResult]] = set()
        while True:
            running.update(
                pool.submit(mine_block, block) for block in islice(waiting, 2 * jobs - len(running))
            )
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            yield from map(_result, finished)


def _result(future: Future[BlockResult]) -> BlockResult:
    try:
        return future.result()
    except BrokenProcessPool as error:
        advice = "run the same command again to go on, with fewer --jobs if memory is short"
        raise DatasetError(f"A mining process was killed; {advice}.") from error
