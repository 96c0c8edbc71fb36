"""When two mined conflicts are the same: sides and resolution are equal but for white space."""

from __future__ import annotations

from hashlib import blake2b

from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import Conflict


def content_key(conflict: Conflict, resolution: str | None) -> str:
    """A hash of the sides and the resolution without white space."""
    parts = [
        *map(whitespace_key, conflict.sides),
        "?" if resolution is None else "=" + whitespace_key(resolution),
    ]
    return blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
