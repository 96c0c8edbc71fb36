"""Runs a sequential method: one model after the other, with a tensor set and a few numbers as its state in between.

On disk the state is `state/`: after every model one file of tensors and one of numbers, nothing more.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from mergebert_fusion.contract.method import SequentialMethod
from mergebert_fusion.engine.streaming import Job, Merge, ordered
from mergebert_fusion.errors import FusionError
from mergebert_fusion.io.files import digest_of, identity, saved_json, write_json
from mergebert_fusion.io.safetensors import NewFile, open_tensors, start_file
from mergebert_fusion.io.tensors import TensorSpec

STATE = "state"
_NUMBERS = "state.json"


@dataclass(frozen=True)
class State:
    """What is remembered after some models."""

    models: tuple[str, ...]  # a digest each, in the order in which they came
    numbers: Any
    tensors: Path | None  # None before the first model


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
        return job, method.step(block, None if state is None else state.reshape(block.models[0].shape))

    def measured() -> Iterator[Any]:
        for job, step in ordered(computed, merge.jobs(), merge.threads, attrgetter("elements")):
            keep(job, step.state.reshape(-1).cpu())
            yield step.measured

    return method.conclude(numbers, functools.reduce(method.combine, measured()))


def finished(merge: Merge, numbers: Any, job: Job, state: Tensor) -> Tensor:
    """The merged elements of a block after the last model, flat, in float32 on the CPU."""
    block = merge.loaded(job, numbers, [])
    return _sequential(merge).finish(block, state.reshape(block.origin.shape)).reshape(-1).cpu()


def state_after_all(
    merge: Merge,
    model_files: Sequence[Sequence[Path]],
    key: str,
    out: Path,
    on_progress: Callable[[str], None],
) -> State:
    """The state after all models, saved in `out`; models that a state there has seen already are not read again.

    Raises FusionError where that state is of another `key` (base, parameters, seed), or of other models before these.
    """
    wanted = tuple(digest_of(identity(files)) for files in model_files)
    state = _saved_state(merge, key, out)
    if state.models != wanted[: len(state.models)]:
        raise FusionError(
            f"{out / STATE} remembers other models, or the same in another order: choose another folder, or pass --overwrite."
        )
    for number in range(len(state.models), len(wanted)):
        on_progress(f"taking in {merge.names[number]} ({number + 1} of {len(wanted)})")
        state = _after(merge, number, state, wanted[number], key, out)
    return state


@contextmanager
def state_reader(state: State) -> Iterator[Callable[[Job], Tensor | None]]:
    """A function that gives the state of a block, flat; None before the first model."""
    if state.tensors is None:
        yield lambda job: None
        return
    with closing(open_tensors(state.tensors)) as file:
        yield lambda job: file.read(job.place.name, job.start, job.stop)


def numbers_from(kind: type, content: Mapping[str, Any]) -> Any:
    """The dataclass of numbers that JSON holds; its lists become tuples again. Raises ValueError where it holds others."""
    return msgspec.convert(content, kind)


@dataclass(frozen=True, slots=True)
class _Saved:
    """What the file of numbers holds."""

    models: tuple[str, ...]
    numbers: dict[str, Any]
    tensors: str  # the name of the file beside it


def _saved_state(merge: Merge, key: str, out: Path) -> State:
    """The state in a folder; the one before the first model where there is none."""
    method = _sequential(merge)
    content = saved_json(out / STATE / _NUMBERS)
    if not content:
        return State((), method.begin(), None)
    if content.get("key") != key:
        raise FusionError(
            f"{out / STATE} is of another base or other parameters: choose another folder, or pass --overwrite."
        )
    try:
        saved = msgspec.convert(content, _Saved)
        numbers = numbers_from(method.numbers_type, saved.numbers)
        tensors = out / STATE / Path(saved.tensors).name
        with closing(open_tensors(tensors)) as file:
            if any(
                place.name not in file.specs or file.specs[place.name].shape != place.shape
                for place in merge.places
            ):
                raise ValueError("other tensors")
    except ValueError as error:
        raise FusionError(
            f"{out / STATE / _NUMBERS} is damaged: choose another folder, or pass --overwrite."
        ) from error
    return State(saved.models, numbers, tensors)


def _after(merge: Merge, number: int, state: State, digest: str, key: str, out: Path) -> State:
    """The state after one more model; the one before it stays until this one is whole."""
    specs = {place.name: TensorSpec(place.shape, torch.float32) for place in merge.places}
    name = f"after-{number + 1:04d}.safetensors"
    writer = start_file(NewFile(name, specs, {"format": "pt"}), out / STATE)

    def keep(job: Job, values: Tensor) -> None:
        writer.write(job.place.name, job.start, values)

    try:
        with state_reader(state) as earlier:
            numbers = stepped(merge, number, state.numbers, earlier, keep)
    except BaseException:
        writer.abandon()
        raise
    later = State((*state.models, digest), numbers, writer.finish())
    write_json(
        out / STATE / _NUMBERS,
        {
            "key": key,
            "models": list(later.models),
            "numbers": dataclasses.asdict(numbers),
            "tensors": name,
        },
    )
    if state.tensors is not None:
        state.tensors.unlink(missing_ok=True)
    return later


def _sequential(merge: Merge) -> SequentialMethod:
    assert isinstance(merge.method, SequentialMethod)
    return merge.method
