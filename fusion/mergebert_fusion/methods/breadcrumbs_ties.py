"""Model Breadcrumbs before TIES: the middle of each task vector, merged where the vectors agree in sign.

d'_t as in breadcrumbs.py; g = sign(sum_t weight_t d'_t); W = W_0 + scaling * the mean of the d'_t that have the sign g.
arXiv 2312.06795 with arXiv 2306.01708; the combination and its name are mergekit's, which adds up by default where TIES
takes the mean (`normalize: false`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.methods.breadcrumbs import ModelParameters, grain, middles, within_setting
from mergebert_fusion.methods.ties import ElectionParameters, base_plus_elected


@dataclass(frozen=True, slots=True)
class Parameters(ElectionParameters):
    """What a recipe may set for a tensor, or for the whole merge."""

    within: str = within_setting()


def breadcrumbs_ties(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * the disjoint mean of the middles of the task vectors."""
    return base_plus_elected(block, middles(block))


METHOD = MergeMethod(
    name="breadcrumbs_ties",
    summary="the changes that are neither large nor small, merged where they agree in sign",
    reference="Davari and Belilovsky, Model Breadcrumbs, arXiv 2312.06795",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    merge=breadcrumbs_ties,
    grain=grain,
)
