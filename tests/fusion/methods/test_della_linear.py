from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.randomness import uniform
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.della import probabilities
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import Relatives
from tests.fusion.vectors import assert_same_bits

DELLA_LINEAR = method_named("della_linear")


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(DELLA_LINEAR, relatives.models, relatives.base, parameters=parameters).tensors


def test_it_adds_up_what_is_left_over_its_probability(relatives: Relatives) -> None:
    merged = fused(relatives, density=0.5, epsilon=0.2, weight=0.4)
    name, summed = "layer.1.up.weight", torch.zeros(8, 6)
    for model, tensors in relatives.models.items():
        vector = tensors[name] - relatives.base[name]
        chance = probabilities(vector, 0.5, 0.2)
        drawn = uniform(0, model, name, 0, vector.numel()).reshape(vector.shape)
        summed += 0.4 * torch.where(drawn < chance, vector / chance, torch.zeros_like(vector))
    torch.testing.assert_close(merged[name], relatives.base[name] + summed)


def test_no_window_is_dare(relatives: Relatives) -> None:
    dare = fused_tensors(
        method_named("dare_linear"), relatives.models, relatives.base, parameters={"density": 0.25}
    )
    assert_same_bits(fused(relatives, density=0.25, epsilon=0.0), dare.tensors)


def test_the_mean_over_many_seeds_is_the_task_vector() -> None:
    vector = torch.linspace(-2, 2, 40)
    models, base = {"a": {"w": vector}}, {"w": torch.zeros(40)}
    parameters = {"density": 0.5, "epsilon": 0.25}
    drawn = [
        fused_tensors(DELLA_LINEAR, models, base, parameters=parameters, seed=seed) for seed in range(400)
    ]
    mean = torch.stack([merged.tensors["w"] for merged in drawn]).mean(0)
    # The deviation of one draw is at most sqrt(3) |d|, that of the mean of 400 a twentieth of it.
    assert ((mean - vector).abs() < 0.4 * vector.abs() + 1e-5).all()


def test_dropping_nothing_is_task_arithmetic(relatives: Relatives) -> None:
    expected = fused_tensors(method_named("task_arithmetic"), relatives.models, relatives.base).tensors
    assert_same_bits(fused(relatives, density=1.0), expected)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [({"density": 0.9, "epsilon": 0.2}, "epsilon"), ({"normalize": True, "weight": 0.0}, "add up to 0")],
)
def test_what_cannot_be_followed_is_refused(
    relatives: Relatives, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RecipeError, match=reason):
        fused(relatives, **parameters)
