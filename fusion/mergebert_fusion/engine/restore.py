"""Gives one model back from a fusion that kept something for each: masks and vectors of the method, or heads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from mergebert.strict_json import json_in
from mergebert_fusion.contract.block import Block, Grain, TensorPlace
from mergebert_fusion.contract.method import MergeMethod
from mergebert_fusion.engine.finished_files import FACTS
from mergebert_fusion.engine.plan import LARGEST_SHARD
from mergebert_fusion.engine.run import HEADS
from mergebert_fusion.engine.sequential import numbers_from
from mergebert_fusion.engine.shards import ARTIFACTS, unpacked
from mergebert_fusion.engine.streaming import BLOCK, Job, jobs_of, one_thread_a_block
from mergebert_fusion.errors import CheckpointError, FusionError
from mergebert_fusion.io.checkpoint import CONFIG, INDEX, Checkpoint, joined, opened
from mergebert_fusion.io.files import sha256_of, write_json
from mergebert_fusion.io.safetensors import NewFile, shard_names, split_into_shards, start_file
from mergebert_fusion.io.tensors import TensorSource
from mergebert_fusion.methods.registry import method_named
from mergebert_fusion.recipe.policy import natural


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """Where an input lay, and the sha256 of its files."""

    path: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """What fusion.json says that restoring needs."""

    method: str
    order: tuple[str, ...]
    inputs: dict[str, RecordedModel]
    found: dict[str, Any] | None = None


@dataclass(frozen=True)
class FinishedFusion:
    """A fused model on disk, with all that restores its models."""

    folder: Path
    record: Record
    method: MergeMethod | None  # of a method that restores models; None otherwise
    fused: TensorSource
    artifacts: Mapping[str, TensorSource]
    base: TensorSource | None

    def restored(self, model: str, job: Job) -> Tensor:
        """The elements of a job in one model, as nearly as the method keeps them."""
        method, name = self.method, job.place.name
        if method is None or method.restore is None or self.base is None or name not in self._merged:
            return self.fused.read(name, job.start, job.stop)
        artifacts = {kind: self._artifact(kind, job) for kind in self.artifacts}
        base = self.base.read(name, job.start, job.stop).to(torch.float32)
        block: Block[Any, Any, Any] = Block(
            job.place, job.start, base, (), self.record.order, None, (), self.found
        )
        try:
            return method.restore(block, artifacts, model)
        except (LookupError, ValueError, AttributeError) as error:
            raise _damaged(self.folder, f"nothing for {name} of {model}") from error

    @cached_property
    def found(self) -> Any:
        """What the survey of the method found."""
        if self.method is None or self.method.found_type is None or self.record.found is None:
            return None
        try:
            return numbers_from(self.method.found_type, self.record.found)
        except ValueError as error:
            raise _damaged(self.folder, f"other numbers in {FACTS}") from error

    @cached_property
    def _merged(self) -> frozenset[str]:
        return frozenset(name for source in self.artifacts.values() for name in source.specs)

    def _artifact(self, kind: str, job: Job) -> Tensor:
        source = self.artifacts[kind]
        if source.specs[job.place.name].dtype == torch.uint8:
            packed = source.read(job.place.name, job.start // 8, -(-job.stop // 8))
            return unpacked(packed, job.elements)
        return source.read(job.place.name, job.start, job.stop).to(torch.float32)


def restore(folder: Path, model: str, out: Path, base: str | None = None, *, plain: bool = False) -> None:
    """Writes the checkpoint of one model, made of what a fusion in `folder` kept, into `out`.

    With `plain`, the merged body stays as it is and only gets the head of the model.
    """
    record = _record(folder)
    if model not in record.order:
        raise FusionError(
            f"{folder} was not made from a model {model!r}; it was made from {', '.join(record.order)}."
        )
    method = method_named(record.method)
    restores = isinstance(method, MergeMethod) and method.restore is not None and not plain
    if not restores and not (folder / HEADS / model).is_dir():
        raise FusionError(f"{folder} keeps nothing of {model}: {record.method} makes one model of all.")
    if out.exists() and any(out.iterdir()):
        raise FusionError(f"{out} is not empty: choose another folder.")
    with ExitStack() as stack:
        origin = _base(folder, record, base, stack) if restores else None
        fusion = FinishedFusion(
            folder=folder,
            record=record,
            method=method if isinstance(method, MergeMethod) and restores else None,
            fused=joined(sorted(folder.glob("model*.safetensors")), stack),
            artifacts=_artifacts(folder, stack) if restores else {},
            base=None if origin is None else origin.source,
        )
        heads = joined(sorted((folder / HEADS / model).glob("*.safetensors")), stack)
        _refuse_misfits(fusion)
        with one_thread_a_block():
            _write(fusion, heads, model, out)
    _copy_settings(folder, model, out)


def _record(folder: Path) -> Record:
    try:
        return msgspec.convert(json_in(folder / FACTS), Record)
    except msgspec.ValidationError as error:
        raise _damaged(folder, f"another {FACTS}") from error
    except (OSError, ValueError) as error:
        raise FusionError(
            f"{folder} holds no finished fusion ({FACTS} cannot be read): run `mergebert fuse` first."
        ) from error


def _damaged(folder: Path, what: str) -> FusionError:
    return FusionError(f"{folder} holds {what} than a fusion leaves there: fuse again.")


def _refuse_misfits(fusion: FinishedFusion) -> None:
    """Raises FusionError where base, artifacts and fused model are not of the same tensors, before anything is written."""
    if fusion.base is None:
        return
    for name in {name: None for source in fusion.artifacts.values() for name in source.specs}:
        spec, base = fusion.fused.specs.get(name), fusion.base.specs.get(name)
        if spec is None or base is None or spec.shape != base.shape:
            raise _damaged(fusion.folder, f"another {name}")
        sizes = {torch.uint8: -(-spec.elements // 8)}
        for kind, source in fusion.artifacts.items():
            kept = source.specs.get(name)
            if kept is None or kept.elements != sizes.get(kept.dtype, spec.elements):
                raise _damaged(fusion.folder, f"another {kind} of {name}")


def _base(folder: Path, record: Record, wanted: str | None, stack: ExitStack) -> Checkpoint:
    """The base, which has to be the very one that the fusion started from."""
    known = record.inputs.get("base")
    if known is None:
        raise _damaged(folder, f"another {FACTS}")
    written = wanted or known.path
    base = stack.enter_context(opened({"base": written}, folder.parent))["base"]
    for path in base.files:
        recorded = known.files.get(path.name)
        if path.suffix == ".safetensors" and recorded != sha256_of(path):
            raise CheckpointError(
                f"{path} is not the base that {folder} was made from: give that one with --base."
            )
    return base


def _write(fusion: FinishedFusion, heads: TensorSource, model: str, out: Path) -> None:
    """Writes every tensor of the restored model, a block at a time."""
    specs = {**fusion.fused.specs, **heads.specs}
    files = split_into_shards({name: specs[name] for name in sorted(specs, key=natural)}, LARGEST_SHARD)
    names = list(shard_names(len(files)))
    for file_name, held in zip(names, files, strict=True):
        writer = start_file(NewFile(file_name, held, {"format": "pt"}), out)
        try:
            for name, spec in held.items():
                read: Callable[[Job], Tensor] = _reader(fusion, heads, model, name)
                for job in jobs_of(TensorPlace(name, spec.shape), Grain.ELEMENT, BLOCK):
                    writer.write(name, job.start, read(job))
        except BaseException:
            writer.discard()
            raise
        writer.finish()
    if len(files) > 1:
        placed = {name: file_name for file_name, held in zip(names, files, strict=True) for name in held}
        write_json(out / INDEX, {"metadata": {}, "weight_map": placed})


def _reader(fusion: FinishedFusion, heads: TensorSource, model: str, name: str) -> Callable[[Job], Tensor]:
    if name in heads.specs:
        return lambda job: heads.read(job.place.name, job.start, job.stop)
    return lambda job: fusion.restored(model, job)


def _copy_settings(folder: Path, model: str, out: Path) -> None:
    """Copies the configuration, that of the model where it is kept, and the tokenizer."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in (FACTS, INDEX, "README.md") and path.suffix != ".safetensors":
            shutil.copyfile(path, out / path.name)
    own = folder / HEADS / model / CONFIG
    if own.is_file():
        shutil.copyfile(own, out / CONFIG)


def _artifacts(folder: Path, stack: ExitStack) -> dict[str, TensorSource]:
    kinds: dict[str, list[Path]] = {}
    for path in sorted((folder / ARTIFACTS).glob("*.safetensors")):
        kinds.setdefault(_kind(path.name), []).append(path)
    return {kind: joined(paths, stack) for kind, paths in kinds.items()}


def _kind(file: str) -> str:
    """The artifact that a file is a shard of."""
    stem = file.removesuffix(".safetensors")
    head, _, tail = stem.rpartition("-of-")
    return head.rpartition("-")[0] if head and tail.isdigit() else stem
