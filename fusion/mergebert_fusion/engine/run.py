"""Carries out a plan: a block at a time, in any number of threads, and goes on where a killed run was."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Grain, Place
from mergebert_fusion.contract.method import SequentialMethod
from mergebert_fusion.engine.card import model_card
from mergebert_fusion.engine.memory import shown_size
from mergebert_fusion.engine.output import ARTIFACTS, OpenVolume
from mergebert_fusion.engine.plan import COMPUTED, Plan, Volume, output_spec
from mergebert_fusion.engine.progress import (
    FACTS,
    JOURNAL,
    Progress,
    begun,
    digest_of,
    identity,
    write_json,
    write_text,
)
from mergebert_fusion.engine.provenance import Hashes, provenance, versions
from mergebert_fusion.engine.sequence import finished
from mergebert_fusion.engine.state import FOLDER as STATE
from mergebert_fusion.engine.state import State, advanced, numbers_as_json, state_reader
from mergebert_fusion.engine.streaming import (
    BLOCK,
    Job,
    Merge,
    jobs_of,
    one_thread_a_block,
    ordered,
    outputs_of,
    surveyed,
)
from mergebert_fusion.errors import CheckpointError, FusionError
from mergebert_fusion.io.checkpoint import CONFIG, INDEX
from mergebert_fusion.io.source import Source
from mergebert_fusion.io.tensorfile import write_tensors
from mergebert_fusion.recipe.policy import Decision, Treatment

HEADS = "heads"
Tell: TypeAlias = Callable[[str], None]  # says how far it is


@dataclass(frozen=True, slots=True)
class Task:
    """One run of elements of one tensor to be made, as decided."""

    decision: Decision
    job: Job

    @property
    def elements(self) -> int:
        """How many scalars it has."""
        return self.job.elements


def fuse(plan: Plan, out: Path, *, overwrite: bool = False, tell: Tell = lambda _: None) -> None:
    """Writes the fused model into a folder; a run that was killed is taken up where it was."""
    if any(path.resolve().parent == out.resolve() for files in _inputs(plan) for path in files):
        raise FusionError(f"{out} holds one of the inputs: choose another folder.")
    if overwrite:
        _clear(out)
    progress = _begun(plan, out, overwrite=overwrite)
    _refuse_full_disk(plan, out, progress)
    hashes = Hashes()
    try:
        hashes.ask(path for model in _inputs(plan) for path in model)
        with one_thread_a_block():
            found, progress = _written(plan, out, progress, tell)
        _finish(plan, out, hashes, found)
    finally:
        hashes.close()
    progress.forget()


def _clear(out: Path) -> None:
    """Takes away what a fusion wrote, and nothing else."""
    for folder in (ARTIFACTS, HEADS, STATE):
        shutil.rmtree(out / folder, ignore_errors=True)
    for path in (*out.glob("model*.safetensors*"), out / JOURNAL, out / FACTS):
        path.unlink(missing_ok=True)


def fingerprint(plan: Plan) -> str:
    """One word for everything that decides the bytes of the output."""
    recipe = plan.recipe
    files = [identity(model) for model in _inputs(plan)]
    layout = [[volume.file.name, volume.file.size] for volume in plan.volumes]
    return digest_of([recipe.text, recipe.seed, recipe.dtype, files, layout, plan.options.device, versions()])


def _begun(plan: Plan, out: Path, *, overwrite: bool) -> Progress:
    """The progress in the output folder; a finished sequential fusion may be taken further there."""
    if isinstance(plan.recipe.method, SequentialMethod) and (out / STATE).is_dir():
        overwrite = True
    return begun(out, fingerprint(plan), overwrite=overwrite)


def _refuse_full_disk(plan: Plan, out: Path, progress: Progress) -> None:
    """Raises before hours of work where the model cannot fit."""
    needed = sum(volume.file.size for volume in plan.volumes if not progress.has([volume.file.name]))
    free = shutil.disk_usage(out).free
    if needed > free:
        raise FusionError(
            f"{out} needs {shown_size(needed)}, and {shown_size(free)} are free there: make room, or choose another folder."
        )


def _inputs(plan: Plan) -> Iterator[tuple[Path, ...]]:
    yield from (model.files for model in plan.models.values())
    if plan.base is not None:
        yield plan.base.files


def _written(plan: Plan, out: Path, progress: Progress, tell: Tell) -> tuple[dict[str, Any] | None, Progress]:
    """What the method found, as JSON may hold it, and the progress after all tensors are written."""
    state = _state(plan, out, tell)
    waiting = [volume for volume in plan.volumes if not progress.has([volume.file.name])]
    keeps = getattr(plan.recipe.method, "restore", None) is not None
    found = None
    if state is None and (waiting or keeps):
        tell("surveying")
        found = surveyed(plan.merges[0])
    _compare_aliases(plan)
    earlier, close = state_reader(state) if state is not None else (None, lambda: None)
    try:
        for volume in waiting:
            tell(f"writing {volume.file.name}")
            files = _write(plan, volume, out, _Maker(plan, found, state, earlier), tell)
            progress = progress.with_files(files)
    finally:
        close()
    _write_heads(plan, out)
    if state is not None:
        return numbers_as_json(state.numbers), progress
    return (dataclasses.asdict(found) if keeps and found is not None else None), progress


def _state(plan: Plan, out: Path, tell: Tell) -> State | None:
    """The state of a sequential method after all models; None for other methods."""
    if not isinstance(plan.recipe.method, SequentialMethod):
        return None
    merge = plan.merges[0]
    base = [] if plan.base is None else identity(plan.base.files)
    parameters = [[place.name, repr(merge.settings[place.name][0])] for place in merge.places]
    key = digest_of([plan.recipe.method.name, plan.recipe.seed, base, parameters])
    return advanced(merge, [plan.models[name].files for name in merge.names], key, out, tell)


def _write(plan: Plan, volume: Volume, out: Path, make: _Maker, tell: Tell) -> list[str]:
    """Writes the files of one volume and gives their names."""
    opened = OpenVolume(volume, out)
    whole = sum(decision.place.elements for decision in volume.decisions)
    try:
        done = 0
        for task, outputs in ordered(
            make, _tasks(plan, volume), plan.options.threads, attrgetter("elements")
        ):
            for artifact, values in outputs.items():
                opened.write(artifact, task.decision.place.name, task.job.start, values)
            done += task.elements
            tell(f"writing {volume.file.name}: {done / whole:.0%}")
        return list(opened.finish())
    except BaseException:
        opened.abandon()
        raise


def _tasks(plan: Plan, volume: Volume) -> Iterator[Task]:
    for decision in volume.decisions:
        is_computed = decision.treatment in COMPUTED
        cut = plan.merge_of[decision.place.name].jobs_at if is_computed else _blocks
        yield from (Task(decision, job) for job in cut(decision.place))


def _blocks(place: Place) -> Iterator[Job]:
    return jobs_of(place, Grain.ELEMENT, BLOCK)


@dataclass(frozen=True)
class _Maker:
    """Makes the elements of a task, in the type in which they are written."""

    plan: Plan
    found: Any
    state: State | None
    earlier: Callable[[Job], Tensor | None] | None

    def __call__(self, task: Task) -> tuple[Task, dict[str, Tensor]]:
        decision, job = task.decision, task.job
        if decision.treatment not in COMPUTED:
            return task, {"": self.copied(decision, job)}
        merge = self.plan.merge_of[decision.place.name]
        if self.state is not None and decision.treatment is Treatment.MERGE:
            return task, {"": self.in_sequence(merge, job)}
        made = outputs_of(merge, self.found, job)
        dtype = output_spec(decision, self.plan.recipe.dtype).dtype
        return task, {
            kind: values if values.dtype == torch.bool else values.to(dtype) for kind, values in made.items()
        }

    def in_sequence(self, merge: Merge, job: Job) -> Tensor:
        """The merged elements after the last model of a sequential method."""
        assert self.state is not None and self.earlier is not None
        state = self.earlier(job)
        assert state is not None
        return finished(merge, self.state.numbers, job, state)

    def copied(self, decision: Decision, job: Job) -> Tensor:
        """The elements of one model, after making sure that all agree where they have to."""
        part = self.plan.parts[decision.part]
        values = part.source(decision.source).read(job.place.name, job.start, job.stop)
        if decision.treatment is Treatment.EQUAL:
            for name, model in part.models.items():
                if not torch.equal(values, model.source.read(job.place.name, job.start, job.stop)):
                    raise CheckpointError(
                        f"{job.place.name} holds other values in {name} than in {decision.source}, and such numbers cannot be "
                        "averaged: take one model's with `policy: {buffers: NAME}`."
                    )
        return values


def _compare_aliases(plan: Plan) -> None:
    """Raises where what the configuration calls one tensor is stored as two that differ."""
    for decision in plan.decisions:
        for name, model in plan.models.items() if decision.treatment is Treatment.ALIAS else ():
            if {decision.place.name, decision.source} <= model.source.specs.keys():
                _compare(decision, name, model.source)


def _compare(alias: Decision, name: str, source: Source) -> None:
    for job in jobs_of(alias.place, Grain.ELEMENT, BLOCK):
        first, second = (source.read(n, job.start, job.stop) for n in (alias.place.name, alias.source))
        if not torch.equal(first, second):
            raise CheckpointError(
                f"{alias.place.name} and {alias.source} are one tensor by the configuration of {name}, but differ in its "
                "file: set tie_word_embeddings to false in its config.json."
            )


def _write_heads(plan: Plan, out: Path) -> None:
    """Writes the tensors that every model keeps for itself, one small checkpoint a model."""
    for name, model in plan.parts[-1].models.items() if plan.separate else ():
        tensors = {}
        for decision in plan.separate:
            spec = model.source.specs.get(decision.place.name)
            if spec is not None:
                dtype = output_spec(dataclasses.replace(decision, spec=spec), plan.recipe.dtype).dtype
                values = model.source.read(decision.place.name, 0, spec.elements)
                tensors[decision.place.name] = values.reshape(spec.shape).to(dtype)
        write_tensors(out / HEADS / name / "model.safetensors", tensors, {"format": "pt"})
        if model.config:
            write_json(out / HEADS / name / CONFIG, dict(model.config))


def _finish(plan: Plan, out: Path, hashes: Hashes, found: Mapping[str, Any] | None) -> None:
    """Writes what stands beside the tensors: index, configuration, tokenizer, provenance and model card."""
    if len(plan.volumes) > 1:
        placed = {name: volume.file.name for volume in plan.volumes for name in volume.file.specs}
        size = sum(spec.size for volume in plan.volumes for spec in volume.file.specs.values())
        write_json(out / INDEX, {"metadata": {"total_size": size}, "weight_map": placed})
    if plan.config:
        write_json(out / CONFIG, dict(plan.config))
    for path in plan.tokenizer:
        shutil.copyfile(path, out / path.name)
    tensors = [path for path in sorted(out.rglob("*.safetensors")) if path.parent.name != STATE]
    outputs = {path.relative_to(out).as_posix(): path for path in tensors}
    hashes.ask(outputs.values())
    facts = provenance(plan, hashes, outputs, found)
    write_json(out / FACTS, facts)
    write_text(out / "README.md", model_card(plan, facts))
