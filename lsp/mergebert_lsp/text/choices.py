"""The sides that a person can choose for a conflict, in the order in which they are offered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mergebert.text.threeway import ThreeWay


@dataclass(frozen=True, slots=True)
class SideChoice:
    """One choice: the text it makes of the sides, and its title, given the names of the sides."""

    text: Callable[[ThreeWay[str]], str]
    title: Callable[[ThreeWay[str]], str]


CHOICES: Mapping[str, SideChoice] = {
    "ours": SideChoice(lambda sides: sides.ours, lambda names: f"Take {names.ours}"),
    "theirs": SideChoice(lambda sides: sides.theirs, lambda names: f"Take {names.theirs}"),
    "both": SideChoice(
        lambda sides: sides.ours + sides.theirs, lambda names: f"Take both, {names.ours} first"
    ),
    "both-swapped": SideChoice(
        lambda sides: sides.theirs + sides.ours, lambda names: f"Take both, {names.theirs} first"
    ),
    "base": SideChoice(lambda sides: sides.base, lambda names: f"Take {names.base}"),
    "none": SideChoice(lambda sides: "", lambda names: "Take neither"),
}
