"""Texts with conflicts, and answers to them made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from mergebert.text.markers import MarkedConflict, marked_conflicts
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.text.region import Region, Suggestion
from mergebert_lsp.text.view import View

ABLE = Client(
    shows_related=True,
    has_action_literals=True,
    resolves_edits=True,
    versions_edits=True,
    reads_markdown=True,
)
TWO_WAY = "<<<<<<< main\na\n=======\nb\n>>>>>>> feature\n"
DIFF3 = "<<<<<<< main\na\na\n||||||| base\no\n=======\n>>>>>>> feature\n"


def region(
    text: str,
    *suggested: tuple[str, float],
    is_sure: bool = False,
    sides: ThreeWay[str] | None = None,
    choices: dict[str, str] | None = None,
) -> Region:
    """An answer for a region, its suggestions taking theirs by lines."""
    suggestions = tuple(Suggestion(one, share, "theirs", "lines") for one, share in suggested)
    count = sum(isinstance(one, MarkedConflict) for one in marked_conflicts(text))
    return Region(text, count, suggestions, is_sure, sides, choices or {})


def view(text: str, regions: Sequence[Region] = (), version: int | None = 7) -> View:
    return View("file:///a.py", version, text, "utf-16", regions)


def applied(one: View, *choices: tuple[int, str]) -> str:
    """The text after these choices, each for a conflict by its number."""
    text = one.text
    edits = [one.conflicts[number - 1].edit(choice) for number, choice in choices]
    for edit in sorted(filter(None, edits), key=lambda edit: -edit.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def regions_of(shown: View) -> tuple[Region, ...]:
    """The answers that hold for a text."""
    return tuple(one.region for one in shown.conflicts if one.region is not None and one.is_first)
