"""TALL-masks: one multi-task vector, and a mask for each model that finds its part of it again.

D = sum_t d_t (or the disjoint sum of TIES), m_t = [ |d_t| > threshold * |D - d_t| ], and model t is restored as
W_0 + m_t * D. Wang et al., Localizing Task Information, arXiv 2405.07813; equations as in the authors' code (tall_masks,
src/utils/tallmask_utils.py), where lambda, here `threshold`, is chosen for each task on validation data among
0.2, 0.3, ..., 0.6. fusion_bench compares |W_0 - d_t| with threshold * |D - d_t| instead and so keeps nearly everything.

The merged model is W_0 + scaling * D, that is task arithmetic or TIES; what this method is for are its artifacts: the
vector and one bit an element for each model, instead of a whole model each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import MERGED, BaseUse, Family, MergeMethod, Survey, SurveyInputs
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.arithmetic import weighted_sum
from mergebert_fusion.maths.signs import disjoint_sum, elected_signs, surveyed_majority
from mergebert_fusion.maths.trimming import Thresholds, surveyed_thresholds, trimmed
from mergebert_fusion.methods.ties import TiesStatistics


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor, or for the whole merge."""

    vector: str = setting(
        "sum",
        "the multi-task vector: the sum of the task vectors, or the disjoint sum of TIES",
        choices=("sum", "ties"),
        varies=False,
    )
    density: float = setting(
        0.2, "with vector: ties, the share of entries that is kept", at_least=0, at_most=1
    )
    scaling: float = setting(1.0, "multiplies the multi-task vector in the merged model", alias=("lambda",))


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    threshold: float = setting(
        0.4, "how far from the multi-task vector an entry may be to be kept", at_least=0
    )


P = TypeVar("P", bound=Parameters)


def survey(inputs: SurveyInputs) -> Survey[TiesStatistics]:
    """What TIES surveys, where it makes the multi-task vector."""
    if inputs.parameters.vector == "sum":
        return TiesStatistics()
    thresholds = yield from surveyed_thresholds(_densities)
    majority = yield from surveyed_majority(lambda block: _trimmed(block, thresholds))
    return TiesStatistics(thresholds, majority)


def multi_task_vector(block: Block[P, ModelParameters, TiesStatistics]) -> Tensor:
    """D: the sum of the task vectors, or their disjoint sum."""
    ones = [1.0] * len(block.models)
    if block.parameters.vector == "sum":
        return weighted_sum(block.task_vectors, ones)
    vectors = _trimmed(block, block.found.thresholds)
    return disjoint_sum(vectors, elected_signs(vectors, block.found.majority), ones)


def task_masks(block: Block[P, ModelParameters, TiesStatistics], vector: Tensor) -> list[Tensor]:
    """The mask of every model: where its task vector is large beside the rest of the multi-task vector."""
    own = zip(block.task_vectors, block.each, strict=True)
    return [change.abs() > (vector - change).abs() * model.threshold for change, model in own]


def merged(block: Block[P, ModelParameters, TiesStatistics]) -> dict[str, Tensor]:
    """W_0 + scaling * D, and what restores the models: D and the mask of each."""
    vector = multi_task_vector(block)
    return vector_and_masks(block, vector, task_masks(block, vector))


def vector_and_masks(
    block: Block[Any, Any, Any], vector: Tensor, masks: Sequence[Tensor]
) -> dict[str, Tensor]:
    """W_0 + scaling * vector, and as artifacts the vector and the mask of each model."""
    model = block.origin + vector * block.parameters.scaling
    named = zip(block.names, masks, strict=True)
    return {MERGED: model, "vector": vector, **{f"mask.{name}": mask for name, mask in named}}


def masked_vector(artifacts: Mapping[str, Tensor], model: str) -> Tensor:
    """The entries of the vector under the mask of one model, and zeros elsewhere."""
    return artifacts["vector"] * artifacts[f"mask.{model}"]


def restored(block: Block[None, None, TiesStatistics], artifacts: Mapping[str, Tensor], model: str) -> Tensor:
    """W_0 + m_t * D."""
    return block.origin + masked_vector(artifacts, model)


def _densities(block: Block[P, ModelParameters, TiesStatistics]) -> list[float]:
    return [block.parameters.density] * len(block.models)


def _trimmed(block: Block[P, ModelParameters, TiesStatistics], thresholds: Thresholds) -> list[Tensor]:
    return trimmed(block.task_vectors, _densities(block), thresholds)


METHOD = MergeMethod(
    name="tall_masks",
    summary="one vector for all models and a mask for each, to restore every one of them",
    reference="Wang et al., Localizing Task Information for Improved Model Merging and Compression, arXiv 2405.07813",
    family=Family.MASKS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    merge=merged,
    grain=Grain.ELEMENT,
    survey=survey,
    passes=3,
    restore=restored,
    found_type=TiesStatistics,
)
