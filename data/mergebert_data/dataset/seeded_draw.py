"""Pseudo-random numbers of texts: the same for a seed on every machine, whatever is drawn before."""

from __future__ import annotations

from hashlib import blake2b


def draw(seed: int, text: str) -> int:
    """A hash of a text below 2**64: sorting by it shuffles, its remainder modulo n draws one in n."""
    drawn = blake2b(f"{seed} {text}".encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(drawn.digest(), "big")
