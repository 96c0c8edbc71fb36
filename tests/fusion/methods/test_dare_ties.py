from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.randomness import uniform
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits

DARE_TIES = method_named("dare_ties")


def fused(relatives: Relatives, seed: int = 0, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(
        DARE_TIES, relatives.models, relatives.base, parameters=parameters, seed=seed
    ).tensors


def dropped(relatives: Relatives, name: str, density: float) -> Tensor:
    vectors = []
    for model, tensors in relatives.models.items():
        vector = tensors[name] - relatives.base[name]
        drawn = uniform(0, model, name, 0, vector.numel()).reshape(vector.shape)
        vectors.append(torch.where(drawn < density, vector / density, torch.zeros_like(vector)))
    return torch.stack(vectors)


@pytest.mark.parametrize("normalize", [True, False])
def test_it_is_the_disjoint_mean_or_sum_of_what_is_left(relatives: Relatives, normalize: bool) -> None:
    merged = fused(relatives, density=0.6, scaling=0.5, normalize=normalize)
    for name in relatives.base:
        vectors = dropped(relatives, name, 0.6)
        agrees = (torch.sign(vectors) == torch.sign(vectors.sum(0))) & (vectors != 0)
        change = (vectors * agrees).sum(0) / (agrees.sum(0).clamp(min=1) if normalize else 1)
        torch.testing.assert_close(merged[name], relatives.base[name] + 0.5 * change)


def test_at_a_low_density_the_trim_of_ties_would_cut_nothing(relatives: Relatives) -> None:
    """The authors' code trims to the largest fifth after dropping; that keeps every survivor of a density of 0.1."""
    vectors = torch.cat([dropped(relatives, name, 0.1).reshape(3, -1) for name in relatives.base], dim=1)
    assert all(int((vector != 0).sum()) <= 0.2 * vector.numel() for vector in vectors)


def test_one_whole_model_is_that_model(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    assert_near(fused(one, density=1.0), one.models["task0"])


def test_dropping_everything_leaves_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, density=0.0), relatives.base)


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert_near(fused(relatives, density=0.5), fused(turned, density=0.5))
