"""OPCM: models merged one after the other, each new one projected away from what is merged already.

With D the merged task vector so far and d that of the next model:

    linear weights   D = U S V';  P = U' d V with 0 on its diagonal and in its leading r x r block;  d* = U P V'
    all others       d* = d
    then             D' = lambda D + d*,  D <- D' n / |D'|,  lambda <- |D'| / n

with r the least number of singular values whose share of their sum exceeds alpha, and n the mean of the norms |d| so far
(norms over the whole model). Tang et al., Merging Models on the Fly Without Retraining, arXiv 2501.09522; the body of the
paper could not be read, the equations are those of the authors' code and of fusion_bench's documentation.

lambda is what the division by |D'| / n took away, so D' is just the sum of all d* and the rescaling is applied to it once,
at the end. U and V need only be as wide as the smaller side: what lies outside of them is left as it is.

The code takes the index of the r-th singular value for r, one too little, and at alpha = 1, where no share exceeds alpha,
it projects least instead of most: here r is then the rank. Singular values that are nothing but the rounding of float32
count as 0, and their arbitrary vectors are left alone. A model equal to the base changes nothing but the mean norm.
The order of the models decides and is that of the recipe; the authors average over random orders.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, SequentialMethod, Step
from mergebert_fusion.contract.parameters import NoParameters, setting
from mergebert_fusion.maths.arithmetic import dot

# A singular value below this share of the largest is noise: four times the rounding of float32.
ROUNDING = 2.0**-22


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor."""

    alpha: float = setting(
        0.5, "the share of singular values whose directions are kept from new models", at_least=0, at_most=1
    )


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is kept of the models so far besides the sum of their d*."""

    models: int
    norms: float  # of all task vectors, summed
    length: float  # the norm of that sum

    @property
    def rescaling(self) -> float:
        """What gives the sum the mean norm of the task vectors."""
        return self.norms / self.models / self.length if self.length > 0 else 0.0


OpcmBlock: TypeAlias = Block[Parameters, NoParameters, Numbers]


def begin() -> Numbers:
    """The numbers before the first model."""
    return Numbers(0, 0.0, 0.0)


def step(block: OpcmBlock, state: Tensor | None) -> Step[Tensor]:
    """The state D' after one more model, the sum of all d*; measured are the squared norms of d and D'."""
    (vector,) = block.task_vectors
    new = vector if state is None else state + _novel(block, vector, state)
    return Step(new, torch.tensor([dot(vector, vector), dot(new, new)], dtype=torch.float64))


def conclude(numbers: Numbers, squares: Tensor) -> Numbers:
    """The numbers after one more model, by the summed squares of all its blocks."""
    own, together = map(math.sqrt, squares.tolist())
    return Numbers(numbers.models + 1, numbers.norms + own, together)


def finish(block: OpcmBlock, state: Tensor) -> Tensor:
    """W_0 + D."""
    return block.origin + state * block.found.rescaling


def projected(vector: Tensor, merged: Tensor, alpha: float) -> Tensor:
    """d*: a matrix without what it shares with the leading singular directions of another, and orthogonal to it.

    Computed in float64 on the CPU, by a thin singular value decomposition.
    """
    d, D = (matrix.to("cpu", torch.float64) for matrix in (vector, merged))
    left, values, right = torch.linalg.svd(D, full_matrices=False)
    rank = int((values > ROUNDING * values[0]).sum()) if values.numel() else 0
    left, values, right = left[:, :rank], values[:rank], right[:rank]
    shared = left.T @ d @ right.T  # [rank, rank]
    taken = torch.diag(shared.diagonal())
    split = split_rank(values, alpha)
    taken[:split, :split] = shared[:split, :split]
    novel: Tensor = d - left @ taken @ right
    return novel.to(vector.device, vector.dtype)


def split_rank(values: Tensor, alpha: float) -> int:
    """The least number of singular values, largest first, whose share of the sum exceeds alpha; all if none does."""
    shares = values.cumsum(0) / values.sum()
    return min(int((shares <= alpha).sum()) + 1, values.numel())


def _novel(block: OpcmBlock, vector: Tensor, state: Tensor) -> Tensor:
    if not block.place.is_linear or not state.any():
        return vector
    return projected(vector, state, block.parameters.alpha)


METHOD = SequentialMethod(
    name="opcm",
    summary="one model after the other, each projected away from what is merged already",
    reference="Tang et al., Merging Models on the Fly Without Retraining, arXiv 2501.09522",
    family=Family.SEQUENTIAL,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    begin=begin,
    step=step,
    combine=operator.add,
    conclude=conclude,
    finish=finish,
    numbers_type=Numbers,
    grain=Grain.TENSOR,
)
