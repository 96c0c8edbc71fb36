"""TIES: trim every task vector, elect a sign for each element, merge those that have it.

1. Trim: keep the `density` largest entries of a whole task vector, all tensors together.
2. Elect: g = sign(sum_t d_t) of the trimmed vectors ("mass"); where they cancel, the sign of the sum of all g.
3. Disjoint mean: m = mean of the trimmed d_t[j] with the sign g[j]; W = W_0 + scaling * m.

Yadav et al., arXiv 2306.01708; the body of the paper could not be read, so this follows the authors' code (ties-merging,
merge_utils.py) without its two faults in counting (see trimming.py), and without its rule that an element whose majority
is nobody's either is merged from the negative entries: such an element keeps the base.

Named options that are not the paper's: `trim: tensor` trims each tensor by itself and `sign: weighted` elects the sign
of the weighted vectors, + where they cancel; both together are mergekit's ties. `normalize: false` is the disjoint sum of
AdaMerging, fusion_bench and TALL-masks, which then takes a scaling of about 0.3. Weights are no part of the paper; under
`sign: mass` they weigh the mean and not the vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod, Survey, SurveyInputs
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.maths.signs import (
    disjoint_mean,
    disjoint_sum,
    elected_signs,
    surveyed_majority,
    weighted_agreement,
)
from mergebert_fusion.maths.trimming import Thresholds, surveyed_thresholds, trimmed


@dataclass(frozen=True, slots=True)
class ElectionParameters:
    """What a recipe may set for a tensor where vectors are merged by their elected sign."""

    scaling: float = setting(1.0, "multiplies the merged task vector", alias=("lambda",))
    normalize: bool = setting(True, "the mean of those that have the elected sign; false for their sum")


@dataclass(frozen=True, slots=True)
class Parameters(ElectionParameters):
    """What a recipe may set for a tensor, or for the whole merge."""

    trim: str = setting(
        "model",
        "what is trimmed as one vector: the model (paper) or each tensor (mergekit)",
        choices=("model", "tensor"),
        varies=False,
    )
    sign: str = setting(
        "mass",
        "whose sum elects the sign: the task vectors (mass, paper) or the weighted ones (mergekit)",
        choices=("mass", "weighted"),
        varies=False,
    )


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    density: float = setting(0.2, "the share of entries that is kept", at_least=0, at_most=1)
    weight: float = setting(1.0, "how much this model counts")


@dataclass(frozen=True, slots=True)
class TiesStatistics:
    """Of whole models: the smallest magnitude each keeps, and the sign where task vectors cancel."""

    thresholds: Thresholds = ()
    majority: float = 0.0


TiesBlock = Block[Parameters, ModelParameters, TiesStatistics]


def survey(inputs: SurveyInputs) -> Survey[TiesStatistics]:
    """The thresholds of the trim and the majority of all elected signs, as far as the options need them."""
    thresholds: Thresholds = ()
    majority = 0.0
    if inputs.parameters.trim == "model":
        thresholds = yield from surveyed_thresholds(_densities)
    if inputs.parameters.sign == "mass":
        majority = yield from surveyed_majority(lambda block: _trimmed(block, thresholds))
    return TiesStatistics(thresholds, majority)


def local_survey(inputs: SurveyInputs) -> Survey[Thresholds]:
    """The thresholds of a trim of each tensor by itself, where that is asked for."""
    return (yield from surveyed_thresholds(_densities)) if inputs.parameters.trim == "tensor" else ()


def ties(block: TiesBlock) -> Tensor:
    """W_0 + scaling * the disjoint mean of the trimmed task vectors."""
    vectors = _trimmed(block, block.found.thresholds)
    if block.parameters.sign == "weighted":
        return base_plus_elected(block, vectors)
    weights = [model.weight for model in block.each]
    merge = disjoint_mean if block.parameters.normalize else disjoint_sum
    merged = merge(vectors, elected_signs(vectors, block.found.majority), weights)
    return block.origin + merged * block.parameters.scaling


def base_plus_elected(block: Block[Any, Any, Any], vectors: Sequence[Tensor]) -> Tensor:
    """W_0 + scaling * the mean (or sum) of the weighted vectors that have the sign of their sum."""
    weights = [model.weight for model in block.each]
    scaling: float = block.parameters.scaling
    return block.origin + weighted_agreement(vectors, weights, block.parameters.normalize) * scaling


def check(parameters: Parameters, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses weights that would turn a vector against the sign that it voted for."""
    for name, model in zip(names, each, strict=True):
        if parameters.sign == "mass" and model.weight < 0:
            raise RecipeError(
                f"The weight of {name} is negative: set sign to weighted, so that it votes that way."
            )


def _densities(block: TiesBlock) -> list[float]:
    return [model.density for model in block.each]


def _trimmed(block: TiesBlock, thresholds: Thresholds) -> list[Tensor]:
    own = block.local if block.parameters.trim == "tensor" else thresholds
    return trimmed(block.task_vectors, _densities(block), own)


METHOD = MergeMethod(
    name="ties",
    summary="the largest changes of each model, merged where they agree in sign",
    reference="Yadav et al., TIES-Merging, arXiv 2306.01708",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=ties,
    grain=Grain.ELEMENT,
    survey=survey,
    local=local_survey,
    passes=5,
)
