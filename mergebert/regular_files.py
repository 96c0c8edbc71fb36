"""Files that anybody may have written, read whole: regular ones of a bounded size, so that reading ends.

The driver reads by it what git notes, so it imports next to nothing.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeVar

    AnyPath = TypeVar("AnyPath", bound=str | Path)

LARGEST = 40_000_000  # bytes of JSON; as values of Python it may take 24 times as much memory
LARGEST_TEXT = 10_000_000  # bytes of a text; beyond it nobody wrote it by hand


def regular(path: AnyPath) -> AnyPath:
    """`path` itself; raises OSError where opening it would wait for a writer or reading it would never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path


def bytes_in(path: str | Path, largest: int = LARGEST) -> bytes:
    """The content of a regular file; raises OSError where it is none, or larger than so many bytes."""
    with open(regular(path), "rb") as file:
        is_larger = os.fstat(file.fileno()).st_size > largest
        content = b"" if is_larger else file.read()
    if is_larger or len(content) > largest:  # some files of the system say that they are empty
        size = f"{largest // 1_000_000} MB" if largest >= 1_000_000 else f"{largest // 1000} kB"
        raise OSError(errno.EFBIG, f"it has more than {size}", str(path))
    return content
