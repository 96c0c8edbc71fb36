"""Layer swapping: the middle layers of a task expert between the bottom and top layers of a language expert.

Of layers 0 .. L-1, the `bottom` first and the `top` last are those of the language expert, the others those of the task
expert; `transition_bottom` and `transition_top` layers next to them are blends w W_language + (1 - w) W_task. Bandarkar
et al., Layer Swapping for Zero-Shot Cross-Lingual Transfer, arXiv 2410.01335 (no official code; the body of the paper
could not be read). Counts left open are shares of the layers as in its 32-layer model, known at second hand: 5 bottom
and 2 top layers, one transition layer at each side. Where the paper puts what lies outside the layers is not known;
here embeddings and final norm follow the language expert, which they touch, and everything else the task expert.

`rule: change` decides layer by layer and needs the base: with r the sum over a layer's matrices of |W - W_0| / |W_0|,
divided by its sum over all layers, the expert with the larger r gives the layer, and within tau they are blended. Shin
and Hwang, Layer-wise Swapping for Generalizable Multilingual Safety, arXiv 2601.22620; from its code, in which what lies
outside the layers is blended in halves (set embeddings, norm and head to blend).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain, Group, TensorPlace
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod, Pass, Survey, SurveyInputs
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.maths.arithmetic import dot, sum_by_key, weighted_sum

ROLES = ("task", "language")
_SIDES = (*ROLES, "blend")
_BOTTOM, _TOP = 5 / 32, 2 / 32  # of the layers, in the paper's model
_FEWEST = 3  # layers: one at either end and one between them

Layer: TypeAlias = tuple[str, int]  # stack and index
# Of each matrix, float64 squared norms [3]: of the base, and of what each role changed.
Squares: TypeAlias = Mapping[tuple[Layer, str], Tensor]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for the whole merge."""

    rule: str = setting(
        "position",
        "what decides on a layer: its position, or which expert changed it more (needs base_model)",
        choices=("position", "change"),
        varies=False,
    )
    bottom: int | None = setting(None, "first layers from the language expert", at_least=0, varies=False)
    top: int | None = setting(None, "last layers from the language expert", at_least=0, varies=False)
    transition_bottom: int = setting(1, "blended layers above the bottom ones", at_least=0, varies=False)
    transition_top: int = setting(1, "blended layers below the top ones", at_least=0, varies=False)
    blend: float = setting(0.5, "how much of a blend is the language expert", at_least=0, at_most=1)
    embeddings: str = setting("language", "where embeddings come from", choices=_SIDES, varies=False)
    norm: str = setting(
        "language", "where the norm after the last layer comes from", choices=_SIDES, varies=False
    )
    head: str = setting("task", "where heads and all that is left come from", choices=_SIDES, varies=False)
    tau: float = setting(
        0.001, "rule change: shares that differ by less are blended", at_least=0, varies=False
    )


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe has to say of each model."""

    role: str | None = setting(None, "which expert this model is", choices=ROLES, varies=False)


@dataclass(frozen=True, slots=True)
class Leads:
    """By how much the language expert's share of change is larger than the task expert's, in every layer."""

    of: Mapping[Layer, float] = field(default_factory=dict)


def survey(inputs: SurveyInputs) -> Survey[Leads]:
    """The leads of all layers under `rule: change`; none under `rule: position`."""
    if inputs.parameters.rule == "position":
        return Leads()
    found: Squares = yield Pass(_squares, sum_by_key)
    return Leads(_leads(found))


def layer_swap(block: Block[Parameters, ModelParameters, Leads]) -> Tensor:
    """The tensor of one expert, or a blend of both."""
    task, language = (block.models[_position(block.each, role)] for role in ROLES)
    share = language_share(block.place, block.parameters, block.found)
    if share in (0.0, 1.0):
        return (language if share else task).clone()
    return weighted_sum((language, task), (share, 1 - share))


def language_share(place: TensorPlace, parameters: Parameters, leads: Leads) -> float:
    """The weight of the language expert in the tensor at a place; the rest is the task expert's."""
    sides = {Group.EMBEDDING: parameters.embeddings, Group.NORM: parameters.norm}
    if place.layer is None:
        side = sides.get(place.group, parameters.head)
    elif parameters.rule == "change":
        lead = leads.of.get((place.stack, place.layer), 0.0)
        side = "blend" if abs(lead) <= parameters.tau else ROLES[lead > 0]
    else:
        side = _side_by_position(place.layer, place.layers, parameters)
    return {"task": 0.0, "language": 1.0}.get(side, parameters.blend)


def _side_by_position(layer: int, layers: int, parameters: Parameters) -> str:
    if (parameters.bottom or 0) + (parameters.top or 0) > layers:
        raise RecipeError(f"bottom and top add up to more than the {layers} layers there are: lower them.")
    if parameters.bottom is None and parameters.top is None and layers < _FEWEST:
        raise RecipeError(
            f"The defaults of layer_swap leave none of {layers} layer(s) to the task expert: give bottom and top."
        )
    bottom = max(1, round(_BOTTOM * layers)) if parameters.bottom is None else parameters.bottom
    top = max(1, round(_TOP * layers)) if parameters.top is None else parameters.top
    above, below = layer - bottom, layers - top - 1 - layer  # layers between this one and either block
    if above < 0 or below < 0:
        return "language"
    is_transition = (bottom and above < parameters.transition_bottom) or (
        top and below < parameters.transition_top
    )
    return "blend" if is_transition else "task"


def _squares(block: Block[Parameters, ModelParameters, None]) -> Squares:
    """What a block of a layer's matrix adds to its squared norms."""
    if block.base is None:
        raise RecipeError(
            "layer_swap with rule change compares the experts with their base: give base_model."
        )
    place = block.place
    if place.layer is None or not place.is_linear:
        return {}
    task, language = (block.task_vectors[_position(block.each, role)] for role in ROLES)
    squares = (dot(block.base, block.base), dot(task, task), dot(language, language))
    return {((place.stack, place.layer), place.name): torch.tensor(squares, dtype=torch.float64)}


def _leads(found: Squares) -> dict[Layer, float]:
    """The language expert's share of all relative change minus the task expert's, layer by layer."""
    task: dict[Layer, float] = {}
    language: dict[Layer, float] = {}
    for (layer, _), squares in found.items():
        base, by_task, by_language = squares.tolist()
        scale = base if base > 0 else 1.0
        task[layer] = task.get(layer, 0.0) + math.sqrt(by_task / scale)
        language[layer] = language.get(layer, 0.0) + math.sqrt(by_language / scale)
    return {layer: _share(language, layer) - _share(task, layer) for layer in task}


def _share(changes: Mapping[Layer, float], layer: Layer) -> float:
    """What part of the change of a whole stack lies in one of its layers."""
    whole = math.fsum(change for (stack, _), change in changes.items() if stack == layer[0])
    return changes[layer] / whole if whole > 0 else 0.0


def _position(each: Sequence[ModelParameters], role: str) -> int:
    return next(i for i, model in enumerate(each) if model.role == role)


def check(parameters: Parameters, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses models that are not one task expert and one language expert."""
    if sorted(str(model.role) for model in each) != sorted(ROLES):
        raise RecipeError("layer_swap needs one model with role: task and one with role: language.")


METHOD = MergeMethod(
    name="layer_swap",
    summary="bottom and top layers of a language expert around the middle layers of a task expert",
    reference="Bandarkar et al., Layer Swapping, arXiv 2410.01335",
    family=Family.LAYERS,
    base=BaseUse.OPTIONAL,
    parameters=Parameters,
    model_parameters=ModelParameters,
    least_models=2,
    most_models=2,
    check=check,
    merge=layer_swap,
    grain=Grain.ELEMENT,
    survey=survey,
    passes=1,
)
