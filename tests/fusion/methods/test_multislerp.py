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

MULTISLERP = method_named("multislerp")


def fused(relatives: Relatives, **options: Any) -> dict[str, Tensor]:
    return fused_tensors(MULTISLERP, relatives.models, relatives.base, **options).tensors


def mean_on_the_sphere(vectors: list[Tensor], weights: list[float]) -> Tensor:
    """What mergekit computes, the average in the tangent space at the mean included."""
    flat = torch.stack([v.reshape(-1).to(torch.float64) for v in vectors])
    given = torch.tensor(weights, dtype=torch.float64)[:, None]
    norms = flat.norm(dim=1, keepdim=True)
    units = flat / norms
    mean = (given * units).sum(0)
    mean = mean / mean.norm()
    tangents = units - (units @ mean)[:, None] * mean
    tangent = (given * tangents).sum(0)
    length = tangent.norm() + 1e-12
    point = mean * torch.cos(length) + tangent * torch.sin(length) / length
    return (point * (given * norms).sum()).reshape(vectors[0].shape)


def test_it_is_what_mergekit_computes_whose_tangents_cancel(relatives: Relatives) -> None:
    weights = {"task0": {"weight": 1.0}, "task1": {"weight": 2.0}, "task2": {"weight": 5.0}}
    merged = fused(relatives, model_parameters=weights)
    for name, tensor in merged.items():
        if tensor.dim():
            vectors = [model[name] - relatives.base[name] for model in relatives.models.values()]
            change = mean_on_the_sphere(vectors, [1 / 8, 2 / 8, 5 / 8]).to(torch.float32)
            torch.testing.assert_close(tensor, relatives.base[name] + change)


def test_the_middle_of_two_is_that_of_the_arc(make_relatives: MakeRelatives) -> None:
    generator = torch.Generator().manual_seed(4)
    models = {
        n: {"w": torch.nn.functional.normalize(torch.randn(9, generator=generator), dim=0)} for n in "ab"
    }
    middle = fused_tensors(MULTISLERP, models).tensors
    assert_near(middle, fused_tensors(method_named("slerp"), models, parameters={"t": 0.5}).tensors)


def test_models_of_one_norm_give_a_change_of_that_norm(relatives: Relatives) -> None:
    models = {
        name: {
            n: relatives.base[n] + torch.nn.functional.normalize(t - relatives.base[n], dim=0)
            for n, t in m.items()
        }
        for name, m in relatives.models.items()
    }
    merged = fused_tensors(MULTISLERP, models, relatives.base).tensors
    change = merged["layer.0.up.bias"] - relatives.base["layer.0.up.bias"]
    assert float(change.norm()) == pytest.approx(1.0, rel=1e-5)


def test_a_model_with_itself_is_that_model(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    models = dict.fromkeys(("a", "b", "c"), one.models["task0"])
    assert_near(fused_tensors(MULTISLERP, models, one.base).tensors, one.models["task0"])


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert_near(fused(relatives), fused(turned))


def test_weights_may_be_taken_as_they_are(relatives: Relatives) -> None:
    single = fused(relatives)
    double = fused(relatives, parameters={"normalize_weights": False, "weight": 2 / 3})
    assert_near(double, {n: relatives.base[n] + 2 * (single[n] - relatives.base[n]) for n in single})


def test_opposite_changes_are_averaged_whatever_their_number() -> None:
    """mergekit gives up where more than two cancel."""
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    models = {str(i): {"w": vector} for i, vector in enumerate((a, -3 * a, b, -b))}
    merged = fused_tensors(MULTISLERP, models, {"w": torch.zeros(2)}).tensors["w"]
    assert merged.tolist() == pytest.approx([-0.5, 0.0])


def test_an_unchanged_model_counts_for_the_norm_alone() -> None:
    models = {"a": {"w": torch.tensor([0.0, 4.0])}, "b": {"w": torch.zeros(2)}}
    assert fused_tensors(MULTISLERP, models, {"w": torch.zeros(2)}).tensors["w"].tolist() == [0.0, 2.0]


def test_every_shape_and_unchanged_models_go_through() -> None:
    same = {"a": constant(1.0), "b": constant(1.0)}
    assert_same_bits(fused_tensors(MULTISLERP, same, constant(1.0)).tensors, constant(1.0))
    assert_near(fused_tensors(MULTISLERP, same).tensors, constant(1.0))
    apart = {"a": constant(1.0), "b": constant(-1.0)}
    assert_same_bits(fused_tensors(MULTISLERP, apart).tensors, constant(0.0))


def test_weights_that_add_up_to_nothing_are_refused(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="add up to 0"):
        fused(relatives, parameters={"weight": 0.0})
