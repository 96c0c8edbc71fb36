"""White space that one side has turned throughout: its line ends, or the tabs or spaces it indents with.

No token tells it, so a resolution that takes the other side's lines would undo it without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mergebert.text.diff import match_of
from mergebert.text.markers import lines_of
from mergebert.text.threeway import ThreeWay

_NEWLINE = re.compile(r"\r?\n")
_INDENT = re.compile(r"^[ \t]+(?=[^\s])", re.MULTILINE)
_MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class TurnedSpace:
    """What every line ends in, and for each indent the one that stands for it; empty where nothing was turned."""

    newline: str = ""
    indents: Mapping[str, str] = field(default_factory=dict)

    def applied(self, text: str) -> str:
        """`text` with the white space turned."""
        if self.newline:
            text = _NEWLINE.sub(self.newline, text)
        return _INDENT.sub(lambda found: self._indent(found[0]), text) if self.indents else text

    def _indent(self, indent: str) -> str:
        """What stands for an indent: as where it was met, or as many units of the ones that were."""
        known, turned = min(self.indents.items(), key=lambda pair: len(pair[0]))
        if indent in self.indents or set(indent) != set(known):
            return self.indents.get(indent, indent)
        units, rest = divmod(len(indent) * len(turned), len(known))
        return indent if rest else turned[0] * units


def turned_space(sides: ThreeWay[str]) -> TurnedSpace:
    """The white space that one side has turned and the other has left as it was in the base."""
    newline = _turned_to(sides.map(_newline))
    kind = _turned_to(sides.map(_kind))
    indents: Mapping[str, str] = {}
    if kind:
        turned = sides.ours if _kind(sides.ours) == kind else sides.theirs
        indents = _indents(sides.base, turned) or {}
    return TurnedSpace(newline, indents)


def undoes_turned_space(text: str, sides: ThreeWay[str]) -> bool:
    """Whether `text` has lines with white space that a side has turned."""
    both = (sides, sides.swapped())
    return any(_undoes(text, one, _newline) or _undoes_indents(text, one) for one in both)


def _undoes(text: str, sides: ThreeWay[str], read: Callable[[str], str]) -> bool:
    """Whether `text` undoes what ours alone has turned."""
    found = sides.map(read)
    is_turned = _is_turned(found.base, found.ours) and found.theirs != found.ours
    return is_turned and read(text) not in (found.ours, "")


def _undoes_indents(text: str, sides: ThreeWay[str]) -> bool:
    return _undoes(text, sides, _kind) and bool(_indents(sides.base, sides.ours))


def _turned_to(found: ThreeWay[str]) -> str:
    """What one side has, and the base and the other side have otherwise; empty where that is not so."""
    turned = found.theirs if found.ours in (found.base, "") else found.ours
    others = {found.base, found.ours, found.theirs} - {turned, ""}
    return turned if found.base and _is_turned(found.base, turned) and others == {found.base} else ""


def _is_turned(before: str, after: str) -> bool:
    return before != after and not {before, after} & {"", _MIXED}


def _newline(text: str) -> str:
    """What all lines of `text` end in, empty where none ends."""
    if "\r\n" not in text:
        return "\n" if "\n" in text else ""
    return "\r\n" if text.count("\r\n") == text.count("\n") else _MIXED


def _kind(text: str) -> str:
    """The character that all indents of `text` are made of, empty where there is none."""
    kinds = {kind for indent in _INDENT.findall(text) for kind in indent}
    return next(iter(kinds), "") if len(kinds) < 2 else _MIXED


def _indents(base: str, side: str) -> dict[str, str] | None:
    """For each indent of the base the one that lines the side has not changed otherwise have; None where they disagree."""
    before, after = lines_of(base), lines_of(side)
    matched = match_of([line.strip() for line in before], [line.strip() for line in after])
    found: dict[str, str] = {}
    for at, other in enumerate(matched):
        indents = (_INDENT.match(before[at]), _INDENT.match(after[other]) if other >= 0 else None)
        if indents[0] and indents[1] and found.setdefault(indents[0][0], indents[1][0]) != indents[1][0]:
            return None
    return found
