"""Masking for pretraining: which subwords of a batch of columns are hidden, and which of them are to be predicted.

Spans of columns are masked. Where all sides hold the same subword, all three are (one left in sight would be copied).
Where they differ, a span masks either one side, to be predicted from the other two, or all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.columns import GAP, PAD, START, UNKNOWN

MASK = UNKNOWN  # byte-level subwords leave no text unknown, so this one is free to stand for "hidden"
SPAN = 3.0  # columns, on average
LONGEST_SPAN = 10
ONE_SIDE = 0.5  # share of the spans that hide one side alone where the sides differ
SIDES = 3

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """A batch with subwords hidden: `ids` [batch, length, 3] as the network sees them, `asked` [batch, length, 3] where
    a hidden subword is to be predicted (one side for all sides that hold the same), and whether a column's sides differ."""

    ids: NDArray[np.int64]
    asked: Flags
    changed: Flags


def masked(ids: NDArray[np.int64], share: float, draw: np.random.Generator) -> MaskedBatch:
    """A batch [batch, length, 3] with about `share` of its columns hidden."""
    known = (ids != PAD) & (ids != GAP) & (ids != START)  # [batch, length, 3]
    hidden = _hidden(ids, known, share, draw)
    alike = ids[:, :, :, None] == ids[:, :, None, :]  # [batch, length, 3, 3]
    order = draw.random(ids.shape)
    earlier = order[:, :, None, :] < order[:, :, :, None]
    asked = hidden & ~(alike & earlier & hidden[:, :, None, :]).any(-1)
    return MaskedBatch(np.where(hidden, MASK, ids), asked, ~alike.all((-1, -2)))


def _hidden(ids: NDArray[np.int64], known: Flags, share: float, draw: np.random.Generator) -> Flags:
    batch, length, _ = ids.shape
    chosen, start = _spans((batch, length), share, draw)
    side = draw.integers(SIDES, size=(batch, length))  # of the span that starts there
    alone = draw.random((batch, length)) < ONE_SIDE
    row = np.arange(batch)[:, None]
    side, alone = side[row, start], alone[row, start]
    there = np.take_along_axis(ids, side[:, :, None], axis=2)  # what the span's side holds in each column
    holds = np.take_along_axis(known, side[:, :, None], axis=2)
    # Sides that hold the same as the hidden one are hidden with it; a side with nothing there hides all others.
    wanted = np.where(alone[:, :, None] & holds, ids == there, True)
    return np.asarray(chosen[:, :, None] & known & wanted)


def _spans(shape: tuple[int, int], share: float, draw: np.random.Generator) -> tuple[Flags, NDArray[Any]]:
    """Which columns lie in a span, and where the span that reaches each column starts."""
    places = np.broadcast_to(np.arange(shape[1]), shape)
    # Spans overlap: drawing -log(1 - share) of them covers `share` of the columns.
    starts = draw.random(shape) < -np.log1p(-share) / SPAN
    lengths = np.minimum(draw.geometric(1 / SPAN, size=shape), LONGEST_SPAN)
    ends = np.maximum.accumulate(np.where(starts, places + lengths, 0), axis=1)
    latest = np.maximum.accumulate(np.where(starts, places, 0), axis=1)
    return ends > places, latest
