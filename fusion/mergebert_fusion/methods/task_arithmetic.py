"""Task arithmetic: adding up what each fine-tuning changed.

W = W_0 + scaling * sum_t weight_t (W_t - W_0). Ilharco et al., arXiv 2212.04089. The paper chooses the scaling on
validation data; it shrinks as models are added (0.3 to 0.5 for seven or eight tasks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.maths.arithmetic import normalised, weighted_sum


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    scaling: float = setting(1.0, "multiplies the summed task vectors", alias=("lambda",))
    normalize: bool = setting(False, "divide the weights by their sum")


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    weight: float = setting(1.0, "multiplies the task vector of this model; negative to unlearn it")


def task_arithmetic(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * sum_t weight_t (W_t - W_0)."""
    return base_plus_sum(block, block.task_vectors)


def base_plus_sum(block: Block[Any, Any, Any], vectors: Sequence[Tensor]) -> Tensor:
    """W_0 + scaling * sum_t weight_t v_t, the weights divided by their sum under `normalize`."""
    scaling: float = block.parameters.scaling
    return block.origin + weighted_sum(vectors, weights_of(block)) * scaling


def weights_of(block: Block[Any, Any, Any]) -> list[float]:
    """The weight of every model, divided by the sum of all under `normalize`."""
    weights = [model.weight for model in block.each]
    return normalised(weights) if block.parameters.normalize else weights


def check(parameters: Parameters, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses weights that cannot be divided by their sum."""
    if parameters.normalize and abs(sum(model.weight for model in each)) < 1e-12:
        raise RecipeError("The weights add up to 0: change them, or set normalize to false.")


METHOD = MergeMethod(
    name="task_arithmetic",
    summary="the base plus the scaled sum of what each model changed",
    reference="Ilharco et al., Editing Models with Task Arithmetic, arXiv 2212.04089",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=task_arithmetic,
    grain=Grain.ELEMENT,
)
