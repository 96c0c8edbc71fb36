"""What a recipe comes to for the checkpoints at hand: every tensor decided, every file laid out, nothing merged yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mergebert_fusion.contract.block import Grain, Group
from mergebert_fusion.contract.method import AnyMethod, BaseUse, MergeMethod
from mergebert_fusion.engine.streaming import AT_ONCE, BLOCK, Merge
from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.architectures import GENERIC, Architecture, architecture_of
from mergebert_fusion.io.checkpoint import Checkpoint, opened
from mergebert_fusion.io.safetensors import OUTPUT_DTYPES, NewFile, shard_names, split_into_shards
from mergebert_fusion.io.tensors import TensorSpec
from mergebert_fusion.io.tokenizers import refuse_other_tokens, tokenizer_files
from mergebert_fusion.methods.registry import METHODS
from mergebert_fusion.recipe.parameter_values import ParameterValues, RawParameters
from mergebert_fusion.recipe.policy import BASE, Decision, SliceInputs, Treatment, natural, refuse_labels
from mergebert_fusion.recipe.reading import Recipe
from mergebert_fusion.recipe.slices import decisions_of, slice_inputs

COMPUTED = (Treatment.MERGE, Treatment.AVERAGE)
WRITTEN = (*COMPUTED, Treatment.COPY, Treatment.EQUAL)
LARGEST_SHARD = 5_000_000_000
# What changes the computation without changing a shape.
_CONFIG_KEYS = (
    *(
        "activation",
        "activation_function",
        "hidden_act",
        "hidden_activation",
        "layer_norm_eps",
        "layer_norm_epsilon",
    ),
    *("model_type", "n_head", "n_heads", "num_attention_heads", "num_heads", "num_key_value_heads"),
    *("position_embedding_type", "rms_norm_eps", "tie_word_embeddings"),
)
_DEPTHS = ("n_layer", "n_layers", "num_hidden_layers", "num_layers")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a merge is carried out; none of it changes a number."""

    device: str = "cpu"
    threads: int = 1
    largest_shard: int = LARGEST_SHARD


@dataclass(frozen=True)
class Shard:
    """One file of the model, by its tensors; the same tensors of every artifact get a file beside it."""

    decisions: tuple[Decision, ...]
    file: NewFile


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, as data."""

    recipe: Recipe
    models: Mapping[str, Checkpoint]
    base: Checkpoint | None
    architecture: Architecture
    slices: tuple[SliceInputs, ...]
    decisions: tuple[Decision, ...]
    merges: tuple[Merge, ...]  # by the method, one a slice
    averages: tuple[Merge, ...]
    shards: tuple[Shard, ...]
    config: Mapping[str, Any]  # of the output; empty where no input has one
    tokenizer: tuple[Path, ...]
    notes: tuple[str, ...]
    options: RunOptions

    @cached_property
    def merge_of(self) -> Mapping[str, Merge]:
        """The merge that computes each merged or averaged tensor."""
        return {place.name: merge for merge in (*self.merges, *self.averages) for place in merge.places}

    @property
    def separate(self) -> tuple[Decision, ...]:
        """The tensors that every model keeps for itself."""
        return tuple(decision for decision in self.decisions if decision.treatment is Treatment.SEPARATE)

    @property
    def passes(self) -> int:
        """How many times the inputs are read at most."""
        method = self.recipe.method
        return 1 + method.passes if isinstance(method, MergeMethod) else 2

    @property
    def bytes_read(self) -> int:
        """How many bytes one reading of all inputs takes."""
        inputs = [*self.models.values(), *([self.base] if self.base else [])]
        return sum(spec.size for model in inputs for spec in model.source.specs.values())

    @property
    def bytes_written(self) -> int:
        """How many bytes the merged model takes."""
        return sum(shard.file.size for shard in self.shards)

    @property
    def memory(self) -> int:
        """About how many bytes the blocks that are computed at one time take, beyond the program itself."""
        largest = max((_largest_block(merge) for merge in (*self.merges, *self.averages)), default=0)
        threads = self.options.threads
        inputs = len(self.models) + (self.base is not None)
        waiting = max(largest, min(AT_ONCE, largest * (2 * threads + 1)))
        at_work = min(threads, max(1, AT_ONCE // max(1, largest)))
        method = self.recipe.method
        counts = 8 << 16 if isinstance(method, MergeMethod) and method.survey is not None else 0
        return 4 * waiting + 4 * largest * (3 * inputs + 2) * at_work + counts * inputs * (2 * threads + 1)


@contextmanager
def planned_recipe(recipe: Recipe, options: RunOptions) -> Iterator[Plan]:
    """The plan of a recipe, whose checkpoints stay open for as long as the context does."""
    wanted = dict(recipe.checkpoints)
    if recipe.base is not None and recipe.method.base is not BaseUse.FIRST:
        wanted[BASE] = recipe.base
    with opened(wanted, recipe.file.parent) as checkpoints:
        base = checkpoints.pop(BASE, None)
        yield planned(recipe, checkpoints, base, options)


def planned(
    recipe: Recipe, models: Mapping[str, Checkpoint], base: Checkpoint | None, options: RunOptions
) -> Plan:
    """The plan of a recipe for these checkpoints."""
    inputs = [*models.values(), *([base] if base else [])]
    architecture = architecture_of(inputs[0].config, inputs[0].source.specs, recipe.architecture)
    _refuse_configs(inputs)
    slices = slice_inputs(recipe, models, base, architecture)
    decisions = tuple(sorted(decisions_of(slices, recipe), key=lambda decision: natural(decision.place.name)))
    trusted = tuple(refuse_labels(list(slices[-1].models.values()), decisions))
    if any(d.place.group is Group.EMBEDDING and d.treatment in COMPUTED for d in decisions):
        refuse_other_tokens(inputs)
    merges, averages = (
        tuple(_merges(recipe, slices, decisions, options, kind))
        for kind in (Treatment.MERGE, Treatment.AVERAGE)
    )
    if not merges:
        raise CheckpointError(
            "No tensor is left to merge: change the policy, or give models that share some."
        )
    return Plan(
        recipe=recipe,
        models=models,
        base=base,
        architecture=architecture,
        slices=slices,
        decisions=decisions,
        merges=merges,
        averages=averages,
        shards=tuple(_shards(recipe, decisions, options.largest_shard)),
        config=_config(recipe, models, base, decisions),
        tokenizer=tokenizer_files(recipe.tokenizer, list(models.values()), base or _first(recipe, models)),
        notes=tuple(dict.fromkeys((*_notes(recipe, architecture, inputs, decisions), *trusted))),
        options=options,
    )


def _merges(
    recipe: Recipe,
    slices: Sequence[SliceInputs],
    decisions: Sequence[Decision],
    options: RunOptions,
    kind: Treatment,
) -> Iterator[Merge]:
    """The merges of one kind, one a slice that has tensors for it."""
    for number, (inputs, written) in enumerate(zip(slices, recipe.slices, strict=True)):
        places = tuple(d.place for d in decisions if d.slice_number == number and d.treatment is kind)
        names = tuple(inputs.models)
        method: AnyMethod = recipe.method if kind is Treatment.MERGE else METHODS["average"]
        own = kind is Treatment.MERGE
        each: tuple[RawParameters, ...] = tuple(entry.parameters if own else {} for entry in written.models)
        if places:
            merge = Merge(
                method=method,
                names=names,
                models=tuple(model.source for model in inputs.models.values()),
                base=inputs.base.source if own and inputs.uses_base and inputs.base is not None else None,
                values=ParameterValues(method, written.parameters if own else {}, each, names),
                places=places,
                seed=recipe.seed,
                device=options.device,
                threads=options.threads,
            )
            assert merge.parameters_at  # what does not fit together is refused before anything is read
            yield merge


def _shards(recipe: Recipe, decisions: Sequence[Decision], largest: int) -> Iterator[Shard]:
    written = {d.place.name: d for d in decisions if d.treatment in WRITTEN}
    specs = {name: output_spec(d, recipe.dtype) for name, d in written.items()}
    files = split_into_shards(specs, largest)
    for name, held in zip(shard_names(len(files)), files, strict=True):
        yield Shard(tuple(written[tensor] for tensor in held), NewFile(name, held, {"format": "pt"}))


def output_spec(decision: Decision, dtype: str | None) -> TensorSpec:
    """Shape and type in which a tensor is written."""
    spec = replace(decision.spec, shape=decision.place.shape)
    if dtype is None or not spec.dtype.is_floating_point:
        return spec
    return replace(spec, dtype=OUTPUT_DTYPES[dtype])


def _notes(
    recipe: Recipe, architecture: Architecture, inputs: Sequence[Checkpoint], decisions: Sequence[Decision]
) -> Iterator[str]:
    """What the recipe, the architecture and the inputs give to note."""
    yield from recipe.notes
    if architecture is GENERIC:
        yield "The architecture is not known; layers, heads and embeddings are guessed from the names of the tensors."
    yield from _decision_notes(decisions)
    yield from _type_notes(recipe, inputs)
    if recipe.tokenizer is not None and not any(model.tokenizer for model in inputs):
        yield "No input has a tokenizer, so none is written."


def _decision_notes(decisions: Sequence[Decision]) -> Iterator[str]:
    """Notes on tensors that are not simply merged."""
    groups: dict[tuple[Treatment, str], list[str]] = {}
    for decision in decisions:
        if decision.why:
            groups.setdefault((decision.treatment, decision.why), []).append(decision.place.name)
    for (treatment, why), names in groups.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"{', '.join(names[:3])}{more}: {treatment.value} ({why})."


def _type_notes(recipe: Recipe, inputs: Sequence[Checkpoint]) -> Iterator[str]:
    """What becomes of numbers that not all models hold in one type."""
    names = {dtype: name for name, dtype in OUTPUT_DTYPES.items()}
    held = {}
    for model in inputs:
        types = {spec.dtype for spec in model.source.specs.values() if spec.dtype.is_floating_point}
        held[model.name] = " and ".join(sorted(names.get(dtype, str(dtype)) for dtype in types))
    if len(set(held.values())) > 1:
        shown = ", ".join(f"{name} {types}" for name, types in held.items())
        written = recipe.dtype or f"that of {inputs[0].name}"
        yield f"Numbers are of different types ({shown}); all are merged in float32 and written in {written}."


def _refuse_configs(inputs: Sequence[Checkpoint]) -> None:
    """Raises where configurations differ in what changes the computation but no shape, or numbers are packed."""
    first = inputs[0]
    for model in inputs:
        if model.config.get("quantization_config"):
            raise CheckpointError(
                f"{model.path} is quantized (quantization_config in its config.json), and packed numbers cannot be merged: "
                "merge the model that it was made from, or dequantize it first."
            )
    for other in inputs[1:]:
        for key in _CONFIG_KEYS:
            if key in first.config and key in other.config and first.config[key] != other.config[key]:
                raise CheckpointError(
                    f"{key} is {first.config[key]!r} in {first.path} but {other.config[key]!r} in {other.path}: only models "
                    "of one architecture can be merged."
                )


def _config(
    recipe: Recipe, models: Mapping[str, Checkpoint], base: Checkpoint | None, decisions: Sequence[Decision]
) -> dict[str, Any]:
    """The config.json of the output: that of the model whose head it has, with what the merge changed."""
    like = base if recipe.policy.heads == BASE else models.get(recipe.policy.heads)
    config = dict((like or next(iter(models.values()))).config)
    if recipe.dtype is not None:
        config |= {key: recipe.dtype for key in ("dtype", "torch_dtype") if key in config}
    layers = sum(stop - start for part in recipe.slices for start, stop in [part.models[0].layers or (0, 0)])
    if layers:
        config |= {key: layers for key in _DEPTHS if key in config}
    cut = [
        d.place.shape[0] for d in decisions if d.why.startswith("cut to") and d.place.group is Group.EMBEDDING
    ]
    if cut and "vocab_size" in config:
        config["vocab_size"] = cut[0]
    return config


def _first(recipe: Recipe, models: Mapping[str, Checkpoint]) -> Checkpoint | None:
    """The model that a recipe calls its base where the method knows none."""
    return next(iter(models.values())) if recipe.base is not None else None


def _largest_block(merge: Merge) -> int:
    """The elements of the largest block of a merge."""
    largest = max(place.elements for place in merge.places)
    if merge.grain is Grain.TENSOR:
        return largest
    rows = max((place.shape[-1] for place in merge.places if place.shape), default=0)
    return min(largest, max(BLOCK, rows))


def shown_size(count: int) -> str:
    """A number of bytes for people."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
