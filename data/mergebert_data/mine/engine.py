"""What every engine mines by: a block that an earlier run mined is done, and after the deadline no block is begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from math import inf

from mergebert_data.mine.merge_block import BlockResult
from mergebert_data.mine.plan import MergeBlock, MiningPlan, ParallelMap


@dataclass(frozen=True, slots=True)
class Engine:
    """What reads repositories and mines blocks, on how many CPUs: this computer or a cluster."""

    each: ParallelMap
    mine: Callable[[Iterable[MergeBlock]], Iterator[BlockResult]]
    cpus: int


def mined(plan: MiningPlan, engine: Engine, minutes: float | None = None) -> Iterator[BlockResult]:
    """The result of every block of the plan, or of those begun before the minutes are over."""
    deadline = inf if minutes is None else time.monotonic() + 60 * minutes
    todo = []
    for block in plan.blocks:
        if block.shard.exists():
            yield BlockResult(block.count, was_done=True)
        else:
            todo.append(block)
    yield from engine.mine(takewhile(lambda _: time.monotonic() < deadline, todo))
