"""How sparse task vectors become one model: all added up, or those that agree in sign merged as in TIES."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.arithmetic import normalised, weighted_sum
from mergebert_fusion.maths.signs import weighted_agreement


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a recipe may set for a tensor where vectors are merged by their elected sign."""

    scaling: float = setting(1.0, "multiplies the merged task vector", alias=("lambda",))
    normalize: bool = setting(True, "the mean of those that have the elected sign; false for their sum")


def added(block: Block[Any, Any, Any], vectors: Sequence[Tensor]) -> Tensor:
    """W_0 + scaling * sum_t weight_t v_t, the weights divided by their sum when told so."""
    weights = [model.weight for model in block.each]
    summed = weighted_sum(vectors, normalised(weights) if block.parameters.normalize else weights)
    scaling: float = block.parameters.scaling
    return block.origin + summed * scaling


def agreed(block: Block[Any, Any, Any], vectors: Sequence[Tensor]) -> Tensor:
    """W_0 + scaling * the mean (or sum) of the weighted vectors that have the sign of their sum."""
    weights = [model.weight for model in block.each]
    merged = weighted_agreement(vectors, weights, block.parameters.normalize)
    scaling: float = block.parameters.scaling
    return block.origin + merged * scaling
