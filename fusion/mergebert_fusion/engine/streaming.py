"""Runs a merge method over sources, block by block: survey first, then every block by itself.

Work is split into blocks by the shapes alone, each block is computed by one thread, and what blocks add to a survey
is added up in the order of the blocks: neither threads nor shards can change a bit of the result.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain, TensorPlace
from mergebert_fusion.contract.method import MERGED, AnyMethod, MergeMethod, Pass, Survey, SurveyInputs
from mergebert_fusion.errors import CheckpointError, FusionError
from mergebert_fusion.io.tensors import TensorSource
from mergebert_fusion.recipe.parameter_values import ParameterValues

# Elements of a block: small enough that a block of every model stays in the processor's cache.
BLOCK = 1 << 18
# Elements of all blocks that are computed at one time; one tensor that is larger is computed alone.
AT_ONCE = 1 << 22

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Job:
    """One block to compute: the elements start to stop of a tensor."""

    place: TensorPlace
    start: int
    stop: int
    local: Any = field(default=None, compare=False)  # found by the local survey of a tensor in several blocks

    @property
    def is_whole(self) -> bool:
        """Whether it is all there is of its tensor."""
        return self.elements == self.place.elements

    @property
    def elements(self) -> int:
        """How many scalars it has."""
        return self.stop - self.start


@dataclass(frozen=True)
class Merge:
    """The tensors to merge, and everything that decides the result."""

    method: AnyMethod
    names: tuple[str, ...]
    models: tuple[TensorSource, ...]
    base: TensorSource | None
    values: ParameterValues
    places: tuple[TensorPlace, ...]  # the tensors to be merged, in the order of the output
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    block: int = BLOCK

    @cached_property
    def survey_inputs(self) -> SurveyInputs:
        """What a survey knows before it reads a tensor."""
        return SurveyInputs(self.names, sum(place.elements for place in self.places), self.values.constant)

    @cached_property
    def parameters_at(self) -> Mapping[str, tuple[Any, tuple[Any, ...]]]:
        """The parameters of the method and of every model as they hold for each tensor."""
        return {place.name: self.values.at(place) for place in self.places}

    @cached_property
    def grain(self) -> Grain:
        """How finely the method lets tensors be split, given its parameters."""
        grain = self.method.grain
        return grain if isinstance(grain, Grain) else grain(self.values.constant)

    def jobs(self) -> Iterator[Job]:
        """Every tensor split as finely as the method allows."""
        for place in self.places:
            yield from self.jobs_at(place)

    def jobs_at(self, place: TensorPlace) -> Iterator[Job]:
        """One tensor split as finely as the method allows, with what the local survey found of it."""
        local = getattr(self.method, "local", None)
        jobs = list(jobs_of(place, self.grain, self.block))
        if local is None or len(jobs) < 2:
            yield from jobs
            return
        found = run_survey(local(self.survey_inputs), lambda asked: _total(self, asked, jobs))
        yield from (replace(job, local=found) for job in jobs)

    def read(self, source: TensorSource, job: Job) -> Tensor:
        """The elements of a job out of one source, in float32, shaped by the grain, on the device."""
        flat = source.read(job.place.name, job.start, job.stop)
        return flat.to(self.device, torch.float32).reshape(_shape(job, self.grain))

    def loaded(self, job: Job, found: Any, models: Sequence[int] | None = None) -> Block[Any, Any, Any]:
        """The block of a job, of all models or of those numbered."""
        own, each = self.parameters_at[job.place.name]
        chosen = range(len(self.models)) if models is None else models
        block: Block[Any, Any, Any] = Block(
            place=job.place,
            start=job.start,
            base=None if self.base is None else self.read(self.base, job),
            models=tuple(self.read(self.models[i], job) for i in chosen),
            names=tuple(self.names[i] for i in chosen),
            parameters=own,
            each=tuple(each[i] for i in chosen),
            found=found,
            seed=self.seed,
            local=job.local,
        )
        local = getattr(self.method, "local", None)
        if local is None or not job.is_whole:
            return block
        return replace(block, local=run_survey(local(self.survey_inputs), lambda asked: asked.measure(block)))


def jobs_of(place: TensorPlace, grain: Grain, block: int = BLOCK) -> Iterator[Job]:
    """One tensor split into blocks: by elements, by rows, or not at all."""
    count = place.elements
    if grain is Grain.TENSOR:
        step = count
    elif grain is Grain.ROW:
        row = place.shape[-1] if place.shape else 1
        step = max(1, block // max(1, row)) * row
    else:
        step = block
    for start in range(0, count, max(1, step)):
        yield Job(place, start, min(count, start + step))


def surveyed(merge: Merge) -> Any:
    """What the survey of the method finds; None when it has none."""
    method = merge.method
    if not isinstance(method, MergeMethod) or method.survey is None:
        return None
    return run_survey(method.survey(merge.survey_inputs), lambda asked: _total(merge, asked, merge.jobs()))


def run_survey(survey: Survey[Any], total: Callable[[Pass[Any]], Any]) -> Any:
    """What a survey finds; `total` gives it the total of every pass that it yields."""
    try:
        asked = next(survey)
        while True:
            asked = survey.send(total(asked))
    except StopIteration as end:
        return end.value


def _total(merge: Merge, asked: Pass[A], jobs: Iterable[Job]) -> A:
    """What the blocks of these jobs add up to, the first ones first."""
    measured = ordered(
        lambda job: asked.measure(merge.loaded(job, None)), jobs, merge.threads, attrgetter("elements")
    )
    return functools.reduce(asked.combine, measured)


def outputs_of(merge: Merge, found: Any, job: Job) -> dict[str, Tensor]:
    """The merged elements (MERGED) and the artifacts (by name) of one job, flat, in float32 or bool on the CPU."""
    method = merge.method
    assert isinstance(method, MergeMethod)
    block = merge.loaded(job, found)
    merged = method.merge(block)
    outputs = {MERGED: merged} if isinstance(merged, Tensor) else merged
    return {name: finite(tensor, block).reshape(-1).cpu() for name, tensor in outputs.items()}


def finite(output: Tensor, block: Block[Any, Any, Any]) -> Tensor:
    """The output itself; raises CheckpointError where a model holds NaN or infinity, FusionError where only the output does."""
    # A sum is infinite or NaN as soon as one element is, and costs next to nothing; a finite sum settles it.
    if output.dtype == torch.bool or bool(torch.isfinite(output.sum())) or bool(torch.isfinite(output).all()):
        return output
    inputs = {"the base": block.base} if block.base is not None else {}
    for name, tensor in {**inputs, **dict(zip(block.names, block.models, strict=True))}.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{block.place.name} of {name} holds NaN or infinity: that model is damaged."
            )
    raise FusionError(
        f"{block.place.name} grows beyond all numbers when merged: use smaller weights or scaling."
    )


def ordered(
    function: Callable[[A], B], items: Iterable[A], threads: int, cost: Callable[[A], int] = lambda _: 0
) -> Iterator[B]:
    """The function of every item, in order; only so many are computed ahead that their costs stay below AT_ONCE."""
    if threads <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[int, Future[B]]] = deque()
        spent = 0
        for item in items:
            price = cost(item)
            while waiting and (len(waiting) > 2 * threads or spent + price > AT_ONCE):
                paid, done = waiting.popleft()
                yield done.result()
                spent -= paid
            waiting.append((price, pool.submit(function, item)))
            spent += price
        while waiting:
            yield waiting.popleft()[1].result()


@contextmanager
def one_thread_a_block() -> Iterator[None]:
    """torch computing in the calling thread only: what it does with several threads depends on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _shape(job: Job, grain: Grain) -> tuple[int, ...]:
    if grain is Grain.TENSOR:
        return job.place.shape
    if grain is Grain.ROW:
        return (-1, job.place.shape[-1] if job.place.shape else 1)
    return (job.elements,)
