"""The one place that decides what happens to each tensor of a merge: merged, copied, kept apart, or left to a loader.

Heads, embeddings, tied tensors, integer buffers and norms are where models stop fitting each other. Whatever does not
fit is an error that names the tensor and the way out; whatever is left out is said in the plan and in the model card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Group, TensorPlace
from mergebert_fusion.errors import CheckpointError, RecipeError
from mergebert_fusion.io.architectures import Architecture, is_norm
from mergebert_fusion.io.checkpoint import Checkpoint
from mergebert_fusion.io.tensors import TensorSource, TensorSpec

MERGE, AVERAGE, BASE, SEPARATE = "merge", "average", "base", "separate"
SAME, COMMON, EQUAL = "same", "common", "equal"
RESERVED = frozenset((MERGE, AVERAGE, BASE, SEPARATE, SAME, COMMON, EQUAL))

_TOKEN_TABLE = re.compile(r"word_embeddings|embed_tokens|tok_embeddings|wte|shared|embed_in|(?:^|\.)words\.")
# Heads without labels: they predict tokens of the vocabulary, or stand before the head proper.
_UNLABELLED = re.compile(r"lm_head|cls\.predictions|lm_predictions|mask_predictions|vocab_|embed_out|pooler")
_STATISTICS = re.compile(r"(?:^|\.)running_(?:mean|var)$")


class Treatment(Enum):
    """What becomes of a tensor."""

    MERGE = "merged"
    AVERAGE = "averaged"
    COPY = "copied"
    EQUAL = "equal in all, copied"
    SEPARATE = "kept for each model"
    ALIAS = "a second name of another tensor, left to the loader"
    ABSENT = "not written"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a recipe says of the parts of a network that often do not fit; a model's name copies that model's part."""

    heads: str = MERGE  # merge, average (without the base), separate (kept for each model), base, or a model
    embeddings: str = MERGE  # merge, average, base, or a model
    norms: str = MERGE  # likewise
    biases: str = MERGE  # likewise
    buffers: str = EQUAL  # integer tensors: equal in all models, base, or a model
    vocabulary: str = SAME  # same, or common: the rows that every model has

    def __post_init__(self) -> None:
        for field in fields(self):
            said, allowed = getattr(self, field.name), _ALLOWED[field.name]
            if said in RESERVED and said not in allowed:
                raise RecipeError(f"{field.name} cannot be {said}; it is one of {', '.join(allowed)}.")
        if self.vocabulary not in (SAME, COMMON):
            raise RecipeError(f"vocabulary is {self.vocabulary!r}, but has to be {SAME} or {COMMON}.")


_ALLOWED = {
    "heads": (MERGE, AVERAGE, SEPARATE, BASE, "a model's name"),
    "embeddings": (MERGE, AVERAGE, BASE, "a model's name"),
    "norms": (MERGE, AVERAGE, BASE, "a model's name"),
    "biases": (MERGE, AVERAGE, BASE, "a model's name"),
    "buffers": (EQUAL, BASE, "a model's name"),
    "vocabulary": (SAME, COMMON),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one tensor, and of which model it is a copy."""

    place: TensorPlace
    treatment: Treatment
    spec: TensorSpec  # of the model that comes first; shape as it will be written
    source: str = ""
    why: str = ""
    slice_number: int = 0


@dataclass(frozen=True)
class SliceInputs:
    """The models of one slice, by the names their tensors will have, and the base where the method uses one."""

    models: Mapping[str, Checkpoint]
    base: Checkpoint | None
    uses_base: bool  # whether the method does
    architecture: Architecture
    policy: Policy
    layers: Mapping[str, int]

    def source(self, name: str) -> TensorSource:
        """The tensors of a model, or of the base, by the names they will have."""
        if name in self.models:
            return self.models[name].source
        assert self.base is not None
        return self.base.source

    def copied(self, decision: Decision, start: int, stop: int) -> Tensor:
        """The elements start to stop of a copied tensor, flat; raises CheckpointError where all have to be equal but are not."""
        name = decision.place.name
        values = self.source(decision.source).read(name, start, stop)
        for other, model in self.models.items() if decision.treatment is Treatment.EQUAL else ():
            if not torch.equal(values, model.source.read(name, start, stop)):
                raise CheckpointError(
                    f"{name} holds other values in {other} than in {decision.source}, and such numbers cannot be averaged: "
                    "take one model's with `policy: {buffers: NAME}`."
                )
        return values

    def decisions(self) -> Iterator[Decision]:
        """What becomes of every tensor that any of them has, in natural order of their names."""
        specs = {name: model.source.specs for name, model in self.models.items()}
        base = {} if self.base is None else self.base.source.specs
        names = sorted({*base, *(name for own in specs.values() for name in own)}, key=natural)
        config = next(iter(self.models.values())).config
        aliases = self.architecture.aliases(names, config)
        for name in names:
            have = {model: own[name] for model, own in specs.items() if name in own}
            yield self.decision(name, have, base.get(name), aliases.get(name))

    def decision(
        self, name: str, have: Mapping[str, TensorSpec], base: TensorSpec | None, alias: str | None
    ) -> Decision:
        """What becomes of one tensor."""
        first = next(iter(have.values()), base)
        assert first is not None
        place = self.architecture.place(name, first.shape, self.layers)
        if alias is not None:
            return Decision(place, Treatment.ALIAS, first, alias, f"the same tensor as {alias}")
        if not have:
            return Decision(place, Treatment.ABSENT, first, why="only the base has it")
        if len(have) < len(self.models):
            return self.partly_there(place, first, have)
        if not all(spec.dtype.is_floating_point for spec in have.values()):
            return self.buffer(place, have, base)
        choice = self.choice(place)
        if choice == SEPARATE:
            return Decision(place, Treatment.SEPARATE, first, why="heads: separate")
        if choice not in (MERGE, AVERAGE):
            return self.copy(place, choice, have, base)
        return self.merge(place, choice, have, base)

    def choice(self, place: TensorPlace) -> str:
        """What the policy says of the part of the network that a tensor belongs to."""
        if place.group is Group.HEAD:
            return self.policy.heads
        if place.group is Group.EMBEDDING and self.policy.embeddings != MERGE:
            return self.policy.embeddings
        if is_norm(place.name) and self.policy.norms != MERGE:
            return self.policy.norms
        if place.name.endswith("bias") and self.policy.biases != MERGE:
            return self.policy.biases
        return MERGE

    def partly_there(self, place: TensorPlace, first: TensorSpec, have: Mapping[str, TensorSpec]) -> Decision:
        """A tensor that some models lack."""
        missing = next(model for model in self.models if model not in have)
        if self.architecture.is_derived(place.name):
            return Decision(place, Treatment.ABSENT, first, why=f"{missing} lacks it, and loaders compute it")
        choice = self.choice(place)
        if choice == SEPARATE:
            return Decision(place, Treatment.SEPARATE, first, why="heads: separate")
        if choice in have:
            return self.copy(place, choice, have, None)
        if place.group is Group.HEAD:
            remedy = f"keep each model's head with `policy: {{heads: {SEPARATE}}}`, or take that of one model by its name"
        else:
            remedy = "merge models of one class only"
        raise CheckpointError(f"{place.name} is in {next(iter(have))} but not in {missing}: {remedy}.")

    def buffer(self, place: TensorPlace, have: Mapping[str, TensorSpec], base: TensorSpec | None) -> Decision:
        """A tensor of integers or truth values, which cannot be averaged."""
        first = next(iter(have.values()))
        odd = [model for model, spec in have.items() if spec.dtype.is_floating_point]
        if odd:
            raise CheckpointError(
                f"{place.name} holds numbers with a fraction in {odd[0]} but not in all: convert it first."
            )
        if self.policy.buffers != EQUAL:
            return self.copy(place, self.policy.buffers, have, base)
        if self.architecture.is_derived(place.name) and len({spec.shape for spec in have.values()}) > 1:
            return Decision(
                place, Treatment.ABSENT, first, why="the models differ in it, and loaders compute it"
            )
        self.refuse_shapes(place, have)
        return Decision(place, Treatment.EQUAL, first, next(iter(have)), "no number with a fraction")

    def copy(
        self, place: TensorPlace, choice: str, have: Mapping[str, TensorSpec], base: TensorSpec | None
    ) -> Decision:
        """A tensor that is taken from one model."""
        spec = base if choice == BASE else have.get(choice)
        if spec is None:
            holders = ", ".join((*have, *([BASE] if base is not None else [])))
            raise CheckpointError(
                f"{place.name} is to come from {choice}, which lacks it; it is in: {holders}."
            )
        return Decision(replace(place, shape=spec.shape), Treatment.COPY, spec, choice, f"from {choice}")

    def merge(
        self, place: TensorPlace, choice: str, have: Mapping[str, TensorSpec], base: TensorSpec | None
    ) -> Decision:
        """A tensor that is merged, or averaged where the base has no part in it."""
        first = next(iter(have.values()))
        specs = dict(have)
        if choice == MERGE and self.uses_base and self.base is not None:
            if base is None:
                raise CheckpointError(self.without_base(place))
            specs[BASE] = base
        shape = self.common_shape(place, specs)
        if _STATISTICS.search(place.name):
            why = "a running statistic: measure it again on data"
            return Decision(
                replace(place, shape=shape), Treatment.AVERAGE, TensorSpec(shape, first.dtype), why=why
            )
        treatment = Treatment.AVERAGE if choice == AVERAGE else Treatment.MERGE
        why = "averaged without the base" if choice == AVERAGE else ""
        if shape != first.shape:
            why = f"cut to the {shape[0]} rows that all have"
        return Decision(replace(place, shape=shape), treatment, TensorSpec(shape, first.dtype), why=why)

    def without_base(self, place: TensorPlace) -> str:
        """What to say of a tensor that the base lacks."""
        assert self.base is not None
        if place.group is Group.HEAD:
            remedy = f"set `policy: {{heads: {AVERAGE}}}` to average the heads, or `{{heads: {SEPARATE}}}` to keep each model's"
        else:
            remedy = "give the base_model that the models were fine-tuned from"
        return f"{place.name} is in the models but not in the base {self.base.path}: {remedy}."

    def common_shape(self, place: TensorPlace, specs: Mapping[str, TensorSpec]) -> tuple[int, ...]:
        """The shape that all agree on, or that the policy cuts them to."""
        shapes = {spec.shape for spec in specs.values()}
        if len(shapes) > 1 and self.policy.vocabulary == COMMON and self.is_vocabulary(place, specs):
            rows = min(shape[0] for shape in shapes)
            return (rows, *next(iter(shapes))[1:])
        self.refuse_shapes(place, specs)
        return next(iter(shapes))

    def refuse_shapes(self, place: TensorPlace, specs: Mapping[str, TensorSpec]) -> None:
        """Raises where models disagree on the shape of a tensor."""
        (one, shape), *others = ((model, spec.shape) for model, spec in specs.items())
        for other, differing in others:
            if differing != shape:
                if self.is_vocabulary(place, specs):
                    remedy = (
                        f"the vocabularies differ; if the ids mean the same tokens, `policy: {{vocabulary: {COMMON}}}` "
                        "merges the rows that all have"
                    )
                elif place.group is Group.HEAD:
                    remedy = f"the labels differ; `policy: {{heads: {SEPARATE}}}` keeps each model's head"
                else:
                    remedy = "only models of one architecture and size can be merged"
                raise CheckpointError(
                    f"{place.name} is {list(shape)} in {one} but {list(differing)} in {other}: {remedy}."
                )

    def is_vocabulary(self, place: TensorPlace, specs: Mapping[str, TensorSpec]) -> bool:
        """Whether shapes differ in nothing but the number of rows, one a token."""
        if len({spec.shape[1:] for spec in specs.values()}) > 1 or not all(
            spec.shape for spec in specs.values()
        ):
            return False
        if place.group is Group.EMBEDDING:
            return _TOKEN_TABLE.search(place.name) is not None
        return place.group is Group.HEAD and all(
            self.vocabulary_of(model) == spec.shape[0] for model, spec in specs.items()
        )

    def vocabulary_of(self, model: str) -> int | None:
        """How many rows the token embeddings of a model have."""
        checkpoint = self.models.get(model, self.base)
        assert checkpoint is not None
        rows = [
            spec.shape[0]
            for name, spec in checkpoint.source.specs.items()
            if spec.shape and _TOKEN_TABLE.search(name)
        ]
        return rows[0] if rows else None


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts layer 10 after layer 9, by the lengths of the numbers: Python reads none of 5000 digits."""
    parts = [
        (part, part.lstrip("0") if at % 2 else "") for at, part in enumerate(re.split(r"([0-9]+)", name))
    ]
    return tuple((at % 2 == 1, len(digits), f"{digits} {part}") for at, (part, digits) in enumerate(parts))


def refuse_labels(models: Sequence[Checkpoint], decisions: Sequence[Decision]) -> Iterator[str]:
    """Notes on labels that had to be taken on trust; raises where merged heads would mix labels."""
    heads = [
        decision.place.name
        for decision in decisions
        if decision.place.group is Group.HEAD
        and decision.treatment in (Treatment.MERGE, Treatment.AVERAGE)
        and not _UNLABELLED.search(decision.place.name)
    ]
    if not heads:
        return
    labels = {model.name: _labels(model) for model in models}
    named = {name: meanings for name, meanings in labels.items() if meanings is not None}
    unnamed = [name for name in labels if name not in named]
    if unnamed and len(models) > 1:
        yield f"{', '.join(unnamed)}: the labels have no names; heads are merged as if all meant the same by them."
    for name, meanings in named.items():
        first_name, first = next(iter(named.items()))
        for i in sorted({*meanings, *first}, key=natural):
            if meanings.get(i) != first.get(i):
                raise CheckpointError(
                    f"Label {i} of {heads[0]} is {first.get(i, 'missing')} in {first_name} but {meanings.get(i, 'missing')} in "
                    f"{name}: keep each model's head with `policy: {{heads: {SEPARATE}}}`."
                )


def _labels(model: Checkpoint) -> Mapping[str, str] | None:
    """What the labels of a model mean, by number; None where it gives nothing but numbers."""
    labels = model.config.get("id2label")
    if not isinstance(labels, dict) or all(str(label) == f"LABEL_{i}" for i, label in labels.items()):
        return None
    return {str(i): str(label) for i, label in labels.items()}
