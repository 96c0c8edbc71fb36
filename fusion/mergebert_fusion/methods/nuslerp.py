"""NuSLERP: the changes of two models interpolated along the arc between them.

W = W_0 + slerp(t, W_1 - W_0, W_2 - W_0) with t = w_2 / (w_1 + w_2); without a base the models themselves are turned.
There is no paper: the method and its name are mergekit's. With the base, the angle is that between two fine-tunings
and not that between two nearly equal models.

What differs from mergekit: weights that add up to 0 are refused and not taken for equal, and `along` replaces
nuslerp_flatten (true: tensor) and nuslerp_row_wise, whose code turns columns when it is true and rows when it is
false, the other way round than documented.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.arithmetic import rows_of, weighted_sum
from mergebert_fusion.maths.sphere import arc, cosine, row_cosines
from mergebert_fusion.methods.multislerp import check


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for the whole merge."""

    along: str = setting(
        "tensor",
        "what one angle is taken of: the tensor, each of its rows, or each of its columns",
        choices=("tensor", "row", "column"),
        varies=False,
    )


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    weight: float = setting(1.0, "how near to this model the result lies", at_least=0)


def nuslerp(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 plus the two task vectors interpolated along their arc."""
    t = block.each[1].weight / (block.each[0].weight + block.each[1].weight)
    first, second = block.vectors
    return block.on_base(_interpolated(t, first, second, block.parameters.along))


def _interpolated(t: float, first: Tensor, second: Tensor, along: str) -> Tensor:
    if along == "tensor":
        return weighted_sum((first, second), arc(t, cosine(first, second)))
    if along == "row":
        return _rows_interpolated(t, rows_of(first), rows_of(second)).reshape(first.shape)
    columns = (_as_columns(first), _as_columns(second))
    return _rows_interpolated(t, *columns).T.reshape(first.shape)


def _as_columns(tensor: Tensor) -> Tensor:
    """The vectors along the first dimension as the rows of a matrix."""
    return tensor.reshape(tensor.shape[0] if tensor.dim() else 1, -1).T.contiguous()


def _rows_interpolated(t: float, first: Tensor, second: Tensor) -> Tensor:
    arcs = torch.tensor([arc(t, cos) for cos in row_cosines(first, second)]).to(first.device)  # [rows, 2]
    return first * arcs[:, :1] + second * arcs[:, 1:]


METHOD = MergeMethod(
    name="nuslerp",
    summary="what two models changed, interpolated along the arc between the changes",
    reference="mergekit (no paper)",
    family=Family.AVERAGES,
    base=BaseUse.OPTIONAL,
    parameters=Parameters,
    model_parameters=ModelParameters,
    least_models=2,
    most_models=2,
    check=check,
    merge=nuslerp,
    grain=lambda parameters: Grain.ROW if parameters.along == "row" else Grain.TENSOR,
)
