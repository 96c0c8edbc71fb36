from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import ODD_SHAPES, assert_near, assert_same_bits, constant

NUSLERP = method_named("nuslerp")


@pytest.fixture
def two(make_relatives: MakeRelatives) -> Relatives:
    """Two models with one base."""
    return make_relatives(2)


def fused(two: Relatives, first: float = 1.0, second: float = 1.0, **options: Any) -> dict[str, Tensor]:
    weights = {"task0": {"weight": first}, "task1": {"weight": second}}
    return fused_tensors(NUSLERP, two.models, two.base, model_parameters=weights, **options).tensors


def turned(t: float, x: np.ndarray, y: np.ndarray, axis: int | None) -> np.ndarray:
    dot = (x * y).sum(axis=axis, keepdims=True)
    angle = np.arccos(
        dot / np.sqrt((x * x).sum(axis=axis, keepdims=True) * (y * y).sum(axis=axis, keepdims=True))
    )
    return (np.sin((1 - t) * angle) * x + np.sin(t * angle) * y) / np.sin(angle)


@pytest.mark.parametrize(("along", "axis"), [("tensor", None), ("row", 1), ("column", 0)])
def test_it_turns_what_the_models_changed(two: Relatives, along: str, axis: int | None) -> None:
    merged = fused(two, 3.0, 1.0, parameters={"along": along})
    for name, tensor in merged.items():
        if tensor.dim() == 2:
            first, second = (
                (model[name] - two.base[name]).numpy().astype(np.float64) for model in two.models.values()
            )
            expected = two.base[name].numpy() + turned(0.25, first, second, axis)
            np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_without_a_base_it_turns_the_models(make_relatives: MakeRelatives) -> None:
    strangers = make_relatives(2, change=3.0)
    slerp = fused_tensors(method_named("slerp"), strangers.models, parameters={"t": 0.5}).tensors
    nuslerp = fused_tensors(NUSLERP, strangers.models).tensors
    torch.testing.assert_close(nuslerp["layer.0.up.weight"], slerp["layer.0.up.weight"])


def test_all_weight_on_one_model_gives_that_model(two: Relatives) -> None:
    assert_near(fused(two, 2.0, 0.0), two.models["task0"])
    assert_near(fused(two, 0.0, 0.1), two.models["task1"])


def test_a_model_with_itself_is_that_model(two: Relatives) -> None:
    twice = Relatives(two.base, {"task0": two.models["task0"], "task1": two.models["task0"]}, two.places)
    assert_near(fused(twice, 0.3, 0.7), two.models["task0"])


@pytest.mark.parametrize("along", ["tensor", "row", "column"])
def test_an_unchanged_model_halves_the_change_of_the_other(two: Relatives, along: str) -> None:
    half = Relatives(two.base, {"task0": two.base, "task1": two.models["task1"]}, two.places)
    expected = {n: two.base[n] + 0.5 * (two.models["task1"][n] - two.base[n]) for n in two.base}
    assert_near(fused(half, parameters={"along": along}), expected)


@pytest.mark.parametrize("along", ["tensor", "row", "column"])
def test_every_shape_and_unchanged_models_go_through(along: str) -> None:
    options = {"parameters": {"along": along}}
    same = {"a": constant(1.0), "b": constant(1.0)}
    assert_same_bits(fused_tensors(NUSLERP, same, constant(1.0), **options).tensors, constant(1.0))
    apart = {"a": constant(2.0), "b": constant(-2.0)}
    assert fused_tensors(NUSLERP, apart, constant(0.0), **options).tensors.keys() == ODD_SHAPES.keys()
    assert_same_bits(fused_tensors(NUSLERP, apart, constant(0.0), **options).tensors, constant(0.0))


def test_weights_that_add_up_to_nothing_are_refused(two: Relatives) -> None:
    """mergekit takes them for equal weights."""
    with pytest.raises(RecipeError, match="add up to 0"):
        fused(two, 0.0, 0.0)


def test_negative_weights_are_refused(two: Relatives) -> None:
    with pytest.raises(RecipeError, match="weight is"):
        fused(two, -1.0, 2.0)
