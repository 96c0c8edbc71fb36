from __future__ import annotations

from typing import Any

import pytest
import torch

from mergebert_fusion.contract.method import Base
from mergebert_fusion.methods.registry import METHODS
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives
from tests.fusion.vectors import assert_same_bits

ROLES = {"task0": {"role": "task"}, "task1": {"role": "language"}}
# What a method cannot do without, as in a recipe.
NEEDED: dict[str, dict[str, Any]] = {"layer_swap": {"model_parameters": ROLES}}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_method_writes_into_what_it_is_given(name: str, make_relatives: MakeRelatives) -> None:
    count = min(2, METHODS[name].most_models or 2)
    given, untouched = make_relatives(count), make_relatives(count)
    base = None if METHODS[name].base is Base.FIRST else given.base
    fused_tensors(METHODS[name], given.models, base, places=given.places, **NEEDED.get(name, {}))
    assert_same_bits(given.base, untouched.base)
    for model, tensors in untouched.models.items():
        assert_same_bits(given.models[model], tensors)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_gives_the_same_bits_twice(name: str, make_relatives: MakeRelatives) -> None:
    relatives = make_relatives(min(2, METHODS[name].most_models or 2))
    base = None if METHODS[name].base is Base.FIRST else relatives.base
    options = {"places": relatives.places, "seed": 3, **NEEDED.get(name, {})}
    once, again = (fused_tensors(METHODS[name], relatives.models, base, **options).tensors for _ in range(2))
    assert_same_bits(once, again)
    assert all(torch.isfinite(tensor).all() for tensor in once.values())
