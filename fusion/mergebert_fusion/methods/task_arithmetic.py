"""Task arithmetic: adding up what each fine-tuning changed.

W = W_0 + scaling * sum_t weight_t (W_t - W_0). Ilharco et al., arXiv 2212.04089. The paper chooses the scaling on
validation data; it shrinks as models are added (0.3 to 0.5 for seven or eight tasks).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import Base, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.maths.combination import added


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
    return added(block, block.task_vectors)


def check(parameters: Parameters, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses weights that cannot be divided by their sum."""
    if parameters.normalize and abs(sum(model.weight for model in each)) < 1e-12:
        raise RecipeError("The weights add up to 0: change them, or set normalize to false.")


METHOD = MergeMethod(
    name="task_arithmetic",
    summary="the base plus the scaled sum of what each model changed",
    source="Ilharco et al., Editing Models with Task Arithmetic, arXiv 2212.04089",
    family=Family.TASK_VECTORS,
    base=Base.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=task_arithmetic,
    grain=Grain.ELEMENT,
)
