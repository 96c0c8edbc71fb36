from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.contract.method import MergeMethod, Survey, SurveyInputs
from mergebert_fusion.maths.selection import each_kth_largest, kth_largest, kth_largest_of
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import Relatives

NUMBERS = st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(NUMBERS, st.data())
def test_it_is_the_number_at_that_rank(numbers: list[float], data: Any) -> None:
    rank = data.draw(st.integers(1, len(numbers)))
    expected = sorted(numbers, reverse=True)[rank - 1]
    assert kth_largest_of(torch.tensor(numbers), rank) == expected


def test_ranks_outside_the_numbers_keep_nothing_or_everything() -> None:
    numbers = torch.tensor([1.0, 2.0])
    assert kth_largest_of(numbers, 0) == float("inf")
    assert kth_largest_of(numbers, 3) == 0.0


def test_minus_zero_counts_as_zero() -> None:
    assert kth_largest_of(torch.tensor([-0.0, 1.0]), 2) == 0.0


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 1.0])
def test_over_all_blocks_it_is_exact_however_they_are_cut(relatives: Relatives, share: float) -> None:
    def values(block: Block[Any, Any, Any]) -> Mapping[int, Tensor]:
        return {i: vector.abs() for i, vector in enumerate(block.task_vectors)}

    def survey(inputs: SurveyInputs) -> Survey[dict[int, float]]:
        return (yield from kth_largest(values, lambda _, count: max(1, int(share * count))))

    plain = method_named("task_arithmetic")
    assert isinstance(plain, MergeMethod)
    surveyed = replace(plain, survey=survey)
    found = [
        fused_tensors(surveyed, relatives.models, relatives.base, block=block, threads=threads).found
        for block, threads in ((1 << 20, 1), (7, 3))
    ]
    for i, model in enumerate(relatives.models.values()):
        changes = torch.cat([(model[name] - relatives.base[name]).abs().reshape(-1) for name in model])
        rank = max(1, int(share * changes.numel()))
        assert found[0][i] == found[1][i] == float(changes.sort(descending=True).values[rank - 1])


def test_several_ranks_of_one_key_come_out_of_one_count() -> None:
    numbers = torch.tensor([3.0, 1.0, 4.0, 1.5, 9.0, 2.5])

    def survey(_: SurveyInputs) -> Survey[dict[str, tuple[float, ...]]]:
        return (
            yield from each_kth_largest(lambda block: {"it": block.models[0]}, lambda *_: (1, 6, 3, 0, 7))
        )

    surveyed = replace(method_named("average"), survey=survey)
    found = fused_tensors(surveyed, {"a": {"x": numbers}}, block=4).found
    assert found == {"it": (9.0, 1.0, 3.0, float("inf"), 0.0)}
