"""Texts as sets of shingles, and MinHash signatures of such sets, by which an LSH index finds similar ones."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from mergebert.text.languages import Language
from mergebert.text.tokens import is_space, tokenize

SHINGLE = 5  # tokens
PERMUTATIONS = 64
RECALL = 0.95  # of pairs just as similar as the threshold; more similar ones are found more surely
_WORDS = 200_000  # tokens whose hash is kept; what memory this may take is bounded, not exact
_SEED = 1  # of the permutations; another one proposes other pairs
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
    """The sorted hashes of a text's shingles, runs of five tokens without white space; they differ by role.

    The text is padded in front, so that short texts have shingles too. A repeated run is another shingle, for a line
    taken once and a line taken twice are two resolutions. None differs from an empty text.
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
    """The hashes of runs, those of repeated ones changed by how often they came before."""
    runs = np.sort(runs)
    is_repeat = runs[1:] == runs[:-1]
    if is_repeat.any():
        numbers = np.arange(runs.size, dtype=np.uint64)
        first = numbers.copy()
        first[1:][is_repeat] = 0
        runs = runs ^ ((numbers - np.maximum.accumulate(first)) * _MIX)
    return runs


def jaccard(one: Shingles, other: Shingles) -> float:
    """The Jaccard similarity of two sets of shingles."""
    both = np.intersect1d(one, other, assume_unique=True).size
    return float(both / (one.size + other.size - both))


def minhash(found: Shingles) -> MinHash:
    """The MinHash signature of a set: the share of equal values in two signatures estimates their Jaccard similarity."""
    signed = _unsigned().copy()
    for start in range(0, found.size, _PIECE):
        signed.update_batch(found[start : start + _PIECE].tolist())
    return signed


def lsh_index(threshold: float) -> MinHashLSH:
    """An empty LSH index that finds pairs at the threshold with recall RECALL."""
    rows = band_rows(threshold)
    return MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS // rows, rows))


def band_rows(threshold: float) -> int:
    """The most rows a band may have for pairs at the threshold to be found with recall RECALL.

    Not the choice of datasketch, which weighs errors over all similarities and promises nothing for a pair at the threshold.
    """
    longest = PERMUTATIONS // 2  # the index wants two bands at least
    return max(
        (rows for rows in range(2, longest + 1) if collision_probability(threshold, rows) >= RECALL),
        default=1,
    )


def collision_probability(similarity: float, rows: int) -> float:
    """The probability that two sets of this Jaccard similarity share a band of so many rows."""
    return float(1 - (1 - similarity**rows) ** (PERMUTATIONS // rows))


@cache
def _unsigned() -> MinHash:
    """The MinHash of nothing, to be copied: that is cheaper than to draw the permutations again. Shingles are hashes already."""
    return MinHash(PERMUTATIONS, seed=_SEED, hashfunc=int, scheme="affine32")


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
