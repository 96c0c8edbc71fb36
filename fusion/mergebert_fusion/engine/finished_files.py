"""Which files of an output folder are whole, so that a killed fusion can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mergebert_fusion.errors import FusionError
from mergebert_fusion.io.files import UNFINISHED, saved_json, write_json

JOURNAL = "fusion-progress.json"  # while it goes on
FACTS = "fusion.json"  # once it is finished


@dataclass(frozen=True)
class Journal:
    """The whole files of an output folder, and the fingerprint of what they were made from."""

    folder: Path
    fingerprint: str
    done: Mapping[str, int]  # file to size in bytes

    def has(self, files: Iterable[str]) -> bool:
        """Whether all these files are whole."""
        return all(name in self.done for name in files)

    def with_files(self, files: Iterable[str]) -> Journal:
        """The journal after these files became whole, saved."""
        sizes = {name: (self.folder / name).stat().st_size for name in files}
        later = replace(self, done={**self.done, **sizes})
        later.save()
        return later

    def save(self) -> None:
        """Writes the journal into its folder."""
        write_json(self.folder / JOURNAL, {"fingerprint": self.fingerprint, "done": dict(self.done)})

    def remove(self) -> None:
        """Takes the journal away: everything is whole."""
        (self.folder / JOURNAL).unlink(missing_ok=True)


def opened_journal(folder: Path, fingerprint: str, *, overwrite: bool) -> Journal:
    """The journal of a folder: that of the same fusion, killed there, or an empty one in an empty folder.

    It is saved before anything else is written, so that a run killed at any time can be resumed. Raises FusionError
    where the folder holds anything else, unless `overwrite`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = saved_json(folder / JOURNAL)
    if saved:
        for torn in (*folder.rglob("*.safetensors.partial"), *folder.rglob(UNFINISHED)):
            torn.unlink()
    if saved.get("fingerprint") == fingerprint:
        done = {
            name: size
            for name, size in saved.get("done", {}).items()
            if (folder / name).is_file() and (folder / name).stat().st_size == size
        }
        return Journal(folder, fingerprint, done)
    if not overwrite and any(path.name != JOURNAL for path in folder.iterdir()):
        what = "an unfinished fusion of other inputs or settings" if saved else "other files"
        what = "a finished fusion" if (folder / FACTS).is_file() else what
        raise FusionError(f"{folder} holds {what}: choose another folder, or pass --overwrite.")
    fresh = Journal(folder, fingerprint, {})
    fresh.save()
    return fresh
