"""Multi-SLERP: any number of models averaged on the sphere in one step.

Of the directions u_t = d_t / |d_t| of each tensor (d_t = W_t - W_0, or W_t without a base) the weighted mean m is put
back on the sphere and given the weighted mean of the norms: W = W_0 + (sum_t a_t |d_t|) m / |m|, m = sum_t a_t u_t.
There is no paper: method and name are mergekit's (Goddard, blog). Its code goes on to average the u_t in the tangent
space at m / |m|, where they cancel by the choice of m, so that this is all it computes; karcher.py finds the true mean.

Where m is 0 (opposite vectors) there is no direction: the weighted mean of the models is taken, whatever their number.
A model that did not change a tensor counts for the norm and has no say in the direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.maths.arithmetic import weighted_sum
from mergebert_fusion.maths.sphere import directions
from mergebert_fusion.methods.task_arithmetic import weights_of


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    normalize: bool = setting(True, "divide the weights by their sum", alias=("normalize_weights",))


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    weight: float = setting(1.0, "how much this model counts", at_least=0)


def multislerp(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 plus the mean direction of the task vectors, at their mean norm."""
    vectors = block.vectors
    return block.on_base(weighted_sum(vectors, _coefficients(vectors, weights_of(block))))


def _coefficients(vectors: Sequence[Tensor], weights: Sequence[float]) -> Sequence[float]:
    sphere = directions(vectors)
    mean = sphere.mean(weights)
    return weights if mean is None else sphere.coefficients(mean, sphere.mean_norm(weights))


def check(parameters: object, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses weights of which none counts."""
    if sum(model.weight for model in each) == 0:
        raise RecipeError("The weights add up to 0: give at least one model a weight above 0.")


METHOD = MergeMethod(
    name="multislerp",
    summary="the mean direction of several models or of their changes, at their mean length",
    reference="mergekit (no paper)",
    family=Family.AVERAGES,
    base=BaseUse.OPTIONAL,
    parameters=Parameters,
    model_parameters=ModelParameters,
    least_models=2,
    check=check,
    merge=multislerp,
    grain=Grain.TENSOR,
)
