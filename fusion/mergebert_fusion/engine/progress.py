"""How far a fusion has come, kept in its output folder so that a killed one goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mergebert_fusion.errors import FusionError

JOURNAL = "fusion-progress.json"  # while it goes on
FACTS = "fusion.json"  # once it is finished


@dataclass(frozen=True)
class Progress:
    """Which files of an output folder are whole, and what they were made from."""

    folder: Path
    fingerprint: str
    done: Mapping[str, int]  # file to size

    def has(self, files: Iterable[str]) -> bool:
        """Whether all these files are whole."""
        return all(name in self.done for name in files)

    def with_files(self, files: Iterable[str]) -> Progress:
        """The progress after these files became whole, written down."""
        sizes = {name: (self.folder / name).stat().st_size for name in files}
        later = replace(self, done={**self.done, **sizes})
        later.write()
        return later

    def write(self) -> None:
        """Writes down how far it is."""
        write_json(self.folder / JOURNAL, {"fingerprint": self.fingerprint, "done": dict(self.done)})

    def forget(self) -> None:
        """Takes the journal away: everything is whole."""
        (self.folder / JOURNAL).unlink(missing_ok=True)


def begun(folder: Path, fingerprint: str, *, overwrite: bool) -> Progress:
    """The progress in a folder: that of a fusion of the same inputs, or none in a new or empty one.

    It is written down before anything else, so that a run killed at any time leaves a folder that can be gone on with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = _read(folder / JOURNAL)
    if journal:
        for torn in folder.rglob("*.safetensors.partial"):
            torn.unlink()
    if journal.get("fingerprint") == fingerprint:
        done = {
            name: size
            for name, size in journal.get("done", {}).items()
            if (folder / name).is_file() and (folder / name).stat().st_size == size
        }
        return Progress(folder, fingerprint, done)
    if not overwrite and any(path.name != JOURNAL for path in folder.iterdir()):
        what = "an unfinished fusion of other inputs or settings" if journal else "other files"
        what = "a finished fusion" if (folder / FACTS).is_file() else what
        raise FusionError(f"{folder} holds {what}: choose another folder, or pass --overwrite.")
    fresh = Progress(folder, fingerprint, {})
    fresh.write()
    return fresh


def identity(files: Iterable[Path]) -> list[list[str | int]]:
    """What tells files of inputs apart without reading them: place, size and time."""
    found: list[list[str | int]] = []
    for path in files:
        known = path.stat()
        found.append([str(path.resolve()), known.st_size, known.st_mtime_ns])
    return found


def digest_of(facts: Any) -> str:
    """One word for facts that JSON can hold; equal for equal facts."""
    return sha256(
        json.dumps(facts, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Writes a file whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
    partial.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
