"""DARE before TIES: drop and rescale at random, then merge what agrees in sign.

d'_t as in dare_linear.py; g = sign(sum_t weight_t d'_t); W = W_0 + scaling * the mean of the d'_t that have the sign g.
Yu et al., arXiv 2311.03099, with Yadav et al., arXiv 2306.01708.

The authors' code trims to the largest 20 % in between. A density of 0.2 or less leaves that trim nothing to cut, so it
is left out, as in mergekit; mergekit adds up by default where TIES takes the mean (`normalize: false`).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.maths.sparsify import rescale_setting
from mergebert_fusion.methods.dare_linear import ModelParameters, dropped, grain
from mergebert_fusion.methods.ties import ElectionParameters, base_plus_elected


@dataclass(frozen=True, slots=True)
class Parameters(ElectionParameters):
    """What a recipe may set for a tensor, or for the whole merge."""

    rescale: str = rescale_setting()


def dare_ties(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * the disjoint mean of the dropped and rescaled task vectors."""
    return base_plus_elected(block, dropped(block))


METHOD = MergeMethod(
    name="dare_ties",
    summary="task vectors with most entries dropped at random, merged where they agree in sign",
    reference="Yu et al., Language Models are Super Mario (DARE), arXiv 2311.03099",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    merge=dare_ties,
    grain=grain,
)
