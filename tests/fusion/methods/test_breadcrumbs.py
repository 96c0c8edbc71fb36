from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, constant

BREADCRUMBS = method_named("breadcrumbs")


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(BREADCRUMBS, relatives.models, relatives.base, parameters=parameters).tensors


def left_of(vector: Tensor, **parameters: Any) -> Tensor:
    """What is left of the change of one model with one tensor."""
    base = {"w": torch.zeros_like(vector)}
    return fused_tensors(BREADCRUMBS, {"a": {"w": vector}}, base, parameters=parameters).tensors["w"]


def middle(vector: Tensor, outliers: int, kept: int) -> Tensor:
    flat = vector.reshape(-1)
    ranked = sorted(range(len(flat)), key=lambda i: -abs(float(flat[i])))
    out = torch.zeros_like(flat)
    for i in ranked[outliers : outliers + kept]:
        out[i] = flat[i]
    return out.reshape(vector.shape)


def test_it_adds_up_the_middles(relatives: Relatives) -> None:
    merged = fused(relatives, density=0.5, gamma=0.1, scaling=0.4)
    for name in relatives.base:
        count = relatives.base[name].numel()
        kept = max(1, round(0.5 * count))
        summed = sum(
            middle(model[name] - relatives.base[name], min(int(0.1 * count), count - kept), kept)
            for model in relatives.models.values()
        )
        torch.testing.assert_close(merged[name], relatives.base[name] + 0.4 * summed)


def test_row_by_row_each_row_keeps_its_middle() -> None:
    vector = torch.randn(7, 20, generator=torch.Generator().manual_seed(1))
    left = left_of(vector, density=0.5, gamma=0.1, within="row")
    assert torch.equal(left, torch.stack([middle(row, 2, 10) for row in vector]))


def test_the_largest_and_the_smallest_go() -> None:
    vector = torch.tensor([5.0, -0.1, 0.2, -4.0, 0.3, 1.0, -2.0, 3.0, 0.4, 0.05])
    assert left_of(vector, density=0.3, gamma=0.2).nonzero().flatten().tolist() == [5, 6, 7]


@pytest.mark.parametrize("within", ["tensor", "row"])
@pytest.mark.parametrize("count", [1, 2, 5, 64, 99, 100, 1000])
def test_small_tensors_keep_something(count: int, within: str) -> None:
    """mergekit 0.1.4 emptied a tensor with gamma * count < 1; the authors' code empties rows with density * count < 1."""
    vector = torch.randn(count, generator=torch.Generator().manual_seed(count))
    left = left_of(vector, density=0.2, gamma=0.01, within=within)
    assert int((left != 0).sum()) == max(1, round(0.2 * count))


@pytest.mark.parametrize("density", [0.0, 0.29, 0.57, 1.0])
def test_exactly_the_density_is_kept_even_of_equal_magnitudes(density: float) -> None:
    for vector in (torch.ones(100), torch.randn(100, generator=torch.Generator().manual_seed(0))):
        assert int((left_of(vector, density=density) != 0).sum()) == round(100 * density)


def test_outliers_are_fewer_where_they_would_leave_too_little() -> None:
    vector = torch.arange(1.0, 11.0)
    assert torch.equal(left_of(vector, density=0.9, gamma=0.5), vector * (vector < 10))
    assert torch.equal(left_of(vector, density=1.0, gamma=0.5), vector)


def test_keeping_all_is_task_arithmetic(relatives: Relatives) -> None:
    expected = fused_tensors(method_named("task_arithmetic"), relatives.models, relatives.base).tensors
    assert_same_bits(fused(relatives, density=1.0), expected)


def test_keeping_nothing_is_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, density=0.0), relatives.base)


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert_near(fused(relatives), fused(turned))


@pytest.mark.parametrize("within", ["tensor", "row"])
def test_every_shape_and_unchanged_models_go_through(within: str) -> None:
    options = {"parameters": {"within": within}}
    same = fused_tensors(BREADCRUMBS, {"a": constant(1.0)}, constant(1.0), **options).tensors
    assert_same_bits(same, constant(1.0))
    moved = fused_tensors(BREADCRUMBS, {"a": constant(2.0)}, constant(1.0), **options).tensors
    columns = 4.0 if within == "row" else 1.0  # every row of one element keeps it
    assert {name: float((tensor - 1).sum()) for name, tensor in moved.items()} == {
        "scalar": 1.0,
        "vector": 1.0,
        "column": columns,
        "row": 1.0,
    }
