"""DELLA without its election: small entries dropped more often than large ones, the rest rescaled and added up.

W = W_0 + scaling * sum_t weight_t d'_t with d'_t as in della.py, whose expectation is d_t. The name is mergekit's, for
the paper's ablation without the elect step (arXiv 2406.11617).
"""

from __future__ import annotations

from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.methods import della, task_arithmetic
from mergebert_fusion.methods.dare_linear import Parameters
from mergebert_fusion.methods.della import ModelParameters


def della_linear(block: Block[Parameters, ModelParameters, None]) -> Tensor:
    """W_0 + scaling * sum_t weight_t d'_t."""
    return task_arithmetic.base_plus_sum(block, della.pruned(block))


def check(parameters: Parameters, each: tuple[ModelParameters, ...], names: tuple[str, ...]) -> None:
    """Refuses what task arithmetic and DELLA refuse."""
    task_arithmetic.check(parameters, each, names)
    della.check(parameters, each, names)


METHOD = MergeMethod(
    name="della_linear",
    summary="task arithmetic with small changes dropped at random more often than large ones",
    reference="Deep et al., DELLA-Merging, arXiv 2406.11617",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    check=check,
    merge=della_linear,
    grain=della.grain,
)
