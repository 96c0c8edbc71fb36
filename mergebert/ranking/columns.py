"""A conflict as columns: one sequence whose position i holds what base, ours and theirs have at place i of their joint
alignment, how each side edited the base there, and what kind of hunk the place lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.evidence import Surroundings
from mergebert.text.align import Change, Hunk
from mergebert.text.candidates import ConflictDiff, Origin, token_units
from mergebert.text.diff import match_of
from mergebert.text.patterns import PATTERNS

MAX_COLUMNS = 256
STABLE_COLUMNS = 20  # of a longer run that nobody changed only the two ends are kept
HUNK_COLUMNS = 128  # likewise of one changed hunk
CONTEXT_COLUMNS = 28
SUBWORDS_A_TOKEN = 4  # subwords kept of one token

SPECIAL_TOKENS = ("[PAD]", "[GAP]", "[NEWLINE]", "[START]", "[UNK]")
PAD = SPECIAL_TOKENS.index("[PAD]")
GAP = SPECIAL_TOKENS.index("[GAP]")
NEWLINE = SPECIAL_TOKENS.index("[NEWLINE]")
START = SPECIAL_TOKENS.index("[START]")
UNKNOWN = SPECIAL_TOKENS.index("[UNK]")

# Edit types of MergeBERT (section 4 of the paper: same, insert, delete, replace, nothing there), and two of ours.
EDIT_TYPES = ("same", "insert", "delete", "replace", "nothing", "context")
SAME = EDIT_TYPES.index("same")
INSERT = EDIT_TYPES.index("insert")
DELETE = EDIT_TYPES.index("delete")
REPLACE = EDIT_TYPES.index("replace")
NOTHING = EDIT_TYPES.index("nothing")
CONTEXT = EDIT_TYPES.index("context")

# Who changed a hunk; "head" is the first column of a disputed one, where its pattern is read off.
CHANGE_TYPES = (*(change.value for change in Change), "head", "before", "after")
HEAD = CHANGE_TYPES.index("head")
BEFORE = CHANGE_TYPES.index("before")
AFTER = CHANGE_TYPES.index("after")

# The classes of a whole conflict: how the resolution is made. "tokens" is completed by one pattern a disputed hunk.
CONFLICT_CLASSES = (
    *(f"lines:{pattern.value}" for pattern in PATTERNS),
    "tokens",
    "line merge:clean",
    "line merge:ours",
    "line merge:theirs",
    "line merge:mixed",
    "ours then new",
    "theirs then new",
    "sorted union",
    "sorted all",
    "empty",
)


class Subwords(Protocol):
    """Splits one token into subword ids."""

    def __call__(self, token: str) -> Sequence[int]:
        """The subword ids of a token."""
        ...


@dataclass(frozen=True, slots=True)
class Columns:
    """One encoded conflict: `ids` [length, 3] (base, ours, theirs), `kinds` [length, 3] (edit of ours, edit of theirs,
    change), and the column at which each disputed token hunk starts, -1 for those cut off."""

    ids: NDArray[np.int32]
    kinds: NDArray[np.int32]
    heads: tuple[int, ...]


def encode(diff: ConflictDiff, around: Surroundings, subwords: Subwords) -> Columns:
    """The columns of a conflict and of a little context on either side; at most MAX_COLUMNS."""
    rows = _Rows(subwords)
    rows.add_start()
    rows.add_context(token_units(around.before, diff.language).texts[-CONTEXT_COLUMNS:], BEFORE)
    for hunk in diff.token_diff.hunks:
        rows.add_hunk(diff, hunk)
    rows.truncate(MAX_COLUMNS - CONTEXT_COLUMNS // 2)
    rows.add_context(token_units(around.after, diff.language).texts[:CONTEXT_COLUMNS], AFTER)
    rows.truncate(MAX_COLUMNS)
    return rows.columns()


class _Rows:
    """Columns while they are being collected."""

    def __init__(self, subwords: Subwords) -> None:
        self.subwords = subwords
        self.ids: list[tuple[int, int, int]] = []
        self.kinds: list[tuple[int, int, int]] = []
        self.heads: list[int] = []

    def add_start(self) -> None:
        self.ids.append((START, START, START))
        self.kinds.append((CONTEXT, CONTEXT, BEFORE))

    def add_context(self, texts: Sequence[str], change: int) -> None:
        ids = [subword for text in texts for subword in self._unit(text)]
        ids = ids[-CONTEXT_COLUMNS:] if change == BEFORE else ids[:CONTEXT_COLUMNS]
        self.ids += [(subword, subword, subword) for subword in ids]
        self.kinds += [(CONTEXT, CONTEXT, change)] * len(ids)

    def add_hunk(self, diff: ConflictDiff, hunk: Hunk) -> None:
        """The columns of one hunk; a long one is kept at its two ends."""
        disputed = hunk.change is Change.DISPUTED
        if disputed:
            self.heads.append(len(self.ids))
        triples = _shortened(
            _columns(hunk, diff), STABLE_COLUMNS if hunk.change is Change.NONE else HUNK_COLUMNS
        )
        texts = tuple(units.texts for units in diff.tokens)
        keys = tuple(units.keys for units in diff.tokens)
        change = CHANGE_TYPES.index(hunk.change.value)
        for at, triple in enumerate(triples):
            found = [
                self._unit(texts[side][index]) if index >= 0 else () for side, index in enumerate(triple)
            ]
            base, ours, theirs = (
                keys[side][index] if index >= 0 else None for side, index in enumerate(triple)
            )
            edits = (_edit(base, ours), _edit(base, theirs))
            for subword in range(max(map(len, found))):
                head = disputed and not at and not subword
                self.ids.append(tuple(ids[subword] if subword < len(ids) else GAP for ids in found))  # type: ignore[arg-type]
                self.kinds.append((*edits, HEAD if head else change))

    def truncate(self, size: int) -> None:
        del self.ids[size:], self.kinds[size:]

    def columns(self) -> Columns:
        size = len(self.ids)
        heads = tuple(at if at < size and self.kinds[at][2] == HEAD else -1 for at in self.heads)
        return Columns(np.array(self.ids, np.int32), np.array(self.kinds, np.int32), heads)

    def _unit(self, text: str) -> Sequence[int]:
        token = text.lstrip()
        ids = list(self.subwords(token)[:SUBWORDS_A_TOKEN]) if token else []
        return [NEWLINE, *ids] if "\n" in text[: len(text) - len(token)] else ids


def _shortened(triples: list[tuple[int, int, int]], limit: int) -> list[tuple[int, int, int]]:
    if len(triples) <= limit:
        return triples
    return triples[: limit - limit // 3] + triples[-(limit // 3) :]


def _edit(base: str | None, side: str | None) -> int:
    if base is None:
        return NOTHING if side is None else INSERT
    if side is None:
        return DELETE
    return SAME if base == side else REPLACE


def _columns(hunk: Hunk, diff: ConflictDiff) -> list[tuple[int, int, int]]:
    """The (base, ours, theirs) indices of each place of the joint alignment of a hunk; -1 where a side has nothing."""
    if hunk.change is Change.NONE:
        return list(zip(*hunk.ranges, strict=True))
    base = hunk.ranges.base
    ours = _alignment(base, hunk.ranges.ours, diff.tokens.base.keys, diff.tokens.ours.keys)
    theirs = _alignment(base, hunk.ranges.theirs, diff.tokens.base.keys, diff.tokens.theirs.keys)
    triples: list[tuple[int, int, int]] = []
    for at in range(len(base) + 1):
        mine, other = ours.inserted.get(at, ()), theirs.inserted.get(at, ())
        for step in range(max(len(mine), len(other))):
            triples.append((-1, _at(mine, step), _at(other, step)))
        if at < len(base):
            triples.append((base[at], ours.beside[at], theirs.beside[at]))
    return triples


@dataclass(frozen=True, slots=True)
class _Alignment:
    """For each base place the index of the side beside it (or -1), and the side's indices inserted before each place."""

    beside: list[int]
    inserted: dict[int, range]


def _alignment(base: range, side: range, base_keys: Sequence[str], side_keys: Sequence[str]) -> _Alignment:
    """Equal keys stand beside each other; in a replaced run the first ones are paired, the rest inserted or deleted."""
    matched = match_of(base_keys[base.start : base.stop], side_keys[side.start : side.stop])
    beside = [-1] * len(base)
    inserted: dict[int, range] = {}
    at = taken = 0
    for stop in [place for place, found in enumerate(matched) if found >= 0] + [len(base)]:
        upto = matched[stop] if stop < len(base) else len(side)
        paired = min(stop - at, upto - taken)
        beside[at : at + paired] = side[taken : taken + paired]
        if upto > taken + paired:
            inserted[at + paired] = side[taken + paired : upto]
        if stop < len(base):
            beside[stop] = side[upto]
        at, taken = stop + 1, upto + 1
    return _Alignment(beside, inserted)


def _at(part: Sequence[int], step: int) -> int:
    return part[step] if step < len(part) else -1


def conflict_class(origin: Origin) -> int:
    """The index in CONFLICT_CLASSES of the way a candidate was made."""
    if origin.method == "lines":
        return CONFLICT_CLASSES.index(f"lines:{origin.name}")
    if origin.method == "line merge":
        kind = origin.name if origin.name in ("clean", "ours", "theirs") else "mixed"
        return CONFLICT_CLASSES.index(f"line merge:{kind}")
    return CONFLICT_CLASSES.index(origin.method)
