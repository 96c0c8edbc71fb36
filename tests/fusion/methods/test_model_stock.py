from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.model_stock import share
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, constant

MODEL_STOCK = method_named("model_stock")


@pytest.fixture
def siblings(make_relatives: MakeRelatives) -> Relatives:
    """Three models that moved mostly in one direction."""
    relatives = make_relatives(3)
    common = {
        n: 0.2 * torch.randn(t.shape, generator=torch.Generator().manual_seed(7))
        for n, t in relatives.base.items()
    }
    models = {m: {n: t + common[n] for n, t in tensors.items()} for m, tensors in relatives.models.items()}
    return Relatives(relatives.base, models, relatives.places)


def fused(relatives: Relatives, **options: Any) -> dict[str, Tensor]:
    return fused_tensors(MODEL_STOCK, relatives.models, relatives.base, **options).tensors


def stocked(vectors: list[np.ndarray]) -> np.ndarray:
    cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in combinations(vectors, 2)]
    count, cos = len(vectors), np.mean(cosines)
    t = count * cos / (1 + (count - 1) * cos)
    return max(0.0, t) * np.mean(vectors, axis=0)


def changes_of(relatives: Relatives, name: str) -> list[np.ndarray]:
    return [
        (model[name] - relatives.base[name]).numpy().astype(np.float64) for model in relatives.models.values()
    ]


@pytest.mark.parametrize("count", [2, 3])
def test_it_is_the_equation_tensor_by_tensor(siblings: Relatives, count: int) -> None:
    few = Relatives(siblings.base, dict(list(siblings.models.items())[:count]), siblings.places)
    for name, tensor in fused(few).items():
        change = stocked([vector.reshape(-1) for vector in changes_of(few, name)]).reshape(tensor.shape)
        np.testing.assert_allclose(tensor.numpy(), few.base[name].numpy() + change, rtol=1e-5, atol=1e-6)


def test_filter_wise_every_row_has_its_own_share(siblings: Relatives) -> None:
    merged = fused(siblings, parameters={"filter_wise": True})
    name = "layer.1.up.weight"
    rows = [stocked(list(vectors)) for vectors in zip(*changes_of(siblings, name), strict=True)]
    np.testing.assert_allclose(
        merged[name].numpy(), siblings.base[name].numpy() + np.array(rows), rtol=1e-5, atol=1e-6
    )


def test_models_that_agree_keep_their_mean_and_strangers_the_base() -> None:
    assert share([1.0], 2) == 1.0
    assert share([0.5], 2) == pytest.approx(2 / 3)
    assert share([0.5, 0.5, 0.5], 3) == pytest.approx(0.75)
    assert share([0.0], 2) == 0.0


@pytest.mark.parametrize(("cosines", "models"), [([-1.0], 2), ([-0.3], 2), ([-0.5] * 3, 3), ([None], 2)])
def test_it_never_steps_away_from_the_models(cosines: list[float | None], models: int) -> None:
    """The formula would give minus infinity for the first and the third, and 0 / 0 for the last."""
    assert share(cosines, models) == 0.0


def test_a_model_with_itself_is_that_model(siblings: Relatives) -> None:
    model = siblings.models["task0"]
    twice = Relatives(siblings.base, {"a": model, "b": model}, siblings.places)
    assert_near(fused(twice), model)


def test_opposite_changes_give_the_base(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    mirrored = {n: 2 * one.base[n] - t for n, t in one.models["task0"].items()}
    assert_near(
        fused_tensors(MODEL_STOCK, {"a": one.models["task0"], "b": mirrored}, one.base).tensors, one.base
    )


def test_small_changes_have_the_angle_of_large_ones() -> None:
    """mergekit floors the product of the norms at 1e-6, which takes these for strangers."""
    a, b = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.5])
    large, small = (
        fused_tensors(MODEL_STOCK, {"a": {"w": a * s}, "b": {"w": b * s}}, {"w": torch.zeros(2)}).tensors["w"]
        / s
        for s in (1.0, 1e-5)
    )
    torch.testing.assert_close(large, small)


def test_it_lies_between_the_base_and_the_mean(siblings: Relatives) -> None:
    merged = fused(siblings)
    mean = fused_tensors(method_named("average"), siblings.models).tensors
    for name, tensor in merged.items():
        ends = torch.stack([siblings.base[name], mean[name]])
        assert (tensor >= ends.amin(0) - 1e-6).all()
        assert (tensor <= ends.amax(0) + 1e-6).all()


def test_the_order_of_the_models_does_not_matter(siblings: Relatives) -> None:
    turned = Relatives(siblings.base, dict(reversed(siblings.models.items())), siblings.places)
    assert_near(fused(siblings), fused(turned))


@pytest.mark.parametrize("filter_wise", [False, True])
def test_the_cut_into_blocks_and_threads_change_no_bit(siblings: Relatives, filter_wise: bool) -> None:
    options = {"parameters": {"filter_wise": filter_wise}}
    assert_same_bits(fused(siblings, **options), fused(siblings, **options, block=8, threads=3))


@pytest.mark.parametrize("filter_wise", [False, True])
def test_every_shape_and_unchanged_models_go_through(filter_wise: bool) -> None:
    options = {"parameters": {"filter_wise": filter_wise}}
    same = {"a": constant(1.0), "b": constant(1.0)}
    assert_same_bits(fused_tensors(MODEL_STOCK, same, constant(1.0), **options).tensors, constant(1.0))
    assert_near(fused_tensors(MODEL_STOCK, same, constant(0.0), **options).tensors, constant(1.0))


def test_it_takes_two_models_at_least(make_relatives: MakeRelatives) -> None:
    with pytest.raises(RecipeError, match="at least 2"):
        fused(make_relatives(1))
