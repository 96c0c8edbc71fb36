"""PCB-Merging: every entry weighed by its size within its model and its agreement with the other models.

With T models, task vectors d_t and n_t = |d_t| between its clipped least and largest value, on a scale from 0 to 1:

    score_t = exp(T * n_t^2) * inter_t        s_t = score_t between the smallest kept and the largest score, as 0 to 1
    W = W_0 + scaling * sum_t s_t * weight_t * clipped(d_t) / sum_t s_t

where `density` of the scores are kept (the smallest of these counts 0, as everything below it), and `clip` of the
magnitudes are cut off at either end. Everything is taken over whole models. Du et al., Parameter Competition Balancing,
arXiv 2410.02396. The body of the paper could not be read; a second-hand text gives Softmax(T * Norm(d_t * d_t)) for the
first factor, the same up to a constant that drops out of s_t. The official repository (pcb-merging) has three versions of
the second factor:

    inter: sum         tanh(d_t * sum_s d_s)          pcb-merging.py (clip 0.0001), and the language code (clip 0.01)
    inter: normalized  tanh(d_t * sum_s sign * n_s)   vision_source_code/pcb.py (clip 0.01)
    inter: pairwise    sum_s tanh(sign * n_t * n_s)   vision_source_code/pcb_ES.py (clip 0.01)

Its density is 0.1 or 0.05 and its scaling 1.2. Here as there one model is not given back: its small entries are dropped.
What differs: constant rows give 0/0 there, and here n = 0, and s = 1 for a largest score above 0 that is also the
smallest kept; and the code clips one entry more at the upper end than at the lower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod, Survey, SurveyInputs
from mergebert_fusion.contract.parameters import setting
from mergebert_fusion.maths.selection import each_kth_largest
from mergebert_fusion.maths.sparsify import kept_count

# exp() of more than this would leave too little room below infinity in float32. Only ratios of scores matter.
LARGEST_EXPONENT = 80.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a recipe may set for a tensor, or for the whole merge."""

    scaling: float = setting(1.2, "multiplies the merged task vector", alias=("lambda",))
    density: float = setting(
        0.1, "the share of entries of each model that is kept", at_least=0, at_most=1, varies=False
    )
    clip: float = setting(
        0.0001, "the share of magnitudes cut off at either end", at_least=0, at_most=0.49, varies=False
    )
    inter: str = setting(
        "sum",
        "how an entry is compared with the other models: which of the three published versions",
        choices=("sum", "normalized", "pairwise"),
        varies=False,
    )


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """What a recipe may set for a tensor of one model."""

    weight: float = setting(1.0, "multiplies the task vector of this model; its scores stay as they are")


@dataclass(frozen=True, slots=True)
class Range:
    """The ends between which magnitudes are clipped, or scores kept."""

    low: float
    high: float

    def position(self, values: Tensor) -> Tensor:
        """0 at the lower end and below, 1 at the upper end, and 0 everywhere if both are the same."""
        if not self.low < self.high:
            return torch.zeros_like(values)
        return ((values - self.low) / (self.high - self.low)).clamp(0.0, 1.0)


Ranges: TypeAlias = tuple[Range, ...]  # of every model


@dataclass(frozen=True, slots=True)
class ModelRanges:
    """Of every model: the range of its clipped magnitudes, and of its kept scores."""

    magnitudes: Ranges
    scores: Ranges


PcbBlock: TypeAlias = Block[Parameters, ModelParameters, ModelRanges]


def survey(inputs: SurveyInputs) -> Survey[ModelRanges]:
    """The ranges of the clipped magnitudes, then those of the kept scores, which depend on the first."""
    count, parameters = inputs.elements, inputs.parameters
    clipped, keep = int(parameters.clip * count), kept_count(parameters.density, count)
    magnitudes = yield from _ranges(_magnitudes, count - clipped, clipped + 1, inputs)
    scores = yield from _ranges(lambda block: _scores(block, magnitudes), keep, 1, inputs)
    return ModelRanges(magnitudes, scores)


def pcb(block: PcbBlock) -> Tensor:
    """W_0 + scaling * the mean of the clipped task vectors, weighed by their scores."""
    found = block.found
    summed, weight = torch.zeros_like(block.origin), torch.zeros_like(block.origin)
    for i, score in enumerate(_scores(block, found.magnitudes)):
        share = _share(score, found.scores[i]).to(summed.device)
        vector, span = block.task_vectors[i], found.magnitudes[i]
        clipped = torch.sign(vector) * vector.abs().clamp(span.low, span.high)
        summed = summed + clipped * block.each[i].weight * share
        weight = weight + share
    return block.origin + summed / weight.clamp(min=1e-12) * block.parameters.scaling


def _scores(block: PcbBlock, magnitudes: Sequence[Range]) -> list[Tensor]:
    """exp(T * n_t^2) * inter_t of every model, in float64 on the CPU and rounded, since exp and tanh differ by device."""
    vectors = [vector.to("cpu", torch.float64) for vector in block.task_vectors]
    positions = [span.position(vector.abs()) for span, vector in zip(magnitudes, vectors, strict=True)]
    excess = max(0.0, len(vectors) - LARGEST_EXPONENT)
    inter = _INTER[block.parameters.inter](vectors, positions)
    intra = [torch.exp(position * position * len(vectors) - excess) for position in positions]
    return [(a * b).to(torch.float32) for a, b in zip(intra, inter, strict=True)]


def _sum(vectors: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
    together = sum(vectors[1:], vectors[0])
    return [torch.tanh(vector * together) for vector in vectors]


def _normalized(vectors: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
    signed = _signed(vectors, positions)
    together = sum(signed[1:], signed[0])
    return [torch.tanh(vector * together) for vector in vectors]


def _pairwise(vectors: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
    signed = _signed(vectors, positions)
    return [sum((torch.tanh(own * other) for other in signed), torch.zeros_like(own)) for own in signed]


def _signed(vectors: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
    return [torch.sign(vector) * position for vector, position in zip(vectors, positions, strict=True)]


_INTER = {"sum": _sum, "normalized": _normalized, "pairwise": _pairwise}


def _share(score: Tensor, span: Range) -> Tensor:
    """What an entry counts: 0 for the smallest kept score and what is below it, 1 for the largest."""
    if span.low < span.high:
        return span.position(score)
    return ((score >= span.low) & (score > 0)).to(score.dtype)


def _ranges(
    values: Callable[[PcbBlock], Sequence[Tensor]], low: int, high: int, inputs: SurveyInputs
) -> Survey[Ranges]:
    """For every model the low-th and the high-th largest of its values, which may be negative; infinity for the 0-th."""

    def parts(block: PcbBlock) -> dict[tuple[int, bool], Tensor]:
        split: dict[tuple[int, bool], Tensor] = {}
        for i, own in enumerate(values(block)):
            split |= {(i, True): own[own >= 0], (i, False): -own[own < 0]}
        return {key: part for key, part in split.items() if part.numel()}

    # The k-th largest of n is either the k-th of those from 0 on, or the negative of the (n-k+1)-th largest magnitude of
    # the others. On the side where it is not, that rank lies beyond the count, and the answer is 0.
    n, ranks = inputs.elements, (low, high)
    found = yield from each_kth_largest(parts, lambda key, _: ranks if key[1] else [n - k + 1 for k in ranks])
    none = (0.0, 0.0)
    ends = [
        [up - down for up, down in zip(found.get((i, True), none), found.get((i, False), none), strict=True)]
        for i in range(len(inputs.names))
    ]
    return tuple(Range(*pair) for pair in ends)


def _magnitudes(block: PcbBlock) -> list[Tensor]:
    return [vector.abs() for vector in block.task_vectors]


METHOD = MergeMethod(
    name="pcb",
    summary="each entry weighed by its size within its model and its agreement with the others",
    reference="Du et al., Parameter Competition Balancing for Model Merging, arXiv 2410.02396",
    family=Family.TASK_VECTORS,
    base=BaseUse.REQUIRED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    merge=pcb,
    grain=Grain.ELEMENT,
    survey=survey,
    passes=4,
)
