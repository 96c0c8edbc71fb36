from __future__ import annotations

import math

import pytest
import torch

from mergebert_fusion.maths.sphere import arc, cosine, directions, gram, row_cosines


def test_the_cosine_is_that_of_the_flattened_tensors() -> None:
    a, b = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert cosine(a, b) == pytest.approx(9 / 25)
    assert gram([a, b]) == [[25.0, 9.0], [9.0, 25.0]]


def test_a_zero_vector_has_no_angle() -> None:
    assert cosine(torch.zeros(3), torch.ones(3)) is None
    assert row_cosines(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.ones(2, 2)) == [None, pytest.approx(1.0)]


def test_small_changes_have_the_angle_of_large_ones() -> None:
    a, b = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([1.0, 1.0, 0.0])
    assert cosine(a * 1e-18, b * 1e-18) == pytest.approx(cosine(a, b))


def test_a_cosine_never_leaves_its_bounds() -> None:
    for seed in range(50):
        vector = torch.randn(7, generator=torch.Generator().manual_seed(seed))
        for other, expected in ((vector * 3, 1.0), (vector * -0.7, -1.0)):
            found = cosine(vector, other)
            assert found == pytest.approx(expected)
            assert found is not None
            assert abs(found) <= 1


def test_how_many_rows_come_together_changes_no_bit() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(40, 769, generator=generator) for _ in range(2))
    one_by_one = [row_cosines(a[i : i + 1], b[i : i + 1])[0] for i in range(40)]
    assert row_cosines(a, b) == one_by_one


@pytest.mark.parametrize("angle", [0.01, 1.0, 2.0, 3.1])
def test_the_arc_keeps_to_the_circle_and_turns_evenly(angle: float) -> None:
    first, second = (1.0, 0.0), (math.cos(angle), math.sin(angle))
    for t in (0.0, 0.25, 0.5, 1.0):
        a, b = arc(t, math.cos(angle))
        point = [a * x + b * y for x, y in zip(first, second, strict=True)]
        assert point == pytest.approx([math.cos(t * angle), math.sin(t * angle)], abs=1e-6)


@pytest.mark.parametrize("cos", [None, 1.0, -1.0])
def test_without_an_arc_the_line_is_taken(cos: float | None) -> None:
    assert arc(0.3, cos) == (0.7, 0.3)


def test_the_line_is_taken_above_the_given_cosine() -> None:
    assert arc(0.3, 0.99, straight=0.98) == (0.7, 0.3)
    assert arc(0.3, 0.97, straight=0.98) != (0.7, 0.3)


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
