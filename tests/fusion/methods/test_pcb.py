from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, changes, constant, task_vectors

PCB = method_named("pcb")
VARIANTS = ["sum", "normalized", "pairwise"]
PLAIN = {"scaling": 1.0, "clip": 0.0}


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(PCB, relatives.models, relatives.base, parameters=parameters).tensors


def between(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return (values.clamp(low, high) - low) / (high - low)


def shares(vectors: Tensor, density: float, clip: float, inter: str) -> tuple[Tensor, Tensor]:
    """The clipped task vectors and the share of every entry, one whole model a row."""
    models, count = vectors.shape
    order = vectors.abs().sort(1).values
    cut = int(clip * count)
    low, high = order[:, cut, None], order[:, count - 1 - cut, None]
    size = between(vectors.abs(), low, high)
    signed = torch.sign(vectors) * size
    second = {
        "sum": torch.tanh(vectors * vectors.sum(0)),
        "normalized": torch.tanh(vectors * signed.sum(0)),
        "pairwise": torch.stack([torch.tanh(own * signed).sum(0) for own in signed]),
    }[inter]
    scores = (models * size**2).exp() * second
    ranked = scores.sort(1, descending=True).values
    share = between(scores, ranked[:, round(density * count) - 1, None], ranked[:, :1])
    return torch.sign(vectors) * vectors.abs().clamp(low, high), share


@pytest.mark.parametrize(
    ("inter", "density", "clip"),
    [("sum", 0.1, 0.0001), ("sum", 0.9, 0.1), ("normalized", 0.2, 0.01), ("pairwise", 0.05, 0.01)],
)
def test_entries_are_weighed_by_size_and_agreement(
    relatives: Relatives, inter: str, density: float, clip: float
) -> None:
    vectors = task_vectors(relatives.models, relatives.base)
    clipped, share = shares(vectors, density, clip, inter)
    expected = 1.2 * (clipped * share).sum(0) / share.sum(0).clamp(min=1e-12)
    merged = fused(relatives, density=density, clip=clip, inter=inter)
    torch.testing.assert_close(changes(merged, relatives), expected, rtol=1e-3, atol=1e-6)


def test_the_three_versions_differ(relatives: Relatives) -> None:
    first, second, third = (fused(relatives, inter=inter)["embeddings.weight"] for inter in VARIANTS)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


def test_a_weight_multiplies_a_change_and_not_its_share(relatives: Relatives) -> None:
    clipped, share = shares(task_vectors(relatives.models, relatives.base), 0.1, 0.0, "sum")
    weights = torch.tensor([[1.0], [0.5], [2.0]])
    expected = (clipped * weights * share).sum(0) / share.sum(0).clamp(min=1e-12)
    own = {name: {"weight": float(w)} for name, w in zip(relatives.models, weights, strict=True)}
    outcome = fused_tensors(PCB, relatives.models, relatives.base, parameters=PLAIN, model_parameters=own)
    torch.testing.assert_close(changes(outcome.tensors, relatives), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("density", [0.1, 0.5])
def test_of_one_model_the_share_above_its_smallest_kept_entry_remains(
    make_relatives: MakeRelatives, density: float
) -> None:
    one = make_relatives(1)
    vector = task_vectors(one.models, one.base)[0]
    change = changes(fused(one, density=density, **PLAIN), one)
    kept = change != 0
    assert int(kept.sum()) == round(density * vector.numel()) - 1
    assert vector[kept].abs().min() > vector[~kept].abs().max()
    torch.testing.assert_close(change[kept], vector[kept], rtol=1e-4, atol=1e-6)


def test_all_of_one_model_is_that_model_but_for_its_smallest_change(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    missing = (changes(fused(one, density=1, **PLAIN), one) == 0).sum()
    assert int(missing) == 1


def test_where_one_model_alone_has_a_share_its_own_change_remains(relatives: Relatives) -> None:
    vectors = task_vectors(relatives.models, relatives.base)
    _, share = shares(vectors, 0.1, 0.0, "sum")
    alone = (share > 0).sum(0) == 1
    expected = (vectors * (share > 0)).sum(0)[alone]
    assert alone.any()
    change = changes(fused(relatives, **PLAIN), relatives)
    torch.testing.assert_close(change[alone], expected, rtol=1e-4, atol=1e-6)


def test_the_largest_changes_are_clipped(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    one.models["task0"]["norm.weight"] = one.base["norm.weight"] + 100
    change = changes(fused(one, scaling=1, clip=0.05, density=0.5), one)
    largest = task_vectors(one.models, one.base)[0].abs().sort(descending=True).values[int(0.05 * 259)]
    torch.testing.assert_close(change.abs().max(), largest, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("inter", VARIANTS)
def test_models_equal_to_the_base_give_the_base(relatives: Relatives, inter: str) -> None:
    same = Relatives(relatives.base, {"a": relatives.base, "b": relatives.base}, {})
    assert_same_bits(fused(same, inter=inter), relatives.base)


@pytest.mark.parametrize("inter", VARIANTS)
def test_a_model_equal_to_the_base_has_no_share(make_relatives: MakeRelatives, inter: str) -> None:
    one = make_relatives(1)
    vector = task_vectors(one.models, one.base)[0]
    more = Relatives(one.base, {**one.models, "same": one.base}, {})
    change = changes(fused(more, inter=inter, **PLAIN), more)
    kept = change != 0
    assert int(kept.sum()) == round(0.1 * vector.numel()) - 1
    torch.testing.assert_close(change[kept], vector[kept], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("inter", ["sum", "normalized"])
def test_changes_of_one_size_give_finite_numbers(relatives: Relatives, inter: str) -> None:
    steps = {name: tensor + 0.25 for name, tensor in relatives.base.items()}
    change = changes(fused(Relatives(relatives.base, {"a": steps, "b": steps}, {}), inter=inter), relatives)
    assert change.isfinite().all()


def test_changes_that_all_score_alike_remain() -> None:
    merged = fused_tensors(PCB, {"a": constant(3.0), "b": constant(3.0)}, constant(1.0), parameters=PLAIN)
    assert_same_bits(merged.tensors, constant(3.0))


@pytest.mark.parametrize("inter", VARIANTS)
def test_the_order_of_the_models_does_not_matter(relatives: Relatives, inter: str) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), {})
    assert_near(fused(relatives, inter=inter), fused(turned, inter=inter))


def test_a_density_of_nothing_gives_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, density=0), relatives.base)


def test_scores_of_very_many_models_stay_finite() -> None:
    models = {str(i): {"v": torch.randn(500, generator=torch.manual_seed(i))} for i in range(90)}
    merged = fused_tensors(PCB, models, {"v": torch.zeros(500)}).tensors["v"]
    assert merged.isfinite().all()
    assert merged.any()


def test_a_density_that_differs_by_tensor_is_refused(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="whole merge"):
        fused(relatives, density=[0.1, 0.2])
