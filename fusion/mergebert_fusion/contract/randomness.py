"""Random numbers that belong to an element: the same whatever is drawn before, beside or instead of it."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

_WORDS = 8  # 32-bit words that one count of Philox 4x64 gives


def uniform(seed: int, model: str, tensor: str, start: int, count: int) -> Tensor:
    """Numbers in [0, 1) for the elements `start` to `start + count` of one tensor of one model, in float32 on the CPU.

    Philox counts, so that element i always gets word i of a stream named by seed, model and tensor: neither the
    order of shards nor the split into blocks, the device or the number of threads can change a mask.
    """
    generator = np.random.Philox(key=_philox_key(seed, model, tensor))
    generator.advance(start // _WORDS)
    ahead = start % _WORDS
    # The raw words are the part of numpy's generators that never changes between releases.
    words = generator.random_raw(-(-(ahead + count) // 2)).astype("<u8", copy=False).view("<u4")
    fractions = (words[ahead : ahead + count] >> np.uint32(8)).astype(np.float32)
    return torch.from_numpy(fractions * np.float32(2.0**-24))


def _philox_key(seed: int, *names: str) -> int:
    digest = hashlib.blake2b(digest_size=16)
    for part in (str(seed), *names):
        written = part.encode("utf-8", "surrogateescape")
        digest.update(len(written).to_bytes(8, "little") + written)
    return int.from_bytes(digest.digest(), "little")
