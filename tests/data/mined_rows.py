"""Mined folders made up for tests: rows in the shape the miner writes, of texts the test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mergebert.example import CLEAN, CONFLICT, ConflictExample, FileExample
from mergebert.git.pack import object_name
from mergebert.text.history import FileHistory, MergeContext, SideChange, Superseded
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.store import EXAMPLES, SCHEMA

BEFORE = "import os\nimport sys\n\n\ndef main(arguments):\n"
AFTER = "    return 0\n\n\nif __name__ == '__main__':\n    sys.exit(main(sys.argv))\n"
CONTEXT = MergeContext(20, 30, 10, 40, 2, 3, True, False, "main", None)
ALL, TWO = ("aligned", "unique", "candidate"), ("aligned", "unique")


@dataclass(frozen=True)
class Hunk:
    """A conflict of a made-up file and its label."""

    base: str
    ours: str
    theirs: str
    resolution: str | None
    proof: tuple[str, ...] = ALL
    dissent: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ("lines: ours",)
    duplicate: bool = False


def numbered(number: int, words: int = 40) -> Hunk:
    """A conflict that is like no other one of another number; ours was taken."""
    text = " ".join(f"word{number}_{at}" for at in range(words))
    return Hunk(f"    {text}\n", f"    {text} ours\n", f"    {text} theirs\n", f"    {text} ours\n")


def file_of(
    repository: str, hunks: Sequence[Hunk], path: str = "src/app.py", language: str = "python", merge: int = 1
) -> FileExample:
    """A file of agreed text with these conflicts in it; without any it is one that git merged cleanly."""
    stages, conflicted, merged = ["", "", ""], BEFORE, BEFORE
    for hunk in hunks:
        for side, text in enumerate((hunk.base, hunk.ours, hunk.theirs)):
            stages[side] += text
        conflicted += (
            f"<<<<<<< ours\n{hunk.ours}||||||| base\n{hunk.base}=======\n{hunk.theirs}>>>>>>> theirs\n{AFTER}"
        )
        merged += (hunk.ours if hunk.resolution is None else hunk.resolution) + AFTER
    texts = ThreeWay(*(BEFORE + text + AFTER for text in stages))
    blobs = texts.map(lambda text: object_name("blob", text.encode()))
    commits = [f"{merge:x}c{at}".ljust(40, "0") for at in range(4)]
    return FileExample(
        repository, *commits, path, language, blobs, texts, conflicted, merged, CONTEXT,
        tuple(_conflict(at, hunk) for at, hunk in enumerate(hunks)), CONFLICT if hunks else CLEAN, (),
        FileHistory(
            SideChange(2, 25, True), SideChange(1, None, None), Superseded(-1, 0), (Superseded(-1, 3),) * len(hunks)
        ),
    )  # fmt: skip


def mined_folder(
    out: Path, files: Sequence[FileExample], splits: Mapping[str, str] | None = None, group: int = 2
) -> Path:
    """A folder with these examples, in row groups of few rows, and these splits."""
    out.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(out / EXAMPLES, SCHEMA) as table:
        for start in range(0, len(files), group):
            rows = [file.to_json() for file in files[start : start + group]]
            table.write_table(pa.Table.from_pylist(rows, SCHEMA))
    if splits is not None:
        (out / "splits.json").write_text(json.dumps(splits), encoding="utf-8")
    return out


def with_flags(file: FileExample, *flags: str) -> FileExample:
    """The same file with reasons why it would usually be left out."""
    return replace(file, flags=flags)


def _conflict(at: int, hunk: Hunk) -> ConflictExample:
    if hunk.resolution is None:
        return ConflictExample(at, None, (), (), hunk.duplicate, ())
    return ConflictExample(at, hunk.resolution, hunk.proof, hunk.dissent, hunk.duplicate, hunk.patterns)
