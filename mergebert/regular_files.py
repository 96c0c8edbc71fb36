"""Files that anybody may have written, read whole: regular ones of a bounded size, so that reading ends."""

from __future__ import annotations

import errno
import json
import stat
from pathlib import Path
from typing import Any

LARGEST = 40_000_000  # bytes of JSON; as values of Python it may take 24 times as much memory


def regular(path: Path) -> Path:
    """`path` itself; raises OSError where opening it would wait for a writer or reading it would never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path


def bytes_in(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a regular file; raises OSError where it is none, or larger than so many bytes."""
    with regular(path).open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it has more than {largest // 1_000_000} MB", str(path))
    return content


def json_in(path: Path) -> Any:
    """What the JSON of a regular file says; raises OSError where it cannot be read, ValueError where it is no JSON."""
    try:
        return json.loads(bytes_in(path).decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
