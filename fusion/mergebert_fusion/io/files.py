"""Files beside the tensors: identified, hashed, and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mergebert.atomic import write_atomically
from mergebert.strict_json import json_in
from mergebert_fusion.errors import CheckpointError

UNFINISHED = ".mergebert-*"  # what mergebert.atomic leaves behind when it is killed


def identity(files: Iterable[Path]) -> list[list[str | int]]:
    """Absolute path, size in bytes and time of change of each file: what tells inputs apart without reading them."""
    statuses = [(path.resolve(), path.stat()) for path in files]
    return [[str(path), status.st_size, status.st_mtime_ns] for path, status in statuses]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(facts: Any) -> str:
    """The sha256 of anything that JSON can hold, whatever the order of its keys."""
    written = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def regular(path: Path) -> Path:
    """`path` itself; raises CheckpointError where opening it would wait for ever or never end."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is not a regular file: give a folder or a .safetensors file.")
    return path


def saved_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        content = json_in(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, whole or not at all, after making its folder."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file, whole or not at all, after making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(str(path), text.encode("utf-8", "surrogateescape"))
