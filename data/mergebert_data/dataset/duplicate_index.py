"""An index of conflicts that finds duplicates: equal but for white space, or nearly equal."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from heapq import nsmallest
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO

import numpy as np
from datasketch import MinHash

from mergebert.text.languages import Language
from mergebert.text.markers import Conflict
from mergebert_data.dataset.content_key import content_key
from mergebert_data.dataset.minhash import Shingles, jaccard, lsh_index, minhash, shingles

EXACT, NEAR = "exact", "near"
_RESOLUTION = 3  # the role after base, ours and theirs
# Of those that share a band with a conflict: a bound on time where thousands are half alike.
_MOST_COMPARED = 200


@dataclass(frozen=True, slots=True)
class ConflictContent:
    """What conflicts are compared by: a hash of everything, the shingles of the sides and those of the resolution."""

    key: bytes
    sides: Shingles
    resolution: Shingles


def conflict_content(conflict: Conflict, resolution: str | None, language: Language) -> ConflictContent:
    """What a conflict and its resolution are compared by."""
    sides = [shingles(text, language, role) for role, text in enumerate(conflict.sides)]
    return ConflictContent(
        bytes.fromhex(content_key(conflict, resolution)),
        np.unique(np.concatenate(sides)),
        shingles(resolution, language, _RESOLUTION),
    )


class DuplicateIndex:
    """Numbered contents: MinHash signatures in memory, shingles in an unnamed temporary file.

    Near duplicates are contents whose sides and whose resolutions each have a Jaccard similarity of `threshold`: the same
    conflict resolved otherwise is no duplicate. Signatures propose pairs, the shingles decide.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._keys: dict[bytes, int] = {}
        self._index = lsh_index(threshold)  # of slots
        self._numbers, self._starts, self._sides, self._ends = (array("q") for _ in range(4))
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> DuplicateIndex:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def match(
        self, content: ConflictContent, number: int, *, is_kept: bool = False
    ) -> tuple[str, int] | None:
        """The kind of duplicate and the first number with this content; None if new.

        Adds new content, and a near duplicate where `is_kept`.
        """
        same = self._keys.get(content.key)
        if same is not None:
            return EXACT, same
        signed = minhash(np.concatenate((content.sides, content.resolution)))
        slot = next((slot for slot in self._candidates(signed) if self._is_near(content, slot)), None)
        if slot is None or is_kept:
            self._keep(content, signed, number)
        return None if slot is None else (NEAR, self._numbers[slot])

    def _keep(self, content: ConflictContent, signed: MinHash, number: int) -> None:
        self._keys[content.key] = number
        slot = len(self._numbers)
        self._index.insert(slot, signed)
        start = self._ends[-1] if slot else 0
        self._file.seek(start)
        self._file.write(content.sides.tobytes() + content.resolution.tobytes())
        self._numbers.append(number)
        self._starts.append(start)
        self._sides.append(start + content.sides.nbytes)
        self._ends.append(self._file.tell())

    def _candidates(self, signed: MinHash) -> list[int]:
        """The slots that share a band with a signature, the earliest first."""
        found: list[int] = self._index.query(signed)
        return nsmallest(_MOST_COMPARED, found)

    def _is_near(self, content: ConflictContent, slot: int) -> bool:
        start, middle, end = self._starts[slot], self._sides[slot], self._ends[slot]
        sizes = (content.sides.nbytes, middle - start), (content.resolution.nbytes, end - middle)
        if any(min(pair) < self.threshold * max(pair) for pair in sizes):
            return False  # of sizes too far apart to share enough: not even read
        self._file.seek(start)
        kept = np.frombuffer(self._file.read(end - start), np.uint32)
        cut = (middle - start) // kept.itemsize
        pairs = (content.sides, kept[:cut]), (content.resolution, kept[cut:])
        return all(jaccard(*pair) >= self.threshold for pair in pairs)
