from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, constant

KARCHER = method_named("karcher")


@pytest.fixture
def strangers(make_relatives: MakeRelatives) -> Relatives:
    """Four models at large angles from one another."""
    return make_relatives(4, change=1.0)


def fused(models: dict[str, dict[str, Tensor]], **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(KARCHER, models, parameters=parameters).tensors


def units_on_a_sphere(count: int, size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(count)
    drawn = torch.randn(count, size, generator=generator) + torch.ones(size)
    return list(torch.nn.functional.normalize(drawn, dim=1))


def tangent_sum(point: Tensor, units: list[Tensor], weights: list[float]) -> Tensor:
    """sum_t a_t log_point(u_t), which is zero at the mean."""
    summed = torch.zeros_like(point)
    for unit, weight in zip(units, weights, strict=True):
        cos = point @ unit
        angle = torch.arccos(cos.clamp(-1, 1))
        summed = summed + weight * angle / torch.sin(angle) * (unit - cos * point)
    return summed


@pytest.mark.parametrize("weights", [[0.25] * 4, [0.1, 0.2, 0.3, 0.4]])
def test_all_arcs_balance_at_the_mean(strangers: Relatives, weights: list[float]) -> None:
    given = {name: {"weight": weight} for name, weight in zip(strangers.models, weights, strict=True)}
    merged = fused_tensors(KARCHER, strangers.models, model_parameters=given).tensors
    for name, tensor in merged.items():
        if tensor.dim():
            flat = [model[name].reshape(-1).to(torch.float64) for model in strangers.models.values()]
            units = [vector / vector.norm() for vector in flat]
            point = tensor.reshape(-1).to(torch.float64)
            assert tangent_sum(point / point.norm(), units, weights).norm() < 1e-5
            expected = sum(
                weight * float(vector.norm()) for weight, vector in zip(weights, flat, strict=True)
            )
            assert float(point.norm()) == pytest.approx(expected, rel=1e-5)


def test_it_is_not_the_projected_mean(strangers: Relatives) -> None:
    projected = fused_tensors(method_named("multislerp"), strangers.models).tensors["layer.0.up.bias"]
    assert not torch.allclose(fused(strangers.models)["layer.0.up.bias"], projected, rtol=1e-3)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.8])
def test_two_models_of_one_norm_are_turned_as_by_slerp(t: float) -> None:
    a, b = units_on_a_sphere(2, 30)
    models = {"a": {"w": a}, "b": {"w": b}}
    weights = {"a": {"weight": 1 - t}, "b": {"weight": t}}
    merged = fused_tensors(KARCHER, models, model_parameters=weights).tensors
    assert_near(merged, fused_tensors(method_named("slerp"), models, parameters={"t": t}).tensors)


def test_nearly_equal_models_are_averaged() -> None:
    base = torch.randn(100, generator=torch.Generator().manual_seed(0))
    models = {str(i): {"w": base + 1e-4 * torch.randn(100)} for i in range(3)}
    merged = fused(models)
    assert_near(merged, fused_tensors(method_named("average"), models).tensors)


def test_a_model_with_itself_is_that_model(strangers: Relatives) -> None:
    model = strangers.models["task0"]
    assert_near(fused({"a": model, "b": model, "c": model}), model)


def test_the_order_of_the_models_does_not_matter(strangers: Relatives) -> None:
    assert_near(fused(strangers.models), fused(dict(reversed(strangers.models.items()))))


def test_opposite_models_are_averaged_and_none_is_preferred() -> None:
    """mergekit gives the first of them."""
    vector = torch.tensor([1.0, 2.0])
    models = {"a": {"w": vector}, "b": {"w": -3 * vector}}
    assert fused(models)["w"].tolist() == [-1.0, -2.0]


@pytest.mark.parametrize("seed", range(5))
def test_a_model_opposite_to_the_mean_turns_it_nowhere(seed: int) -> None:
    """mergekit blows rounding errors up into an arc there."""
    vector = torch.randn(1000, generator=torch.Generator().manual_seed(seed))
    models = {"a": {"w": vector}, "b": {"w": vector * 3}, "c": {"w": -vector * 0.1}}
    assert_near(fused(models), {"w": vector * (4.1 / 3)})


def test_small_tensors_are_not_taken_for_zero() -> None:
    a, b = (1e-7 * unit for unit in units_on_a_sphere(2, 30))  # mergekit's floor is 1e-5
    merged = fused({"a": {"w": a}, "b": {"w": b}})["w"]
    assert float(merged.norm()) == pytest.approx(1e-7, rel=1e-4)


def test_no_step_is_the_projected_mean(strangers: Relatives) -> None:
    assert_near(
        fused(strangers.models, max_iter=0),
        fused_tensors(method_named("multislerp"), strangers.models).tensors,
    )


def test_every_shape_and_zero_models_go_through() -> None:
    assert_near(fused({"a": constant(1.0), "b": constant(1.0)}), constant(1.0))
    assert_same_bits(fused({"a": constant(0.0), "b": constant(0.0)}), constant(0.0))
    assert_near(fused({"a": constant(0.0), "b": constant(3.0)}), constant(1.5))


def test_the_cut_into_blocks_and_threads_change_no_bit(strangers: Relatives) -> None:
    cut = fused_tensors(KARCHER, strangers.models, block=8, threads=3).tensors
    assert_same_bits(fused(strangers.models), cut)


def test_weights_that_add_up_to_nothing_are_refused(strangers: Relatives) -> None:
    with pytest.raises(RecipeError, match="add up to 0"):
        fused(strangers.models, weight=0.0)
