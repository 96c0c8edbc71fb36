"""What training keeps in files: named arrays, there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mergebert.atomic import Draft

Arrays = dict[str, NDArray[Any]]


def read_arrays(path: Path) -> Arrays:
    """All arrays of a file."""
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], is_compressed: bool = False) -> None:
    """Writes named arrays; what is read again and again is faster left uncompressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save = np.savez_compressed if is_compressed else np.savez
    with Draft(path) as draft, draft.open("wb") as out:
        save(out, **arrays)  # type: ignore[arg-type]
