"""What makes two mined conflicts the same: the texts that teach, white space aside."""

from __future__ import annotations

from hashlib import blake2b

from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import Conflict


def content_key(conflict: Conflict, resolution: str | None) -> str:
    """A short hash of sides and resolution without white space: equal where two examples teach the same."""
    parts = [
        *map(whitespace_key, conflict.sides),
        "?" if resolution is None else "=" + whitespace_key(resolution),
    ]
    return blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
