from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mergebert_fusion.contract.randomness import uniform


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 300), st.integers(0, 100))
def test_an_element_gets_the_same_number_however_the_tensor_is_cut(start: int, count: int) -> None:
    whole = uniform(3, "model", "tensor", 0, 400)
    assert torch.equal(uniform(3, "model", "tensor", start, count), whole[start : start + count])


def test_seed_model_and_tensor_each_change_the_numbers() -> None:
    first = uniform(0, "a", "bc", 0, 50)
    others = [uniform(1, "a", "bc", 0, 50), uniform(0, "ab", "c", 0, 50), uniform(0, "a", "b", 0, 50)]
    assert not any(torch.equal(first, other) for other in others)


def test_the_stream_is_the_one_it_always_was() -> None:
    # Masks of fusions made by earlier releases can only be drawn again while these numbers stay.
    drawn = [float(value) for value in uniform(0, "model", "tensor", 0, 3)]
    assert drawn == [0.2744354009628296, 0.5544954538345337, 0.0034979581832885742]


def test_the_numbers_are_spread_evenly() -> None:
    drawn = uniform(0, "model", "tensor", 0, 200_000)
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) < 1
    counts = torch.histc(drawn, 10, 0, 1)
    assert (counts - 20_000).abs().max() < 700
