from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits

BREADCRUMBS_TIES = method_named("breadcrumbs_ties")


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(BREADCRUMBS_TIES, relatives.models, relatives.base, parameters=parameters).tensors


@pytest.mark.parametrize("within", ["tensor", "row"])
def test_it_is_the_disjoint_mean_of_the_middles(relatives: Relatives, within: str) -> None:
    parameters = {"density": 0.6, "gamma": 0.1, "within": within}
    vectors = []
    for name, model in relatives.models.items():
        alone = fused_tensors(
            method_named("breadcrumbs"), {name: model}, relatives.base, parameters=parameters
        ).tensors
        vectors.append({tensor: alone[tensor] - relatives.base[tensor] for tensor in alone})
    merged = fused(relatives, **parameters, scaling=0.5)
    for name in relatives.base:
        stacked = torch.stack([vector[name] for vector in vectors])
        agrees = (torch.sign(stacked) == torch.sign(stacked.sum(0))) & (stacked != 0)
        change = (stacked * agrees).sum(0) / agrees.sum(0).clamp(min=1)
        torch.testing.assert_close(merged[name], relatives.base[name] + 0.5 * change, rtol=1e-4, atol=1e-6)


def test_one_whole_model_is_that_model(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    assert_near(fused(one, density=1.0), one.models["task0"])


def test_keeping_nothing_is_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, density=0.0), relatives.base)
