"""The slices of a recipe as models whose tensors go by the names they will have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mergebert_fusion.contract.block import Group
from mergebert_fusion.contract.method import BaseUse, MergeMethod
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.io.architectures import Architecture
from mergebert_fusion.io.checkpoint import Checkpoint
from mergebert_fusion.io.tensors import RenamedSource
from mergebert_fusion.recipe.policy import Decision, SliceInputs
from mergebert_fusion.recipe.reading import Recipe, Slice


def slice_inputs(
    recipe: Recipe, models: Mapping[str, Checkpoint], base: Checkpoint | None, architecture: Architecture
) -> tuple[SliceInputs, ...]:
    """The models of every slice; the layers of each slice are numbered on from those of the one before."""
    if len(recipe.slices) > 1 and not (
        isinstance(recipe.method, MergeMethod) and recipe.method.survey is None
    ):
        raise RecipeError(f"{recipe.method.name} has to see whole models: give models instead of slices.")
    found, offset = [], 0
    for number, slice_ in enumerate(recipe.slices):
        ends = (number == 0, number == len(recipe.slices) - 1)
        found.append(_inputs_of(recipe, slice_, models, base, architecture, offset, ends))
        offset += _length(slice_)
    return tuple(found)


def decisions_of(slices: tuple[SliceInputs, ...], recipe: Recipe) -> Iterator[Decision]:
    """What becomes of every tensor of every slice; layers count within their slice, as gradients do."""
    offset = 0
    for number, (slice_, written) in enumerate(zip(slices, recipe.slices, strict=True)):
        for decision in slice_.decisions():
            place = decision.place
            if place.layer is not None:
                place = replace(place, layer=place.layer - offset)
            yield replace(decision, place=place, slice_number=number)
        offset += _length(written)


def _inputs_of(
    recipe: Recipe,
    slice_: Slice,
    models: Mapping[str, Checkpoint],
    base: Checkpoint | None,
    architecture: Architecture,
    offset: int,
    ends: tuple[bool, bool],
) -> SliceInputs:
    chosen = {entry.name: models[entry.name] for entry in slice_.models}
    first = next(iter(chosen.values()))
    layers = architecture.depths(first.source.specs)
    ranges = {entry.name: entry.layers for entry in slice_.models if entry.layers is not None}
    if ranges:
        if len(layers) != 1:
            raise RecipeError(
                f"{first.path} has {len(layers)} stacks of layers, so that slices are not clear: give models."
            )
        lengths = {stop - start for start, stop in ranges.values()}
        if len(lengths) > 1 or len(ranges) < len(chosen):
            raise RecipeError("The sources of a slice need layer ranges of one length.")
        own = ranges[first.name]
        chosen = {
            name: _sliced(model, architecture, ranges[name], offset, ends) for name, model in chosen.items()
        }
        base = None if base is None else _sliced(base, architecture, own, offset, ends)
        layers = {next(iter(layers)): own[1] - own[0]}
    uses_base = recipe.method.base in (BaseUse.REQUIRED, BaseUse.OPTIONAL)
    return SliceInputs(chosen, base, uses_base, architecture, recipe.policy, layers)


def _sliced(
    model: Checkpoint,
    architecture: Architecture,
    layers: tuple[int, int],
    offset: int,
    ends: tuple[bool, bool],
) -> Checkpoint:
    """A model with some of its layers, what comes before them and what comes after."""
    depth = max(architecture.depths(model.source.specs).values())
    if layers[1] > depth:
        raise RecipeError(f"layer_range {list(layers)} reaches beyond the {depth} layers of {model.path}.")
    names = {}
    for name, spec in model.source.specs.items():
        place = architecture.place(name, spec.shape, {})
        if place.layer is not None:
            if layers[0] <= place.layer < layers[1]:
                names[architecture.renumbered(name, offset - layers[0])] = name
        elif ends[1] if place.group in (Group.NORM, Group.HEAD) else ends[0]:
            names[name] = name
    return replace(model, source=RenamedSource(model.source, names))


def _length(slice_: Slice) -> int:
    layers = slice_.models[0].layers
    return 0 if layers is None else layers[1] - layers[0]
