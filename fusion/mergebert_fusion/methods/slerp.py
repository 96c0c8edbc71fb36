"""Spherical linear interpolation between two models, tensor by tensor.

W = sin((1-t) a) / sin(a) W_1 + sin(t a) / sin(a) W_2, where a is the angle between the two tensors taken as vectors.
Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985; for weights there is no paper, the practice is
mergekit's. The first model (a recipe's base_model) is t = 0.

As in mergekit, tensors whose cosine is above 0.9995 are interpolated along the straight line, where the two differ
by less than 0.02 %. Fine-tunings of one base are mostly that parallel, so that slerp is their average: nuslerp with a
base turns what each of them changed instead. Unlike there, a cosine below -0.9995 follows the arc too; only vectors
that are opposite (or zero) have no arc of their own and take the straight line. No sign is flipped for a shorter path,
as is done with quaternions: a tensor and its negative are different weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import NoParameters, setting
from mergebert_fusion.maths.arithmetic import weighted_sum
from mergebert_fusion.maths.sphere import arc, cosine

STRAIGHT = 0.9995  # mergekit's, and that of the script it comes from


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    t: float = setting(0.5, "0 for the first model (base_model), 1 for the second", at_least=0, at_most=1)


def slerp(block: Block[Parameters, NoParameters, None]) -> Tensor:
    """The tensor a share t of the way along the arc from the first model to the second."""
    first, second = block.models
    return weighted_sum(block.models, arc(block.parameters.t, cosine(first, second), STRAIGHT))


METHOD = MergeMethod(
    name="slerp",
    summary="two models interpolated along the arc between them",
    reference="Shoemake, SIGGRAPH 1985; for weights: mergekit",
    family=Family.AVERAGES,
    base=BaseUse.FIRST,
    parameters=Parameters,
    least_models=2,
    most_models=2,
    merge=slerp,
    grain=Grain.TENSOR,
)
