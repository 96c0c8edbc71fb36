from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import Relatives
from tests.fusion.vectors import assert_same_bits, changes, constant, flat, task_vectors

CONSENSUS, TALL = method_named("consensus"), method_named("tall_masks")


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(CONSENSUS, relatives.models, relatives.base, parameters=parameters).tensors


def users(relatives: Relatives, **parameters: Any) -> Tensor:
    """How many masks of TALL-masks hold at each element."""
    kept = fused_tensors(TALL, relatives.models, relatives.base, parameters=parameters).artifacts
    return torch.stack([flat(kept[f"mask.{name}"]) for name in relatives.models]).sum(0)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_it_keeps_of_the_sum_what_at_least_k_models_use(relatives: Relatives, k: int) -> None:
    vectors = task_vectors(relatives.models, relatives.base)
    together = vectors.sum(0)
    used = (vectors.abs() > 0.6 * (together - vectors).abs()).sum(0)
    merged = fused(relatives, k=k, threshold=0.6, scaling=0.4)
    torch.testing.assert_close(changes(merged, relatives), 0.4 * together * (used >= k), rtol=1e-4, atol=1e-6)
    assert 0 < int((used >= k).sum()) < used.numel()


def test_it_counts_the_masks_of_tall_masks(relatives: Relatives) -> None:
    for options in ({}, {"vector": "ties", "density": 0.6}):
        kept = changes(fused(relatives, k=2, **options), relatives) != 0
        plain = changes(fused(relatives, k=0, **options), relatives) != 0
        assert torch.equal(kept, plain & (users(relatives, **options) >= 2))


def test_two_models_are_the_least_that_use_an_entry_unless_told_otherwise(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives), fused(relatives, k=2))


@pytest.mark.parametrize("vector", ["sum", "ties"])
def test_no_models_needed_is_the_plain_merge(relatives: Relatives, vector: str) -> None:
    plain = fused_tensors(TALL, relatives.models, relatives.base, parameters={"vector": vector}).tensors
    assert_same_bits(fused(relatives, k=0, vector=vector), plain)


def test_more_models_needed_than_there_are_gives_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, k=4), relatives.base)


def test_a_higher_k_never_keeps_more(relatives: Relatives) -> None:
    kept = [changes(fused(relatives, k=k), relatives) != 0 for k in range(5)]
    assert all((more <= fewer).all() for fewer, more in itertools.pairwise(kept))


def test_what_one_model_alone_uses_is_selfish() -> None:
    base = {"v": torch.zeros(3)}
    models = {"a": {"v": torch.tensor([1.0, 1.0, 0.1])}, "b": {"v": torch.tensor([0.0, 1.0, -0.1])}}
    by_k = [fused_tensors(CONSENSUS, models, base, parameters={"k": k}).tensors["v"].tolist() for k in (1, 2)]
    assert by_k == [[1.0, 2.0, 0.0], [0.0, 2.0, 0.0]]


def test_models_equal_to_the_base_give_the_base(relatives: Relatives) -> None:
    same = {"a": relatives.base, "b": relatives.base}
    assert_same_bits(fused_tensors(CONSENSUS, same, relatives.base).tensors, relatives.base)


def test_odd_shapes_are_merged() -> None:
    merged = fused_tensors(CONSENSUS, {"a": constant(2.0), "b": constant(3.0)}, constant(1.0)).tensors
    assert_same_bits(merged, constant(4.0))


def test_a_single_model_is_refused(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="at least 2 models"):
        fused_tensors(CONSENSUS, {"a": relatives.models["task0"]}, relatives.base)
