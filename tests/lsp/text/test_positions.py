from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position

from mergebert_lsp.text.positions import Positions

ENCODINGS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
TEXT = "a\né😀b\r\nc\rd\u2028e\x0bf"

texts = st.text(st.sampled_from("aé😀\n\r\u2028\x0c\ud800"), max_size=30)
encodings = pytest.mark.parametrize("encoding", ENCODINGS)


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 6), ("utf-16", 3), ("utf-32", 2)])
def test_characters_are_counted_in_units_of_the_encoding(encoding: str, character: int) -> None:
    positions = Positions(TEXT, encoding)
    assert positions.position(TEXT.index("b")) == Position(1, character)
    assert positions.offset(Position(1, character)) == TEXT.index("b")


@encodings
def test_only_what_the_protocol_names_ends_a_line(encoding: str) -> None:
    positions = Positions(TEXT, encoding)
    assert positions.position(TEXT.index("c")) == Position(2, 0)
    assert positions.position(TEXT.index("d")) == Position(3, 0)
    assert positions.position(len(TEXT)).line == 3


@encodings
@given(text=texts, data=st.data())
def test_positions_and_characters_are_inverse(encoding: str, text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    if text[at - 1 : at + 1] == "\r\n":  # between these there is no position
        return
    positions = Positions(text, encoding)
    assert positions.offset(positions.position(at)) == at


@encodings
@given(text=texts, line=st.integers(0, 40), character=st.integers(0, 200))
def test_every_position_is_some_character(encoding: str, text: str, line: int, character: int) -> None:
    assert 0 <= Positions(text, encoding).offset(Position(line, character)) <= len(text)


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 4), ("utf-16", 2)])
def test_a_position_inside_a_character_is_before_it(encoding: str, character: int) -> None:
    assert Positions(TEXT, encoding).offset(Position(1, character)) == TEXT.index("😀")


def test_the_range_of_a_line_leaves_its_end_out() -> None:
    positions = Positions(TEXT, "utf-16")
    assert positions.line_range(TEXT.index("😀")).end == Position(1, 4)
