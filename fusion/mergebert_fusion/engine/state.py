"""The state of a sequential fusion on disk: after every model one file of tensors and a few numbers, nothing more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.contract.method import SequentialMethod
from mergebert_fusion.engine.progress import digest_of, identity, write_json
from mergebert_fusion.engine.sequence import stepped
from mergebert_fusion.engine.streaming import Job, Merge
from mergebert_fusion.errors import FusionError
from mergebert_fusion.io.source import Spec
from mergebert_fusion.io.tensorfile import NewFile, TensorFile, open_tensors, start_file

FOLDER = "state"
_NUMBERS = "state.json"


@dataclass(frozen=True)
class State:
    """What is remembered after some models."""

    models: tuple[str, ...]  # a digest each, in the order in which they came
    numbers: Any
    tensors: Path | None  # None before the first model


def advanced(
    merge: Merge, model_files: Sequence[Sequence[Path]], key: str, out: Path, tell: Callable[[str], None]
) -> State:
    """The state after all models: those that a state in `out` has seen already are not read again."""
    wanted = tuple(digest_of(identity(files)) for files in model_files)
    state = saved_state(merge, key, out)
    if state.models != wanted[: len(state.models)]:
        raise FusionError(
            f"{out / FOLDER} remembers other models, or the same in another order: choose another folder, or pass --overwrite."
        )
    for number in range(len(state.models), len(wanted)):
        tell(f"taking in {merge.names[number]} ({number + 1} of {len(wanted)})")
        state = _after(merge, number, state, wanted[number], key, out)
    return state


def saved_state(merge: Merge, key: str, out: Path) -> State:
    """The state in a folder; the one before the first model where there is none of this merge."""
    method = merge.method
    assert isinstance(method, SequentialMethod)
    try:
        content = json.loads((out / FOLDER / _NUMBERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return State((), method.begin(), None)
    if content.get("key") != key:
        raise FusionError(
            f"{out / FOLDER} is of another base or other parameters: choose another folder, or pass --overwrite."
        )
    numbers = numbers_from(method.found, content["numbers"])
    return State(tuple(content["models"]), numbers, out / FOLDER / content["tensors"])


def numbers_from(kind: type, content: Mapping[str, Any]) -> Any:
    """The dataclass of numbers that JSON holds; its lists become tuples again."""
    return kind(**{name: _tupled(value) for name, value in content.items()})


def numbers_as_json(numbers: Any) -> dict[str, Any]:
    """The fields of a dataclass of numbers."""
    return dataclasses.asdict(numbers)


def state_reader(state: State) -> tuple[Callable[[Job], Tensor | None], Callable[[], None]]:
    """A function that gives the state of a block, and one that closes the file behind it."""
    if state.tensors is None:
        return lambda job: None, lambda: None
    file: TensorFile = open_tensors(state.tensors)
    return lambda job: file.read(job.place.name, job.start, job.stop), file.close


def _after(merge: Merge, number: int, state: State, digest: str, key: str, out: Path) -> State:
    """The state after one more model; the one before it stays until this one is whole."""
    specs = {place.name: Spec(place.shape, torch.float32) for place in merge.places}
    name = f"after-{number + 1:04d}.safetensors"
    writer = start_file(NewFile(name, specs, {"format": "pt"}), out / FOLDER)
    earlier, close = state_reader(state)
    try:
        numbers = stepped(
            merge,
            number,
            state.numbers,
            earlier,
            lambda job, values: writer.write(job.place.name, job.start, values),
        )
    except BaseException:
        writer.abandon()
        raise
    finally:
        close()
    later = State((*state.models, digest), numbers, writer.finish())
    write_json(
        out / FOLDER / _NUMBERS,
        {"key": key, "models": list(later.models), "numbers": numbers_as_json(numbers), "tensors": name},
    )
    if state.tensors is not None:
        state.tensors.unlink(missing_ok=True)
    return later


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value
