from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import Relatives
from tests.fusion.vectors import assert_near, assert_same_bits

SCE = method_named("sce")


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(SCE, relatives.models, relatives.base, parameters=parameters).tensors


def selected(vectors: np.ndarray, share: float) -> np.ndarray:
    """The vectors with zeros in all but the positions of largest variance."""
    variances = vectors.var(axis=0)
    count = max(1, round(share * np.count_nonzero(variances)))
    chosen = np.zeros(len(variances), dtype=bool)
    chosen[np.argsort(-variances, kind="stable")[:count]] = True
    return vectors * chosen


def fused_change(vectors: np.ndarray, weighed: np.ndarray) -> np.ndarray:
    """The erased, weighted mean of the vectors, with the weights of those that are weighed."""
    weights = (weighed**2).mean(axis=1, keepdims=True)
    weights = weights / weights.sum()
    agrees = np.sign(vectors) == np.where(vectors.sum(0) >= 0, 1.0, -1.0)
    divisor = (weights * agrees).sum(0)
    return (weights * agrees * vectors).sum(0) / np.where(divisor == 0, 1.0, divisor)


@pytest.mark.parametrize(("share", "own"), [(1.0, True), (0.3, True), (0.3, False), (0.01, True)])
def test_it_selects_calculates_and_erases(relatives: Relatives, share: float, own: bool) -> None:
    merged = fused(relatives, select_topk=share, selected=own)
    for name, tensor in merged.items():
        vectors = np.stack(
            [
                (model[name] - relatives.base[name]).numpy().astype(np.float64).reshape(-1)
                for model in relatives.models.values()
            ]
        )
        chosen = vectors if share == 1 else selected(vectors, share)
        change = fused_change(chosen if own else vectors, chosen).reshape(tensor.shape)
        np.testing.assert_allclose(
            tensor.numpy(), relatives.base[name].numpy() + change, rtol=1e-4, atol=1e-6
        )


def test_small_changes_are_weighed_like_large_ones() -> None:
    """mergekit weighs models equally once the mean squares add up to less than 1e-6."""
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 1.0, 0.1])
    large, small = (
        fused_tensors(SCE, {"a": {"w": a * s}, "b": {"w": b * s}}, {"w": torch.zeros(3)}).tensors["w"] / s
        for s in (1.0, 1e-5)
    )
    torch.testing.assert_close(large, small)


def test_a_model_with_itself_is_that_model(relatives: Relatives) -> None:
    model = relatives.models["task0"]
    assert_near(fused(Relatives(relatives.base, {"a": model, "b": model}, relatives.places)), model)


def test_where_models_agree_to_the_bit_nothing_is_selected(relatives: Relatives) -> None:
    twice = Relatives(relatives.base, dict.fromkeys("ab", relatives.models["task0"]), relatives.places)
    assert_same_bits(fused(twice, select_topk=0.5), relatives.base)


def test_selecting_nothing_is_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, select_topk=0.0), relatives.base)


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert_near(fused(relatives, select_topk=0.4), fused(turned, select_topk=0.4))


def test_no_change_is_larger_than_that_of_some_model(relatives: Relatives) -> None:
    merged = fused(relatives)
    for name, tensor in merged.items():
        most = torch.stack([(m[name] - relatives.base[name]).abs() for m in relatives.models.values()]).amax(
            0
        )
        assert ((tensor - relatives.base[name]).abs() <= most + 1e-6).all()
