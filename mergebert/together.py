"""Several slow steps at once: model files are read, hashed and loaded side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def results_of(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each task gives, in order, all run at the same time; raises what the first failing one raised."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]
