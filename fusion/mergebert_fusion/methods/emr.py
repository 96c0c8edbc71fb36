"""EMR: elect one unified vector; a mask and a rescaler for each model give it back.

unified = sign(sum_t d_t) * max of |d_t| over the t that have this sign; mask_t = [ d_t has the sign of unified ];
rescaler_t = sum |d_t| / sum |mask_t * unified| over the whole model; model t is restored as
W_0 + rescaler_t * mask_t * unified. Huang et al., EMR-Merging, arXiv 2405.17461.

The body of the paper could not be read; the official repository (EMR_Merging) has two rescalers. The one above is that of
main_emr_30_vits.py and keeps the summed magnitude of a model; `rescaler: tensor_means` is that of main_emr_merging.py and
the BEiT-3 code, which divides sums of one mean per tensor, so that a bias counts as much as an embedding table.
Where the task vectors cancel the code elects the negative sign; here nothing is elected and every model gets the base.

The merged model is W_0 + scaling * unified. What this method is for are its artifacts.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod, Pass, Survey, SurveyInputs
from mergebert_fusion.contract.parameters import NoParameters, setting
from mergebert_fusion.maths.arithmetic import total
from mergebert_fusion.maths.signs import elected_signs
from mergebert_fusion.methods.tall_masks import masked_vector, vector_and_masks


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor, or for the whole merge."""

    scaling: float = setting(1.0, "multiplies the unified vector in the merged model", alias=("lambda",))
    rescaler: str = setting(
        "sums",
        "what a rescaler divides: the summed magnitudes, or the summed means of the tensors",
        choices=("sums", "tensor_means"),
        varies=False,
    )


@dataclass(frozen=True, slots=True)
class Rescalers:
    """The rescaler of every model."""

    names: tuple[str, ...]
    rescalers: tuple[float, ...]


EmrBlock = Block[Parameters, NoParameters, Rescalers]


def survey(inputs: SurveyInputs) -> Survey[Rescalers]:
    """The rescaler of every model, which makes its masked unified vector as large as its task vector."""
    magnitudes: Tensor = yield Pass(_magnitudes, operator.add)
    return Rescalers(inputs.names, tuple(_quotient(own, masked) for own, masked in magnitudes.tolist()))


def unified_vector(block: EmrBlock) -> Tensor:
    """The largest change at each element among those that have the elected sign."""
    signs = elected_signs(block.task_vectors)
    largest = torch.zeros_like(signs)
    for mask, vector in zip(_masks(block, signs), block.task_vectors, strict=True):
        largest = torch.maximum(largest, vector.abs().masked_fill(~mask, 0.0))
    return largest * signs


def merged(block: EmrBlock) -> dict[str, Tensor]:
    """W_0 + scaling * unified, and what restores the models: the unified vector and the mask of each."""
    unified = unified_vector(block)
    return vector_and_masks(block, unified, _masks(block, unified))


def restored(block: Block[None, None, Rescalers], artifacts: Mapping[str, Tensor], model: str) -> Tensor:
    """W_0 + rescaler_t * mask_t * unified."""
    rescaler = block.found.rescalers[block.found.names.index(model)]
    return block.origin + masked_vector(artifacts, model) * rescaler


def _masks(block: EmrBlock, unified: Tensor) -> list[Tensor]:
    """Where each model changed something in the direction of the unified vector."""
    # Signs are compared, since the product of two small numbers may be 0.
    return [(torch.sign(vector) == torch.sign(unified)) & (vector != 0) for vector in block.task_vectors]


def _magnitudes(block: EmrBlock) -> Tensor:
    """The summed magnitudes of each task vector and of the masked unified vector, float64 [models, 2]."""
    unified = unified_vector(block)
    share = 1.0 if block.parameters.rescaler == "sums" else 1.0 / math.prod(block.place.shape)
    pairs = zip(block.task_vectors, _masks(block, unified), strict=True)
    sums = [(share * total(vector.abs()), share * total((unified * mask).abs())) for vector, mask in pairs]
    return torch.tensor(sums, dtype=torch.float64)


def _quotient(own: float, masked: float) -> float:
    """One over the other in float32, coarser than the last bits of a sum; 1 where there is nothing to rescale."""
    return float(torch.tensor(own / masked, dtype=torch.float32)) if masked > 0 else 1.0


METHOD = MergeMethod(
    name="emr",
    summary="one elected vector for all models, with a mask and a rescaler to restore each",
    reference="Huang et al., EMR-Merging, arXiv 2405.17461",
    family=Family.MASKS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    merge=merged,
    grain=Grain.ELEMENT,
    survey=survey,
    passes=1,
    restore=restored,
    found_type=Rescalers,
)
