"""The shortest unique context: right on what stands once, silent on what repeats itself."""

from __future__ import annotations

from typing import Any

import pytest

from mergebert.text.markers import Conflict, Markers, MergedFile
from mergebert.text.threeway import ThreeWay
from mergebert_data.locate import by_context
from mergebert_data.locate.by_context import spans_by_context
from mergebert_data.locate.context_lines import LineKeys, Lines, Span, context_lines_of

DISPUTED = Conflict(
    ThreeWay("o\n", "x\n", "y\n"),
    Markers("<<<<<<< ours\n", "||||||| base\n", "=======\n", ">>>>>>> theirs\n"),
)


def spans(merged: str, *agreed: str) -> list[Span | None]:
    """The spans of the conflicts between the `agreed` texts."""
    parts: list[str | Conflict] = [agreed[0]]
    for text in agreed[1:]:
        parts += [DISPUTED, text]
    keys = LineKeys()
    cut = MergedFile(tuple(part for part in parts if part))
    return spans_by_context(context_lines_of(cut, keys), Lines(merged, keys))


def test_one_line_that_stands_once_is_enough() -> None:
    assert spans("changed\nb\nnew\nc\nchanged\n", "a\nb\n", "c\nd\n") == [(2, 3)]


def test_the_context_grows_until_it_stands_once() -> None:
    assert spans("a\n}\nnew\n}\nb\n", "a\n}\n", "}\nb\n") == [(2, 3)]


def test_a_context_that_stands_nowhere_finds_nothing() -> None:
    assert spans("a\nchanged\nnew\nc\n", "a\nb\n", "c\n") == [None]


def test_a_context_that_stands_twice_finds_nothing() -> None:
    assert spans("b\nnew\nb\nmore\nc\n", "a\nb\n", "c\n") == [None]


def test_the_border_of_the_file_is_a_line_that_stands_once() -> None:
    assert spans("}\nnew\n}\n", "}\n", "}\n") == [(1, 2)]
    assert spans("new\n", "", "") == [(0, 1)]


def test_what_repeats_itself_in_the_file_may_stand_once_between_the_neighbours() -> None:
    agreed = ("}\na\n", "b\n}\nc\n", "}\n", "d\n}\n")
    merged = "}\na\none\nb\n}\nc\ntwo\n}\nthree\nd\n}\n"
    assert spans(merged, *agreed) == [(2, 3), (6, 7), (8, 9)]


def test_a_line_repeated_between_the_neighbours_finds_nothing() -> None:
    assert spans("a\none\n}\nmore\n}\ntwo\nb\n", "a\n", "}\n", "b\n") == [None, None]


def test_agreed_lines_that_changed_places_find_nothing() -> None:
    assert spans("c\ntwo\nd\na\none\nb\n", "a\n", "b\nc\n", "d\n") == [None, None]


def test_conflicts_that_touch_find_nothing() -> None:
    assert spans("a\none\ntwo\nb\n", "a\n", "", "b\n") == [None, None]


@pytest.mark.parametrize("line", ["}\n", "\n"])
def test_a_file_of_one_line_repeated_costs_no_square(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def counted(*arguments: Any) -> str | None:
        nonlocal looks
        looks += 1
        return key_at(*arguments)

    key_at = by_context._key_at
    monkeypatch.setattr(by_context, "_key_at", counted)
    monkeypatch.setattr(by_context, "STEPS", 500)
    agreed = [line * 100 for _ in range(10)]
    assert set(spans(line * 400, *agreed)) == {None}
    assert 0 < looks <= 2 * 18 * 500  # twice for each side of nine conflicts
