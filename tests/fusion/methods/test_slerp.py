from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, constant

SLERP = method_named("slerp")


@pytest.fixture
def strangers(make_relatives: MakeRelatives) -> Relatives:
    """Two models at large angles from one another."""
    return make_relatives(2, change=3.0)


def fused(models: dict[str, dict[str, Tensor]], t: Any = 0.5, **options: Any) -> dict[str, Tensor]:
    return fused_tensors(SLERP, models, parameters={"t": t}, **options).tensors


def turned(t: float, a: Tensor, b: Tensor) -> np.ndarray:
    x, y = (v.numpy().astype(np.float64) for v in (a, b))
    angle = np.arccos((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))
    return (np.sin((1 - t) * angle) * x + np.sin(t * angle) * y) / np.sin(angle)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.9])
def test_it_is_the_equation_tensor_by_tensor(strangers: Relatives, t: float) -> None:
    merged = fused(strangers.models, t)
    for name, tensor in merged.items():
        first, second = (model[name] for model in strangers.models.values())
        if tensor.dim():
            expected = turned(t, first, second)
            np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_both_ends_are_the_models_themselves(strangers: Relatives) -> None:
    assert_same_bits(fused(strangers.models, 0.0), strangers.models["task0"])
    assert_same_bits(fused(strangers.models, 1.0), strangers.models["task1"])


def test_it_is_the_same_from_the_other_end(strangers: Relatives) -> None:
    back = dict(reversed(strangers.models.items()))
    assert_near(fused(strangers.models, 0.3), fused(back, 0.7))


def test_models_of_one_norm_give_a_model_of_that_norm() -> None:
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.nn.functional.normalize(torch.randn(60, generator=generator), dim=0) for _ in range(2))
    merged = fused({"a": {"w": 5 * a}, "b": {"w": 5 * b}}, 0.37)["w"]
    assert float(merged.norm()) == pytest.approx(5.0, rel=1e-5)


def test_a_model_with_itself_is_that_model(strangers: Relatives) -> None:
    model = strangers.models["task0"]
    assert_near(fused({"a": model, "b": model}, 0.3), model)


def test_nearly_parallel_tensors_are_averaged_as_in_mergekit() -> None:
    a = torch.tensor([1.0, 0.0])
    below, above = (torch.tensor([math.cos(angle), math.sin(angle)]) for angle in (0.03, 0.04))
    assert torch.equal(fused({"a": {"w": a}, "b": {"w": below}})["w"], 0.5 * a + 0.5 * below)
    assert not torch.equal(fused({"a": {"w": a}, "b": {"w": above}})["w"], 0.5 * a + 0.5 * above)


def test_nearly_opposite_tensors_follow_the_arc() -> None:
    """mergekit takes the line here as well, whose middle is nearly zero."""
    angle = math.pi - 0.01  # the cosine is below -0.9995
    models = {
        "a": {"w": torch.tensor([1.0, 0.0])},
        "b": {"w": torch.tensor([math.cos(angle), math.sin(angle)])},
    }
    merged = fused(models)["w"]
    assert float(merged.norm()) == pytest.approx(1.0, rel=1e-3)


def test_opposite_tensors_take_the_line_and_no_sign_is_flipped() -> None:
    models = {"a": {"w": torch.tensor([1.0, -2.0])}, "b": {"w": torch.tensor([-1.0, 2.0])}}
    assert fused(models, 0.25)["w"].tolist() == [0.5, -1.0]


def test_a_zero_tensor_takes_the_line() -> None:
    models = {"a": {"w": torch.zeros(2)}, "b": {"w": torch.tensor([1.0, 2.0])}}
    assert fused(models, 0.25)["w"].tolist() == [0.25, 0.5]


def test_every_shape_goes_through() -> None:
    merged = fused({"a": constant(1.0), "b": constant(3.0)}, 0.5)
    assert_same_bits(merged, constant(2.0))


def test_t_may_differ_by_tensor(strangers: Relatives) -> None:
    options = {"places": strangers.places}
    merged = fused(strangers.models, [0.0, 1.0], **options)
    assert torch.equal(merged["embeddings.weight"], strangers.models["task0"]["embeddings.weight"])
    assert torch.equal(merged["head.weight"], strangers.models["task1"]["head.weight"])


def test_the_cut_into_blocks_and_threads_change_no_bit(strangers: Relatives) -> None:
    assert_same_bits(fused(strangers.models, 0.3), fused(strangers.models, 0.3, block=8, threads=3))


@pytest.mark.parametrize("count", [1, 3])
def test_it_takes_two_models(make_relatives: MakeRelatives, count: int) -> None:
    with pytest.raises(RecipeError, match="slerp"):
        fused(make_relatives(count).models)


@pytest.mark.parametrize("t", [-0.1, 1.1])
def test_t_lies_between_the_models(strangers: Relatives, t: float) -> None:
    with pytest.raises(RecipeError, match="t is"):
        fused(strangers.models, t)
