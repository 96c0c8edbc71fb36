"""Runs a sequential method: one model after the other, with nothing kept but a tensor set and a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from torch import Tensor

from mergebert_fusion.contract.method import SequentialMethod
from mergebert_fusion.engine.streaming import Job, Merge, ordered


def stepped(
    merge: Merge,
    model: int,
    numbers: Any,
    earlier: Callable[[Job], Tensor | None],
    keep: Callable[[Job, Tensor], None],
) -> Any:
    """The numbers after one more model; `earlier` gives the state of a block so far and `keep` takes its new one."""
    method = _sequential(merge)

    def computed(job: Job) -> Any:
        block = merge.loaded(job, numbers, [model])
        state = earlier(job)
        step = method.step(block, None if state is None else state.reshape(block.models[0].shape))
        return job, step

    total, first = None, True
    for job, step in ordered(computed, merge.jobs(), merge.threads, attrgetter("elements")):
        keep(job, step.state.reshape(-1).cpu())
        total, first = (step.measured, False) if first else (method.combine(total, step.measured), False)
    return method.conclude(numbers, total)


def finished(merge: Merge, numbers: Any, job: Job, state: Tensor) -> Tensor:
    """The merged elements of a block after the last model."""
    method = _sequential(merge)
    block = merge.loaded(job, numbers, [])
    return method.finish(block, state.reshape(block.origin.shape)).reshape(-1).cpu()


def _sequential(merge: Merge) -> SequentialMethod:
    assert isinstance(merge.method, SequentialMethod)
    return merge.method
