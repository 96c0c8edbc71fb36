"""Tiny models for every test of fusing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fusion.relatives import Relatives, relatives_of


@pytest.fixture
def make_relatives() -> Callable[..., Relatives]:
    """A function of the number of models that makes random relatives."""
    return relatives_of


@pytest.fixture
def relatives() -> Relatives:
    """A base and three models."""
    return relatives_of(3)
