"""Work done side by side in processes of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")


def in_processes(work: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int) -> list[Result]:
    """What `work` returns for the arguments of each call, in order; at most `jobs` of them run at once."""
    if not calls:
        return []
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(calls))) as pool:
        return pool.starmap(work, calls, chunksize=1)


def dealt(items: Sequence[Item], hands: int) -> list[Sequence[Item]]:
    """The items dealt out to at most so many hands."""
    return [items[hand::hands] for hand in range(min(hands, len(items)))]
