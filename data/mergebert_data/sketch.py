"""Texts as sets of shingles, and sets as short signatures that collide where the sets are alike (MinHash, LSH).

A library was measured first (datasketch 2.0: the same pairs, 2.5 times the time and four times the memory for 300,000
conflicts, and all of SciPy to install); what is needed of it is a page, and its answers cannot change under us.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.languages import Language
from mergebert.tokens import is_space, tokenize

SHINGLE = 5  # tokens
PERMUTATIONS = 64
RECALL = (
    0.95  # share of pairs just as alike as asked for that meet in a band; more alike ones meet more surely
)
_WORDS = 200_000  # tokens whose hash is kept; what memory this may take is bounded, not exact
_PIECE = 16_384  # shingles permuted at once
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: odd, its bits without pattern
_SHIFT = np.uint64(29)

Shingles = NDArray[np.uint32]


class _Hashes(dict[str, int]):
    """The hash of a token, computed once; never Python's own, which differs from run to run."""

    def __missing__(self, token: str) -> int:
        if len(self) >= _WORDS:
            self.clear()
        value = int.from_bytes(_digest(token), "little")
        self[token] = value
        return value


_HASHES = _Hashes()


def shingles(text: str | None, language: Language, role: int) -> Shingles:
    """The runs of five tokens of a text, white space aside, sorted; equal runs of another role are others.

    The first tokens make runs with the nothing before them, so that short texts have shingles too; a run that comes
    again is another shingle, for a line taken once and taken twice are two resolutions. None, unlike an empty text, is
    a text of its own.
    """
    tokens = ["\0"] if text is None else [one for one in tokenize(text, language) if not is_space(one)]
    count = max(1, len(tokens))
    words = np.zeros(count + SHINGLE - 1, np.uint64)
    words[SHINGLE - 1 : SHINGLE - 1 + len(tokens)] = [_HASHES[token] for token in tokens]
    run = np.full(count, role + 1, np.uint64)
    for at in range(SHINGLE):
        run = (run ^ words[at : at + count]) * _MIX
        run ^= run >> _SHIFT
    return np.unique((_numbered(run) >> np.uint64(32)).astype(np.uint32))


def _numbered(runs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The runs with each repeat of one made another."""
    runs = np.sort(runs)
    is_repeat = runs[1:] == runs[:-1]
    if is_repeat.any():
        places = np.arange(runs.size, dtype=np.uint64)
        first = places.copy()
        first[1:][is_repeat] = 0
        runs = runs ^ ((places - np.maximum.accumulate(first)) * _MIX)
    return runs


def likeness(one: Shingles, other: Shingles) -> float:
    """The share of the shingles of both that both have (Jaccard)."""
    both = np.intersect1d(one, other, assume_unique=True).size
    return float(both / (one.size + other.size - both))


def signature(found: Shingles) -> NDArray[np.uint32]:
    """The smallest shingle under each of a fixed set of permutations: of two sets as many are equal as they are alike."""
    factors, shifts = _permutations()
    smallest = np.full(PERMUTATIONS, np.iinfo(np.uint32).max, np.uint32)
    for start in range(0, found.size, _PIECE):
        permuted = found[start : start + _PIECE, None] * factors + shifts
        np.minimum(smallest, permuted.min(axis=0), out=smallest)
    return smallest


def band_keys(signed: NDArray[np.uint32], rows: int) -> list[int]:
    """One number for each run of `rows` of a signature; sets that share a number are worth comparing."""
    bands = signed[: PERMUTATIONS // rows * rows].reshape(-1, rows).astype(np.uint64)
    keys = np.arange(1, len(bands) + 1, dtype=np.uint64)
    for column in bands.T:
        keys = (keys ^ column) * _MIX
        keys ^= keys >> _SHIFT
    found: list[int] = keys.tolist()
    return found


def rows_of_band(threshold: float) -> int:
    """The longest bands by which sets as alike as the threshold still meet as surely as RECALL says."""
    return max((rows for rows in range(2, PERMUTATIONS + 1) if meeting(threshold, rows) >= RECALL), default=1)


def meeting(alike: float, rows: int) -> float:
    """How probably two sets that are so much alike share a band of so many rows."""
    return float(1 - (1 - alike**rows) ** (PERMUTATIONS // rows))


@cache
def _permutations() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Factors (odd, so that no two shingles become one) and shifts modulo 2**32."""
    drawn: NDArray[Any] = np.array([_draws(f"{part}") for part in range(PERMUTATIONS)], np.uint32)
    return drawn[:, 0] | np.uint32(1), drawn[:, 1]


def _draws(name: str) -> Sequence[int]:
    digest = _digest(name)
    return [int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")]


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
