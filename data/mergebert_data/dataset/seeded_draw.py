"""Pseudo-random numbers of texts: the same for a seed on every machine, whatever is drawn before."""

from __future__ import annotations

from hashlib import blake2b


def draw(seed: int, text: str) -> int:
    """The number below 2**64 of a text: sorted by it texts are shuffled, its remainder draws one in so many."""
    drawn = blake2b(f"{seed} {text}".encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(drawn.digest(), "big")
