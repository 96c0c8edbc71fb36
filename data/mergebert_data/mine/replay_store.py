"""The replays of a block of merges, stored so that a block is replayed once.

New rules of location then cost only the cheap half of mining. A replay names blobs of the repository; blobs that only
the replay made (the base of a criss-cross merge) are stored with it.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mergebert.atomic import Draft
from mergebert.errors import DatasetError
from mergebert.text.threeway import ThreeWay
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.replay import ConflictedFile, Replay, ScratchRepository, Stage


def write_replays(path: Path, replays: Sequence[Replay], scratch: ScratchRepository, seconds: float) -> None:
    """Writes the replays of a block, with the objects of `scratch` that they name."""
    value = {
        "seconds": round(seconds, 3),
        "conflicts": [[at, _files(replay)] for at, replay in enumerate(replays) if replay.conflicts != ()],
        "objects": {name: b64encode(found).decode() for name, found in _made(scratch, replays)},
    }
    # Bytes of a path that are no UTF-8 are lone surrogates, which JSON carries as escapes.
    with Draft(path) as temporary, gzip.open(temporary, "wt", compresslevel=5, encoding="ascii") as out:
        json.dump(value, out, separators=(",", ":"))


def read_replays(
    path: Path, merges: Sequence[MergeCommit], scratch: ScratchRepository
) -> tuple[list[Replay], float]:
    """The replays of a block, their objects put into `scratch`, and the seconds they took."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            value = json.load(file)
        conflicts = dict(value["conflicts"])
        objects = {name: b64decode(found) for name, found in value["objects"].items()}
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}); delete it and mine again, the rest is kept."
        ) from error
    for name, found in objects.items():
        path_in_scratch = _loose(scratch, name)
        path_in_scratch.parent.mkdir(exist_ok=True)
        path_in_scratch.write_bytes(found)
    replays = [_replay(merge, conflicts.get(at, ())) for at, merge in enumerate(merges)]
    return replays, float(value["seconds"])


def _files(replay: Replay) -> list[list[Any]] | None:
    if replay.conflicts is None:
        return None
    return [
        [file.path, *([stage.mode, stage.blob] if stage else None for stage in file.stages)]
        for file in replay.conflicts
    ]


def _replay(merge: MergeCommit, files: Sequence[Any] | None) -> Replay:
    if files is None:
        return Replay(merge, None)
    found = [
        ConflictedFile(path, ThreeWay(*(Stage(*stage) if stage else None for stage in stages)))
        for path, *stages in files
    ]
    return Replay(merge, tuple(found))


def _made(scratch: ScratchRepository, replays: Sequence[Replay]) -> Iterator[tuple[str, bytes]]:
    """The objects of the scratch repository that the replays name, as git stores them."""
    blobs = {
        stage.blob
        for replay in replays
        for file in replay.conflicts or ()
        for stage in file.stages
        if stage is not None
    }
    for name in sorted(blobs):
        path = _loose(scratch, name)
        if path.exists():
            yield name, path.read_bytes()


def _loose(scratch: ScratchRepository, name: str) -> Path:
    return scratch.folder / "objects" / name[:2] / name[2:]
