"""What training keeps in files: named arrays and JSON, there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.atomic import write_atomically

Arrays = dict[str, NDArray[Any]]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft that takes the place of `path` if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def read_arrays(path: Path) -> Arrays:
    """All arrays of a file."""
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], is_compressed: bool = False) -> None:
    """Writes named arrays; what is read again and again is faster left uncompressed."""
    save = np.savez_compressed if is_compressed else np.savez
    with replacing(path) as draft, draft.open("wb") as out:
        save(out, **arrays)  # type: ignore[arg-type]


def write_json(path: Path, value: object) -> None:
    """Writes one JSON value for people and programs."""
    write_atomically(str(path), (json.dumps(value, indent=1) + "\n").encode("utf-8"))
