"""Model Stock: the mean of a few models, drawn towards their base as far as they disagree.

W = t mean_i(W_i) + (1 - t) W_0 for each tensor, t = N c / (1 + (N - 1) c), c the cosine between what two models changed.
Jang, Yun and Han, arXiv 2403.19522. The authors published no code and leave open what c is for more than two models;
here it is the mean over all pairs, as in mergekit and fusion_bench.

The formula is for models that turn less than a right angle from one another. At a right angle t is 0, beyond it the
formula would step away from the models and at c = -1 / (N - 1) divide by 0: t stays 0 there, and the base is kept. A model
that did not change a tensor agrees with nobody. Norms are never floored: mergekit's floor of 1e-6 on their product
takes small changes for unrelated ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import NoParameters, setting
from mergebert_fusion.maths.arithmetic import mean
from mergebert_fusion.maths.sphere import cosine, row_cosines


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for the whole merge."""

    filter_wise: bool = setting(False, "one angle for each row instead of one for the tensor", varies=False)


def model_stock(block: Block[Parameters, NoParameters, None]) -> Tensor:
    """W_0 plus t times the mean task vector."""
    vectors = block.task_vectors
    change = mean(vectors)
    if not block.parameters.filter_wise:
        pairs = [cosine(a, b) for a, b in combinations(vectors, 2)]
        return block.origin + change * share(pairs, len(vectors))
    by_row = zip(*(row_cosines(a, b) for a, b in combinations(vectors, 2)), strict=True)
    shares = torch.tensor([share(pairs, len(vectors)) for pairs in by_row]).to(change)
    return block.origin + change * shares[:, None]


def share(cosines: Sequence[float | None], models: int) -> float:
    """t, the share of the way from the base to the mean of the models, by the cosines of all pairs."""
    agreement = sum(cosine or 0.0 for cosine in cosines) / len(cosines)
    return models * agreement / (1 + (models - 1) * agreement) if agreement > 0 else 0.0


METHOD = MergeMethod(
    name="model_stock",
    summary="the mean of the models, drawn towards the base as far as their changes disagree",
    reference="Jang et al., Model Stock, arXiv 2403.19522",
    family=Family.AVERAGES,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    least_models=2,
    merge=model_stock,
    grain=lambda parameters: Grain.ROW if parameters.filter_wise else Grain.TENSOR,
)
