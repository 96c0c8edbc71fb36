"""Carries out a plan: a block at a time, in any number of threads, and resumes a killed run."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Grain, TensorPlace
from mergebert_fusion.contract.method import MERGED, SequentialMethod
from mergebert_fusion.engine.finished_files import FACTS, JOURNAL, Journal, opened_journal
from mergebert_fusion.engine.model_card import model_card
from mergebert_fusion.engine.plan import COMPUTED, Plan, Shard, output_spec, shown_size
from mergebert_fusion.engine.provenance import Hashes, provenance, versions
from mergebert_fusion.engine.sequential import STATE, State, finished, state_after_all, state_reader
from mergebert_fusion.engine.shards import ARTIFACTS, ShardWriter
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
from mergebert_fusion.io.files import digest_of, identity, write_json, write_text
from mergebert_fusion.io.safetensors import write_tensors
from mergebert_fusion.io.tensors import TensorSource
from mergebert_fusion.recipe.policy import Decision, Treatment

HEADS = "heads"
OnProgress: TypeAlias = Callable[[str], None]  # gets a line that says how far the fusion is


@dataclass(frozen=True, slots=True)
class DecidedJob:
    """A block to be written, and what becomes of its tensor."""

    decision: Decision
    job: Job

    @property
    def elements(self) -> int:
        """How many scalars it has."""
        return self.job.elements


def write_fused(
    plan: Plan, out: Path, *, overwrite: bool = False, on_progress: OnProgress = lambda _: None
) -> None:
    """Writes the fused model of a plan into a folder, keeping the files that a killed run left whole there.

    Raises FusionError where the folder holds an input, anything else (unless `overwrite`), or too little room. `on_progress`
    gets a line now and then that says how far it is.
    """
    if any(path.resolve().parent == out.resolve() for files in _inputs(plan) for path in files):
        raise FusionError(f"{out} holds one of the inputs: choose another folder.")
    if overwrite:
        _clear(out)
    journal = _begun(plan, out, overwrite=overwrite)
    _refuse_full_disk(plan, out, journal)
    hashes = Hashes()
    try:
        hashes.ask(path for model in _inputs(plan) for path in model)
        with one_thread_a_block():
            found, journal = _written(plan, out, journal, on_progress)
        _finish(plan, out, hashes, found)
    finally:
        hashes.close()
    journal.remove()


def _clear(out: Path) -> None:
    """Takes away what a fusion wrote, and nothing else."""
    for folder in (ARTIFACTS, HEADS, STATE):
        shutil.rmtree(out / folder, ignore_errors=True)
    for path in (*out.glob("model*.safetensors*"), out / JOURNAL, out / FACTS):
        path.unlink(missing_ok=True)


def fingerprint(plan: Plan) -> str:
    """A digest of everything that decides the bytes of the output; the same plan gives the same."""
    recipe = plan.recipe
    files = [identity(model) for model in _inputs(plan)]
    layout = [[shard.file.name, shard.file.size] for shard in plan.shards]
    return digest_of([recipe.text, recipe.seed, recipe.dtype, files, layout, plan.options.device, versions()])


def _begun(plan: Plan, out: Path, *, overwrite: bool) -> Journal:
    """The journal in the output folder; a finished sequential fusion may be taken further there."""
    if isinstance(plan.recipe.method, SequentialMethod) and (out / STATE).is_dir():
        overwrite = True
    return opened_journal(out, fingerprint(plan), overwrite=overwrite)


def _refuse_full_disk(plan: Plan, out: Path, journal: Journal) -> None:
    """Raises before hours of work where the model cannot fit."""
    needed = sum(shard.file.size for shard in plan.shards if not journal.has([shard.file.name]))
    free = shutil.disk_usage(out).free
    if needed > free:
        raise FusionError(
            f"{out} needs {shown_size(needed)}, and {shown_size(free)} are free there: make room, or choose another folder."
        )


def _inputs(plan: Plan) -> Iterator[tuple[Path, ...]]:
    yield from (model.files for model in plan.models.values())
    if plan.base is not None:
        yield plan.base.files


def _written(
    plan: Plan, out: Path, journal: Journal, on_progress: OnProgress
) -> tuple[dict[str, Any] | None, Journal]:
    """Writes all tensors that are missing; gives what the survey of the method found, for fusion.json, and the journal."""
    state = _state(plan, out, on_progress)
    waiting = [shard for shard in plan.shards if not journal.has([shard.file.name])]
    keeps = getattr(plan.recipe.method, "restore", None) is not None
    found = None
    if state is None and (waiting or keeps):
        on_progress("surveying")
        found = surveyed(plan.merges[0])
    _compare_aliases(plan)
    with nullcontext() if state is None else state_reader(state) as earlier:
        for shard in waiting:
            on_progress(f"writing {shard.file.name}")
            files = _write(plan, shard, out, _Maker(plan, found, state, earlier), on_progress)
            journal = journal.with_files(files)
    _write_heads(plan, out)
    if state is not None:
        return dataclasses.asdict(state.numbers), journal
    return (dataclasses.asdict(found) if keeps and found is not None else None), journal


def _state(plan: Plan, out: Path, on_progress: OnProgress) -> State | None:
    """The state of a sequential method after all models; None for other methods."""
    if not isinstance(plan.recipe.method, SequentialMethod):
        return None
    merge = plan.merges[0]
    base = [] if plan.base is None else identity(plan.base.files)
    parameters = [[place.name, repr(merge.parameters_at[place.name][0])] for place in merge.places]
    key = digest_of([plan.recipe.method.name, plan.recipe.seed, base, parameters])
    return state_after_all(merge, [plan.models[name].files for name in merge.names], key, out, on_progress)


def _write(plan: Plan, shard: Shard, out: Path, make: _Maker, on_progress: OnProgress) -> list[str]:
    """Writes the files of one shard and gives their names."""
    writer = ShardWriter(shard, out)
    whole = sum(decision.place.elements for decision in shard.decisions)
    try:
        done = 0
        for decided, outputs in ordered(
            make, _decided_jobs(plan, shard), plan.options.threads, attrgetter("elements")
        ):
            for artifact, values in outputs.items():
                writer.write(artifact, decided.decision.place.name, decided.job.start, values)
            done += decided.elements
            on_progress(f"writing {shard.file.name}: {done / whole:.0%}")
        return list(writer.finish())
    except BaseException:
        writer.abandon()
        raise


def _decided_jobs(plan: Plan, shard: Shard) -> Iterator[DecidedJob]:
    for decision in shard.decisions:
        is_computed = decision.treatment in COMPUTED
        jobs_at = plan.merge_of[decision.place.name].jobs_at if is_computed else _blocks
        yield from (DecidedJob(decision, job) for job in jobs_at(decision.place))


def _blocks(place: TensorPlace) -> Iterator[Job]:
    return jobs_of(place, Grain.ELEMENT, BLOCK)


@dataclass(frozen=True)
class _Maker:
    """Makes the elements of a block, in the type in which they are written."""

    plan: Plan
    found: Any
    state: State | None
    earlier: Callable[[Job], Tensor | None] | None

    def __call__(self, decided: DecidedJob) -> tuple[DecidedJob, dict[str, Tensor]]:
        decision, job = decided.decision, decided.job
        if decision.treatment not in COMPUTED:
            inputs = self.plan.slices[decision.slice_number]
            return decided, {MERGED: inputs.copied(decision, job.start, job.stop)}
        merge = self.plan.merge_of[decision.place.name]
        if self.state is not None and decision.treatment is Treatment.MERGE:
            return decided, {MERGED: self.in_sequence(merge, job)}
        made = outputs_of(merge, self.found, job)
        dtype = output_spec(decision, self.plan.recipe.dtype).dtype
        return decided, {
            kind: values if values.dtype == torch.bool else values.to(dtype) for kind, values in made.items()
        }

    def in_sequence(self, merge: Merge, job: Job) -> Tensor:
        """The merged elements after the last model of a sequential method."""
        assert self.state is not None and self.earlier is not None
        state = self.earlier(job)
        assert state is not None
        return finished(merge, self.state.numbers, job, state)


def _compare_aliases(plan: Plan) -> None:
    """Raises where what the configuration calls one tensor is stored as two that differ."""
    for decision in plan.decisions:
        for name, model in plan.models.items() if decision.treatment is Treatment.ALIAS else ():
            if {decision.place.name, decision.source} <= model.source.specs.keys():
                _compare(decision, name, model.source)


def _compare(alias: Decision, name: str, source: TensorSource) -> None:
    for job in jobs_of(alias.place, Grain.ELEMENT, BLOCK):
        first, second = (source.read(n, job.start, job.stop) for n in (alias.place.name, alias.source))
        if not torch.equal(first, second):
            raise CheckpointError(
                f"{alias.place.name} and {alias.source} are one tensor by the configuration of {name}, but differ in its "
                "file: set tie_word_embeddings to false in its config.json."
            )


def _write_heads(plan: Plan, out: Path) -> None:
    """Writes the tensors that every model keeps for itself, one small checkpoint a model."""
    for name, model in plan.slices[-1].models.items() if plan.separate else ():
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
    if len(plan.shards) > 1:
        placed = {name: shard.file.name for shard in plan.shards for name in shard.file.specs}
        size = sum(spec.size for shard in plan.shards for spec in shard.file.specs.values())
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
