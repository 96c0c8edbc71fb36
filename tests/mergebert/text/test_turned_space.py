"""What one side did to line ends and indents stays done, whatever the other side edited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.threeway import ThreeWay
from mergebert.text.turned_space import TurnedSpace, turned_space, undoes_turned_space

BASE = "def f(a):\n    if a:\n        return 1\n    return 2\n"
EDITED = BASE.replace("1", "3").replace("    return 2", "            never()\n    return 2")
TABS = BASE.replace("    ", "\t")
EDITED_TABS = EDITED.replace("    ", "\t")
TWO_SPACES = BASE.replace("    ", "  ")

lines = st.lists(st.sampled_from(["a", " b", "    c", "\td", "\t\te", " \tf", ""]), max_size=6)
texts = st.builds(
    lambda found, end: "".join(line + end for line in found), lines, st.sampled_from(["\n", "\r\n"])
)


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("base", "turned", "edited", "wanted"),
    [
        (BASE, crlf(BASE), EDITED, crlf(EDITED)),
        (crlf(BASE), BASE, crlf(EDITED), EDITED),
        (BASE, TABS, EDITED, EDITED_TABS),
        (TABS, BASE, EDITED_TABS, EDITED),
        (BASE, crlf(TABS), EDITED, crlf(EDITED_TABS)),
        (TWO_SPACES, TABS, EDITED.replace("    ", "  "), EDITED_TABS),
    ],
    ids=["to CRLF", "to LF", "to tabs", "to spaces", "both at once", "another width"],
)
def test_what_the_other_side_edited_is_turned_too(base: str, turned: str, edited: str, wanted: str) -> None:
    for sides in (ThreeWay(base, turned, edited), ThreeWay(base, edited, turned)):
        turn = turned_space(sides)
        assert turn.applied(edited) == wanted
        assert turn.applied(turned) == turned
        assert undoes_turned_space(edited, sides)
        assert not undoes_turned_space(wanted, sides)


@pytest.mark.parametrize(
    "sides",
    [
        ThreeWay(BASE, EDITED, BASE.replace("2", "4")),
        ThreeWay(BASE, TWO_SPACES, EDITED),  # an indent of the one is an indent of the other
        ThreeWay("", crlf(BASE), EDITED),
        ThreeWay("    a\n", "\tb\n", "    c\n"),  # lines of their own, no turned ones
        ThreeWay("a\n", "a\n    b\n", "a\n\tc\n"),
    ],
)
def test_where_no_side_has_turned_anything_nothing_is_done(sides: ThreeWay[str]) -> None:
    assert turned_space(sides) == TurnedSpace()
    assert not any(undoes_turned_space(text, sides) for text in sides)


def test_what_cannot_be_turned_is_known_to_undo_it() -> None:
    mixed = EDITED.replace("3\n", "3\r\n")
    sides = ThreeWay(BASE, crlf(BASE), mixed)
    assert turned_space(sides) == TurnedSpace()
    assert undoes_turned_space(mixed, sides)
    odd = BASE.replace("        return 1", "      return 3")
    sides = ThreeWay(BASE, TABS, odd)
    assert undoes_turned_space(turned_space(sides).applied(odd), sides)


@given(texts, texts, texts)
def test_only_white_space_is_touched_and_only_once(base: str, ours: str, theirs: str) -> None:
    turn = turned_space(ThreeWay(base, ours, theirs))
    for text in (base, ours, theirs):
        assert turn.applied(text).split() == text.split()
        assert turn.applied(turn.applied(text)) == turn.applied(text)
