"""The sides that a person can choose for a conflict, in the order in which they are offered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mergebert.text.threeway import ThreeWay

CHOICES: Mapping[str, Callable[[ThreeWay[str]], str]] = {
    "ours": lambda sides: sides.ours,
    "theirs": lambda sides: sides.theirs,
    "both": lambda sides: sides.ours + sides.theirs,
    "both-swapped": lambda sides: sides.theirs + sides.ours,
    "base": lambda sides: sides.base,
    "none": lambda sides: "",
}
