from __future__ import annotations

import itertools

import pytest
import torch

from mergebert_fusion.maths.sparsify import largest_mask, masked_and_rescaled


@pytest.mark.parametrize("count", [0, 1, 7, 11, 12, 30])
def test_exactly_so_many_are_marked_and_none_outside_is_larger(count: int) -> None:
    values = torch.rand(3, 4, generator=torch.Generator().manual_seed(count)).mul(4).round()  # many are equal
    mask = largest_mask(values, count)
    assert int(mask.sum()) == min(count, 12)
    if 0 < count < 12:
        assert values[mask].min() >= values[~mask].max()


def test_of_equal_numbers_the_first_are_marked() -> None:
    assert largest_mask(torch.tensor([1.0, 5.0, 1.0, 1.0]), 3).tolist() == [True, True, True, False]
    assert largest_mask(torch.zeros(3), 2).tolist() == [True, True, False]


def test_more_marked_ones_contain_the_fewer() -> None:
    values = torch.randint(3, (50,), generator=torch.Generator().manual_seed(0)).to(torch.float32)
    masks = [largest_mask(values, count) for count in range(0, 51, 10)]
    assert all((more | ~fewer).all() for fewer, more in itertools.pairwise(masks))


def test_survivors_are_divided_by_their_probability() -> None:
    vector, kept = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([True, True, False])
    assert masked_and_rescaled(vector, kept, 0.25, "probability").tolist() == [4.0, -8.0, 0.0]
    each = torch.tensor([0.5, 0.25, 1.0])
    assert masked_and_rescaled(vector, kept, each, "probability").tolist() == [2.0, -8.0, 0.0]


def test_survivors_may_keep_the_l1_norm_or_stay_as_they_are() -> None:
    vector, kept = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([True, True, False])
    assert masked_and_rescaled(vector, kept, 0.25, "l1").tolist() == [2.0, -4.0, 0.0]
    assert masked_and_rescaled(vector, kept, 0.25, "none").tolist() == [1.0, -2.0, 0.0]


@pytest.mark.parametrize("rescale", ["probability", "l1", "none"])
def test_where_nothing_survives_all_is_zero(rescale: str) -> None:
    vector = torch.ones(3)
    assert masked_and_rescaled(vector, torch.zeros(3, dtype=torch.bool), 0.0, rescale).tolist() == [0.0] * 3
    assert (
        masked_and_rescaled(torch.zeros(3), torch.ones(3, dtype=torch.bool), 0.5, rescale).tolist()
        == [0.0] * 3
    )
    assert vector.tolist() == [1.0] * 3
