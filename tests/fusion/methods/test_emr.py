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
from tests.fusion.vectors import assert_near, assert_same_bits, changes, constant, flat, task_vectors

EMR = method_named("emr")
assert isinstance(EMR, MergeMethod)


def fused(relatives: Relatives, **parameters: Any) -> Fused:
    return fused_tensors(EMR, relatives.models, relatives.base, parameters=parameters)


def unified(vectors: Tensor) -> Tensor:
    signs = torch.sign(vectors.sum(0))
    return signs * torch.where(torch.sign(vectors) == signs, vectors.abs(), 0.0).amax(0)


def test_the_unified_vector_is_the_largest_change_of_the_elected_sign(relatives: Relatives) -> None:
    expected = unified(task_vectors(relatives.models, relatives.base))
    outcome = fused(relatives, scaling=0.5)
    assert torch.equal(flat(outcome.artifacts["vector"]), expected)
    torch.testing.assert_close(changes(outcome.tensors, relatives), 0.5 * expected, rtol=1e-4, atol=1e-6)


def test_a_model_is_restored_by_its_mask_and_rescaler(relatives: Relatives) -> None:
    vectors = task_vectors(relatives.models, relatives.base)
    together = unified(vectors)
    outcome = fused(relatives)
    for name, vector in zip(relatives.models, vectors, strict=True):
        masked = together * (vector * together > 0)
        expected = masked * vector.abs().sum() / masked.abs().sum()
        given = changes(restored(EMR, outcome, relatives.base, name), relatives)
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(given.abs().sum(), vector.abs().sum(), rtol=1e-5, atol=0)


def test_the_rescaler_may_weigh_every_tensor_alike(relatives: Relatives) -> None:
    outcome = fused(relatives, rescaler="tensor_means")
    for name, rescaler in zip(outcome.found.names, outcome.found.rescalers, strict=True):
        own = masked = torch.zeros(())
        for tensor, base in relatives.base.items():
            vectors = torch.stack([model[tensor] - base for model in relatives.models.values()])
            vector, together = relatives.models[name][tensor] - base, unified(vectors)
            own = own + vector.abs().mean()
            masked = masked + (together * (vector * together > 0)).abs().mean()
        assert rescaler == pytest.approx(float(own / masked), rel=1e-5)
    assert outcome.found != fused(relatives).found


def test_one_model_is_restored(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    outcome = fused(one)
    assert outcome.found.rescalers == (1.0,)
    assert_near(restored(EMR, outcome, one.base, "task0"), one.models["task0"])


def test_identical_models_are_restored(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    outcome = fused(Relatives(one.base, {"a": one.models["task0"], "b": one.models["task0"]}, {}))
    assert_near(restored(EMR, outcome, one.base, "b"), one.models["task0"])


def test_the_unified_vector_is_nowhere_smaller_than_what_a_mask_holds(relatives: Relatives) -> None:
    outcome = fused(relatives)
    together = flat(outcome.artifacts["vector"])
    for name, vector in zip(relatives.models, task_vectors(relatives.models, relatives.base), strict=True):
        held = flat(outcome.artifacts[f"mask.{name}"]) > 0
        assert (together.abs()[held] >= vector.abs()[held]).all()
        assert torch.equal(held, torch.sign(vector) == torch.sign(together))


def test_nothing_is_elected_where_changes_cancel_or_nothing_changed() -> None:
    models = {"a": {"v": torch.tensor([1.0, 2.0, 0.0])}, "b": {"v": torch.tensor([-1.0, 2.0, 0.0])}}
    kept = fused_tensors(EMR, models, {"v": torch.zeros(3)}).artifacts
    assert kept["vector"]["v"].tolist() == [0.0, 2.0, 0.0]
    assert kept["mask.b"]["v"].tolist() == [False, True, False]


def test_a_mask_holds_for_changes_whose_product_is_too_small_for_a_number() -> None:
    tiny = {"v": torch.full((1,), 1e-30)}
    outcome = fused_tensors(EMR, {"a": tiny}, {"v": torch.zeros(1)})
    assert outcome.artifacts["mask.a"]["v"].tolist() == [True]


def test_a_model_equal_to_the_base_is_restored_as_the_base(relatives: Relatives) -> None:
    more = Relatives(relatives.base, {**relatives.models, "same": relatives.base}, relatives.places)
    outcome = fused(more)
    assert_same_bits(restored(EMR, outcome, relatives.base, "same"), relatives.base)
    assert_same_bits(outcome.tensors, fused(relatives).tensors)


def test_a_model_that_is_always_outvoted_is_restored_as_the_base() -> None:
    base = constant(1.0)
    outcome = fused_tensors(EMR, {"a": constant(4.0), "b": constant(0.0)}, base)
    assert_same_bits(restored(EMR, outcome, base, "b"), base)
    assert_same_bits(restored(EMR, outcome, base, "a"), constant(4.0))


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    one, two = fused(relatives), fused(turned)
    assert_near(one.tensors, two.tensors)
    assert_near(restored(EMR, one, relatives.base, "task2"), restored(EMR, two, relatives.base, "task2"))
