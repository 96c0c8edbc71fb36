"""Base, ours and theirs of anything: the algebra under every merge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class ThreeWay(Generic[T]):
    """Three versions of one thing; `base` is the common ancestor."""

    base: T
    ours: T
    theirs: T

    def __iter__(self) -> Iterator[T]:
        return iter((self.base, self.ours, self.theirs))

    def map(self, function: Callable[[T], U]) -> ThreeWay[U]:
        """The same three versions with `function` applied to each."""
        return ThreeWay(function(self.base), function(self.ours), function(self.theirs))

    def swapped(self) -> ThreeWay[T]:
        """The same merge seen from the other side."""
        return ThreeWay(self.base, self.theirs, self.ours)

    def trivial(self) -> T | None:
        """The version every merge tool agrees on: an unchanged side gives way; None if both changed differently."""
        if self.ours == self.theirs or self.theirs == self.base:
            return self.ours
        return self.theirs if self.ours == self.base else None
