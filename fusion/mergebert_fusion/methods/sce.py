"""SCE: select the entries in which models differ, calculate how much each model counts, erase minority signs.

For each tensor: (1) of the positions whose variance over the task vectors is not 0, keep the select_topk share with the
largest; (2) weigh each model by the mean square of what it keeps; (3) take the weighted mean of the entries that have
the sign of their sum, + where it is 0. W = W_0 + that mean. Wan et al., FuseChat, arXiv 2408.07990.

The body of the paper could not be read. The authors' code (FuseAI) uses the selection for the weights alone and merges all
entries: `selected: false`. mergekit, and the default here, merges the selected ones only; where all models agree to
the bit nothing is selected then, and the base is kept. mergekit takes the weights for equal as soon as the mean squares
add up to less than 1e-6, as those of most fine-tunings do; here they never are. The count selected is rounded to the
nearest whole number but at least one; equal variances rank in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import NoParameters, setting
from mergebert_fusion.maths.arithmetic import dot, mean, normalised, weighted_sum
from mergebert_fusion.maths.signs import disjoint_mean, elected_signs
from mergebert_fusion.maths.sparsify import kept_count, largest_mask, masked


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    select_topk: float = setting(1.0, "the share of positions that is selected", at_least=0, at_most=1)
    selected: bool = setting(True, "merge selected entries only; false for all of them (the authors' code)")


def sce(block: Block[Parameters, NoParameters, None]) -> Tensor:
    """W_0 plus the weighted disjoint mean of the selected entries."""
    vectors = block.task_vectors
    selected = _selected(vectors, block.parameters.select_topk)
    squares = [dot(vector, vector) for vector in selected]
    if sum(squares) == 0:
        return block.origin.clone()
    merged = selected if block.parameters.selected else vectors
    return block.origin + disjoint_mean(merged, elected_signs(merged, 1.0), normalised(squares))


def _selected(vectors: Sequence[Tensor], share: float) -> Sequence[Tensor]:
    """The vectors with 0 in place of all but the positions of largest variance."""
    if share == 1:
        return vectors
    variances = _variances(vectors)
    mask = largest_mask(variances, kept_count(share, int(torch.count_nonzero(variances))))
    return [masked(vector, mask) for vector in vectors]


def _variances(vectors: Sequence[Tensor]) -> Tensor:
    """The variance over the vectors at each position, but for a factor that is the same for all."""
    middle = mean(vectors)
    deviations = [vector - middle for vector in vectors]
    return weighted_sum([deviation * deviation for deviation in deviations], [1.0] * len(vectors))


METHOD = MergeMethod(
    name="sce",
    summary="the changes in which models differ most, models weighted by how much they changed",
    reference="Wan et al., FuseChat, arXiv 2408.07990",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    least_models=2,
    merge=sce,
    grain=Grain.TENSOR,
)
