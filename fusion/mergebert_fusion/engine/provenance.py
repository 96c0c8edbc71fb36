"""Where a fused model comes from, so that anyone can check it or make it again."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch

import mergebert
from mergebert_fusion.engine.plan import Plan
from mergebert_fusion.io.files import sha256_of

FORMAT = 1


class Hashes:
    """sha256 of files, computed beside the work: inputs while they are merged, outputs once they are whole."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._asked: dict[Path, Future[str]] = {}

    def ask(self, files: Iterable[Path]) -> None:
        """Starts hashing files, in order."""
        for path in files:
            if path not in self._asked:
                self._asked[path] = self._pool.submit(sha256_of, path)

    def of(self, path: Path) -> str:
        """The sha256 of a file that was asked for."""
        return self._asked[path].result()

    def close(self) -> None:
        """Ends the hashing; what was asked for and not begun is left."""
        self._pool.shutdown(cancel_futures=True)


def versions() -> dict[str, str]:
    """The versions of all that computed the result."""
    return {
        "mergebert": mergebert.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "safetensors": safetensors.__version__,
        "torch": torch.__version__,
    }


def provenance(
    plan: Plan, hashes: Hashes, outputs: Mapping[str, Path], found: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Everything that decided the result, and sha256 of every input and output."""
    recipe = plan.recipe
    inputs = [*plan.models.items(), *([("base", plan.base)] if plan.base else [])]
    treatments: dict[str, list[str]] = {}
    for decision in plan.decisions:
        treatments.setdefault(decision.treatment.value, []).append(decision.place.name)
    return {
        "format": FORMAT,
        "method": recipe.method.name,
        "source": recipe.method.reference,
        "recipe": recipe.text,
        "seed": recipe.seed,
        "dtype": recipe.dtype,
        "architecture": plan.architecture.name,
        "inputs": {
            name: {"path": model.path, "files": {path.name: hashes.of(path) for path in model.files}}
            for name, model in inputs
        },
        "order": list(plan.merges[0].names),
        "found": found,
        "tensors": treatments,
        "notes": list(plan.notes),
        "versions": versions(),
        "outputs": {name: hashes.of(path) for name, path in outputs.items()},
    }
