"""Random draws that are the same for a seed on every machine and in every order."""

from __future__ import annotations

from hashlib import blake2b


def draw(seed: int, text: str) -> int:
    """A number below 2**64 for a text: to sort texts by is to shuffle them, its remainder is a lot."""
    drawn = blake2b(f"{seed} {text}".encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(drawn.digest(), "big")
