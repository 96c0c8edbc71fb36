"""Consensus merging: a multi-task vector without the entries that too few models make use of.

W = W_0 + scaling * D * [ sum_t m_t >= k ], with the multi-task vector D and the masks m_t of TALL-masks. k = 1 removes
the entries no model uses (catastrophic), k = 2 also those that one uses alone (selfish), k = 0 none, and a k beyond the
number of models leaves the base. Wang et al., arXiv 2405.07813; k = 2 in the authors' code, the scaling chosen on
validation data from 0.1 to 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.methods import tall_masks
from mergebert_fusion.methods.ties import TiesStatistics


@dataclass(frozen=True, slots=True)
class Parameters(tall_masks.Parameters):
    """What a recipe may set for a tensor, or for the whole merge."""

    k: int = setting(2, "how many models have to use an entry for it to be kept", at_least=0)


def consensus(block: Block[Parameters, tall_masks.ModelParameters, TiesStatistics]) -> Tensor:
    """W_0 + scaling * D where at least k masks are true, and W_0 elsewhere."""
    vector = tall_masks.multi_task_vector(block)
    users = torch.stack(tall_masks.task_masks(block, vector)).sum(0)
    return block.origin + vector.masked_fill(users < block.parameters.k, 0.0) * block.parameters.scaling


METHOD = MergeMethod(
    name="consensus",
    summary="the summed changes without the entries that fewer than k models use",
    reference="Wang et al., Localizing Task Information for Improved Model Merging and Compression, arXiv 2405.07813",
    family=Family.MASKS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=tall_masks.ModelParameters,
    least_models=2,
    merge=consensus,
    grain=Grain.ELEMENT,
    survey=tall_masks.survey,
    passes=3,
)
