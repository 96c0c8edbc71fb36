from __future__ import annotations

from typing import Any

import pytest
import torch

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives

TASK_ARITHMETIC = method_named("task_arithmetic")


def fused(relatives: Relatives, **options: Any) -> dict[str, torch.Tensor]:
    return fused_tensors(TASK_ARITHMETIC, relatives.models, relatives.base, **options).tensors


def assert_close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-5, atol=1e-6)


def test_no_scaling_gives_the_base(relatives: Relatives) -> None:
    merged = fused(relatives, parameters={"scaling": 0.0})
    assert all(torch.equal(merged[name], relatives.base[name]) for name in relatives.base)


def test_one_model_gives_that_model(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    assert_close(fused(one), one.models["task0"])


def test_one_over_the_count_is_the_average(relatives: Relatives) -> None:
    average = fused_tensors(method_named("average"), relatives.models).tensors
    assert_close(fused(relatives, parameters={"scaling": 1 / 3}), average)


def test_it_is_linear_in_the_scaling(relatives: Relatives) -> None:
    one, two = (fused(relatives, parameters={"lambda": scaling}) for scaling in (0.4, 0.8))
    doubled = {n: relatives.base[n] + 2 * (one[n] - relatives.base[n]) for n in one}
    assert_close(two, doubled)


def test_a_model_equal_to_the_base_changes_nothing(relatives: Relatives) -> None:
    before = fused(relatives)
    with_base = {**relatives.models, "same": relatives.base}
    after = fused_tensors(TASK_ARITHMETIC, with_base, relatives.base).tensors
    assert_close(before, after)


def test_a_negative_weight_takes_away_what_a_positive_one_adds(relatives: Relatives) -> None:
    twice = {"a": relatives.models["task0"], "b": relatives.models["task0"]}
    weights = {"a": {"weight": 1.0}, "b": {"weight": -1.0}}
    merged = fused_tensors(TASK_ARITHMETIC, twice, relatives.base, model_parameters=weights).tensors
    assert_close(merged, relatives.base)


def test_weights_that_add_up_to_nothing_are_refused(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="add up to 0"):
        fused(relatives, parameters={"normalize": True, "weight": 0.0})
