"""When two resolutions of a conflict are the same, at four levels of which each implies the next.

`bytes`: the same text. `space`: the same lexemes, so white space counts only in strings and where indentation has
meaning. `code`: the same but for comments and trailing commas that change nothing. `order`: the same but for the order of
what is declared to have none, such as imports.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from enum import StrEnum

from mergebert.text.commutative import in_canonical_order
from mergebert.text.lexemes import Kind, Lexeme, Passage
from mergebert.text.tokens import is_word

_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
# In these brackets one element with a comma is a tuple, and without it is not.
_TUPLES = {"python": frozenset(")]"), "rust": frozenset(")")}
# In these an empty last element is an error or, to a macro, an argument.
_COUNTED = {"c": frozenset(")]"), "cpp": frozenset(")]")}


class Level(StrEnum):
    """How far two resolutions may differ and be the same; the strictest first."""

    BYTES = "bytes"
    SPACE = "space"
    CODE = "code"
    ORDER = "order"

    def implies(self, other: Level) -> bool:
        """Whether what is the same at this level is the same at the other one too."""
        return LEVELS.index(self) <= LEVELS.index(other)


LEVELS = tuple(Level)

Identities = Mapping[Level, Hashable]


def identities(text: str, passage: Passage) -> Identities:
    """For each level what is equal for all texts that are the same in this place, and for no others."""
    reading = passage.read(text)
    code = [lexeme for lexeme in reading.lexemes if lexeme.kind is not Kind.COMMENT]
    if passage.language.grammar is not None:
        optional = frozenset(_trailing_commas(code, reading.following, passage.language.name))
        code = [lexeme for at, lexeme in enumerate(code) if at not in optional]
    return {
        Level.BYTES: text,
        Level.SPACE: reading.lexemes,
        Level.CODE: tuple(code),
        Level.ORDER: in_canonical_order(code, passage.language),
    }


def strictest_levels(texts: Sequence[str], wanted: str, passage: Passage) -> list[Level | None]:
    """For each text the strictest level at which it is the same as the one that is wanted; None where there is none."""
    known = identities(wanted, passage)
    found = (identities(text, passage) for text in texts)
    return [next((level for level in Level if one[level] == known[level]), None) for one in found]


def _trailing_commas(code: Sequence[Lexeme], following: str, language: str) -> Iterator[int]:
    """Where in `code` commas stand before a closing bracket and change nothing."""
    open_at: list[int] = [-1]  # of the brackets that stand open, the first of which began before
    commas = [0]  # that each of them holds so far
    for at, lexeme in enumerate(code):
        if lexeme.kind is not Kind.CODE:
            continue
        if lexeme.text in _OPENING:
            open_at.append(at)
            commas.append(0)
        elif lexeme.text in _CLOSING:
            open_at, commas = open_at[:-1] or [-1], commas[:-1] or [0]
        elif lexeme.text == ",":
            closing = _text_at(code, at + 1) if at + 1 < len(code) else following
            is_tuple = closing in _TUPLES.get(language, ()) and not commas[-1]
            if (
                closing in _CLOSING - _COUNTED.get(language, frozenset())
                and _text_at(code, at - 1) not in {",", *_OPENING, ""}
                and (not is_tuple or _is_list(code, open_at[-1]))
            ):
                yield at
            commas[-1] += 1


def _text_at(code: Sequence[Lexeme], at: int) -> str:
    """The text of a lexeme, empty outside of `code`; a bracket in a string is none."""
    if not 0 <= at < len(code):
        return ""
    return code[at].text if code[at].kind is Kind.CODE else "string"


def _is_list(code: Sequence[Lexeme], at: int) -> bool:
    """Whether a bracket is known to open a list, and neither a tuple nor an index."""
    before = _text_at(code, at - 1)
    return _text_at(code, at) == "[" and not (
        before in {")", "]", "}", "string"} or is_word(before) or at < 1
    )
