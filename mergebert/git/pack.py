"""Objects of git written as one pack, which costs two files where loose objects cost a file and a folder each.

The formats: gitformat-pack(5), "pack-*.pack files" and "Original (version 1) pack-*.idx files".
"""

from __future__ import annotations

import os
import zlib

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {"commit": 1, "tree": 2, "blob": 3}


class Pack:
    """Objects that stand in one pack once it is written; `contents` holds them by their names."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._packed: dict[str, bytes] = {}

    def add(self, kind: str, content: bytes) -> str:
        """The name of an object, which may have been added before."""
        name = object_name(kind, content)
        if name not in self.contents:
            self.contents[name] = content
            self._packed[name] = _head(_KINDS[kind], len(content)) + zlib.compress(content, 1)
        return name

    def write(self, folder: str) -> None:
        """Writes pack and index into a folder `pack` of git's objects."""
        content = b"PACK" + _word(2) + _word(len(self._packed))
        offsets = {}
        for name, packed in self._packed.items():
            offsets[bytes.fromhex(name)] = len(content)
            content += packed
        checksum = _sha1(content)
        path = os.path.join(folder, f"pack-{checksum.hex()}")
        _write(f"{path}.pack", content + checksum)
        index = _index(offsets) + checksum
        _write(f"{path}.idx", index + _sha1(index))


def object_name(kind: str, content: bytes) -> str:
    """The name git has for an object of this kind: `blob`, `tree` or `commit`."""
    return _sha1(b"%s %d\0%s" % (kind.encode("ascii"), len(content), content)).hex()


def _index(offsets: Mapping[bytes, int]) -> bytes:
    """An index without its checksums: how many names begin with each byte or a smaller one; offset and name of each object."""
    counts = (sum(name[0] <= first for name in offsets) for first in range(256))
    return b"".join(map(_word, counts)) + b"".join(_word(offsets[name]) + name for name in sorted(offsets))


def _word(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _head(kind: int, size: int) -> bytes:
    """The kind and size of an object: four bits of the size, then seven a byte for as long as a byte's first bit is set."""
    head, byte, size = bytearray(), kind << 4 | size & 15, size >> 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head)


def _sha1(content: bytes) -> bytes:
    """The SHA-1 of `content`; without `hashlib` where that can be, which loads all of OpenSSL."""
    try:
        from _sha1 import sha1  # type: ignore[import-not-found]
    except ModuleNotFoundError:
        from hashlib import sha1
    digest: bytes = sha1(content, usedforsecurity=False).digest()
    return digest


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
