from __future__ import annotations

import pytest
import torch

from mergebert_fusion.maths.sphere import directions


def test_lengths_and_cosines_are_those_of_the_tensors() -> None:
    found = directions([torch.tensor([3.0, 0.0]), torch.tensor([1.0, 1.0]), torch.zeros(2)])
    assert found.norms == pytest.approx((3.0, 2**0.5, 0.0))
    assert found.cosines[0] == pytest.approx((1.0, 0.5**0.5, 0.0))
    assert found.cosines[2] == (0.0, 0.0, 0.0)


def test_the_mean_is_a_point_of_the_sphere_in_the_direction_of_the_sum() -> None:
    tensors = [torch.tensor([2.0, 0.0]), torch.tensor([0.0, 5.0])]
    found = directions(tensors)
    mean = found.mean([3.0, 4.0])
    assert mean == pytest.approx([0.6, 0.8])
    assert mean is not None
    assert found.length(mean) == pytest.approx(1.0)
    assert found.cosines_to(mean) == pytest.approx([0.6, 0.8])
    first, second = found.coefficients(mean, norm=10.0)
    assert (first * tensors[0] + second * tensors[1]).tolist() == pytest.approx([6.0, 8.0])


def test_directions_that_cancel_have_no_mean() -> None:
    vector = torch.tensor([1.0, 2.0])
    assert directions([vector, -3 * vector]).mean([0.5, 0.5]) is None
    assert directions([torch.zeros(2), torch.zeros(2)]).mean([0.5, 0.5]) is None
