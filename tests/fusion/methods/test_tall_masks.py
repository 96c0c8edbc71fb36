from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.method import MergeMethod
from mergebert_fusion.engine.state_dicts import Fused
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors, restored
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, constant, flat, task_vectors

TALL = method_named("tall_masks")
assert isinstance(TALL, MergeMethod)
TIES = {"vector": "ties"}


def fused(relatives: Relatives, **parameters: Any) -> Fused:
    return fused_tensors(TALL, relatives.models, relatives.base, parameters=parameters)


def masks(outcome: Fused, models: Any) -> Tensor:
    return torch.stack([flat(outcome.artifacts[f"mask.{name}"]) > 0 for name in models])


def of_one(model: dict[str, Tensor], base: dict[str, Tensor], count: int) -> Relatives:
    return Relatives(base, {str(i): model for i in range(count)}, {})


def test_the_merged_model_is_that_of_task_arithmetic(relatives: Relatives) -> None:
    added = fused_tensors(
        method_named("task_arithmetic"), relatives.models, relatives.base, parameters={"lambda": 0.3}
    )
    assert_same_bits(fused(relatives, scaling=0.3).tensors, added.tensors)


def test_the_merged_model_may_be_that_of_ties(relatives: Relatives) -> None:
    options = {"scaling": 0.3, "density": 0.2}
    given = {"parameters": {**options, "normalize": False}}
    summed = fused_tensors(method_named("ties"), relatives.models, relatives.base, **given)
    assert_same_bits(fused(relatives, **options, **TIES).tensors, summed.tensors)


@pytest.mark.parametrize("options", [{}, TIES])
def test_a_mask_holds_where_a_change_is_large_beside_what_the_others_add(
    relatives: Relatives, options: dict[str, str]
) -> None:
    outcome = fused(relatives, threshold=0.5, **options)
    vectors = task_vectors(relatives.models, relatives.base)
    together = flat(outcome.artifacts["vector"])
    expected = vectors.abs() > 0.5 * (together - vectors).abs()
    found = masks(outcome, relatives.models)
    assert torch.equal(found, expected)
    assert found.any(1).all()
    assert not found.all(1).any()


def test_a_mask_does_not_compare_the_base_with_a_change() -> None:
    """Comparing |W_0 - d_t| instead of |d_t|, as fusion_bench does, would keep the second element."""
    base = {"v": torch.tensor([0.0, 9.0])}
    models = {"a": {"v": torch.tensor([1.0, 9.1])}, "b": {"v": torch.tensor([0.0, 10.0])}}
    outcome = fused_tensors(TALL, models, base, parameters={"threshold": 0.5})
    assert outcome.artifacts["mask.a"]["v"].tolist() == [True, False]
    assert outcome.artifacts["mask.b"]["v"].tolist() == [False, True]


def test_about_two_thirds_of_random_changes_are_kept() -> None:
    models = {str(i): {"v": 0.01 * torch.randn(20000, generator=torch.manual_seed(i))} for i in range(8)}
    outcome = fused_tensors(TALL, models, {"v": torch.zeros(20000)}, parameters={"threshold": 0.2})
    # Of two independent normal numbers, the first with 1 / (0.2 * sqrt(7)) times the deviation of the other.
    expected = 2 / torch.pi * torch.atan(torch.tensor(1 / (0.2 * 7**0.5)))
    share = masks(outcome, models).to(torch.float64).mean()
    assert abs(float(share) - float(expected)) < 0.01


def test_a_model_is_restored_as_the_masked_vector(relatives: Relatives) -> None:
    outcome = fused(relatives)
    for name in relatives.models:
        given = restored(TALL, outcome, relatives.base, name)
        expected = {
            n: base + outcome.artifacts["vector"][n] * outcome.artifacts[f"mask.{name}"][n]
            for n, base in relatives.base.items()
        }
        assert_same_bits(given, expected)


def test_one_model_is_restored(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    outcome = fused(one)
    assert torch.equal(masks(outcome, one.models)[0], task_vectors(one.models, one.base)[0] != 0)
    assert_near(restored(TALL, outcome, one.base, "task0"), one.models["task0"])


def test_models_that_changed_different_elements_are_all_restored(relatives: Relatives) -> None:
    own = {
        f"task{i}": {
            n: torch.where(torch.arange(t.numel()).reshape(t.shape) % 3 == i, t, relatives.base[n])
            for n, t in model.items()
        }
        for i, model in enumerate(relatives.models.values())
    }
    outcome = fused(Relatives(relatives.base, own, relatives.places))
    for name, model in own.items():
        assert_near(restored(TALL, outcome, relatives.base, name), model)


def test_without_a_threshold_a_mask_is_what_was_changed(relatives: Relatives) -> None:
    relatives.models["task0"]["norm.weight"] = relatives.base["norm.weight"]
    found = masks(fused(relatives, threshold=0), relatives.models)
    assert torch.equal(found, task_vectors(relatives.models, relatives.base) != 0)


def test_a_higher_threshold_never_adds_an_element(relatives: Relatives) -> None:
    low, middle, high = (masks(fused(relatives, threshold=t), relatives.models) for t in (0.2, 0.6, 1.5))
    assert (middle <= low).all()
    assert (high <= middle).all()
    assert high.sum() < middle.sum() < low.sum()


@pytest.mark.parametrize(("threshold", "held"), [(0.49, True), (0.51, False)])
def test_three_identical_models_keep_all_below_a_threshold_of_half(threshold: float, held: bool) -> None:
    identical = of_one({"v": torch.tensor([1.0, -2.0])}, {"v": torch.zeros(2)}, 3)
    found = masks(fused(identical, threshold=threshold), identical.models)
    assert bool(found.all()) is bool(found.any()) is held


def test_every_model_may_have_its_own_threshold(relatives: Relatives) -> None:
    own = {"task1": {"threshold": 0.2}}
    outcome = fused_tensors(TALL, relatives.models, relatives.base, model_parameters=own)
    loose, usual = (masks(fused(relatives, **given), relatives.models) for given in ({"threshold": 0.2}, {}))
    expected = torch.stack([usual[0], loose[1], usual[2]])
    assert torch.equal(masks(outcome, relatives.models), expected)


@pytest.mark.parametrize("options", [{}, TIES])
def test_models_equal_to_the_base_are_restored_as_the_base(
    relatives: Relatives, options: dict[str, str]
) -> None:
    outcome = fused(of_one(relatives.base, relatives.base, 2), **options)
    assert_same_bits(outcome.tensors, relatives.base)
    assert_same_bits(restored(TALL, outcome, relatives.base, "1"), relatives.base)


@pytest.mark.parametrize("options", [{}, TIES])
def test_odd_shapes_are_restored(options: dict[str, str]) -> None:
    outcome = fused_tensors(TALL, {"a": constant(3.0)}, constant(1.0), parameters=options)
    assert_same_bits(restored(TALL, outcome, constant(1.0), "a"), constant(3.0))
