"""Mined examples made up: small files in which both sides changed the same lines, and what a person made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from mergebert.example import CLEAN, ConflictExample, FileExample
from mergebert.git.line_merge import line_merge
from mergebert.text.candidates import candidates
from mergebert.text.history import FileHistory, MergeContext, SideChange, Superseded
from mergebert.text.languages import language_of
from mergebert.text.markers import Conflict, render, resolved
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.store import COMPRESSION, SCHEMA

NAMES = ("total", "count", "price", "items", "size", "owner", "state", "offset")
PROOFS = (("aligned", "unique", "candidate"), ("aligned", "candidate"), ("unique",))
PATHS = ("src/main.py", "lib/Cart.java", "web/app.ts", "pkg/run.go", "tests/test_cart.py")


def example(repository: str, number: int, conflicts: int = 2) -> FileExample:
    """The `number`-th example of a repository; every second one is of the same merge as the one before it."""
    draw = Random(f"{repository} {number}")
    path = PATHS[number % len(PATHS)]
    stages = _stages(draw, conflicts)
    merged = line_merge(stages)
    language = language_of(path)
    texts: dict[int, str] = {}
    known = []
    for index, conflict in enumerate(merged.conflicts):
        options = [option.text for option in candidates(conflict, language)]
        texts[index] = _wanted(draw, conflict, options)
        located = draw.random() > 0.1
        resolution = texts[index] if located else None
        proof = PROOFS[draw.randrange(len(PROOFS))] if located else ()
        known.append(ConflictExample(index, resolution, proof, (), draw.random() < 0.05, ()))
    time = 1_500_000_000 + 1000 * number
    return FileExample(
        repository=repository,
        merge=f"{number // 2:040x}",
        ours_commit="a" * 40,
        theirs_commit="b" * 40,
        base_commit="c" * 40,
        path=f"{number}/{path}",
        language=language.name,
        blobs=ThreeWay("1" * 40, "2" * 40, "3" * 40),
        stages=stages,
        conflicted=render(merged),
        merged=render(resolved(merged, texts)),
        context=MergeContext(time - 900, time - 500, time - 9000, time, 3, number + 1, True, number % 3 == 0),
        conflicts=tuple(known),
        history=_history(number, len(known)),
    )


def _history(number: int, conflicts: int) -> FileHistory:
    change = SideChange(1 + number % 3, 1_000_000 * number, bool(number % 2))
    return FileHistory(change, change, Superseded(-1, -1), (Superseded(number % 4 - 1, -1),) * conflicts)


def examples(repository: str, count: int) -> list[FileExample]:
    """`count` examples of one repository."""
    return [example(repository, number) for number in range(count)]


def clean_example(repository: str, number: int) -> FileExample:
    """A file that both sides changed in different places, so that git merged it without conflict."""
    draw = Random(f"clean {repository} {number}")
    lines = [f"{draw.choice(NAMES)}{at} = {at}\n" for at in range(16)]
    ours, theirs = list(lines), list(lines)
    ours[3] = f"ours = {draw.choice(NAMES)}\n"
    theirs[12] = f"theirs = {draw.choice(NAMES)}\n"
    stages = ThreeWay("".join(lines), "".join(ours), "".join(theirs))
    merged = render(line_merge(stages))
    one = example(repository, number)
    return replace(
        one,
        kind=CLEAN,
        path=f"clean/{number}.py",
        stages=stages,
        conflicted=merged,
        merged=merged,
        conflicts=(),
    )


def write_mined(folder: Path, repositories: Mapping[str, Sequence[str]], count: int) -> None:
    """What `mergebert mine` leaves behind, as far as training reads it: splits, `count` conflicted files and three clean ones
    of each repository."""
    splits = {name: split for split, names in repositories.items() for name in names}
    made = (
        [*examples(name, count), *(clean_example(name, at) for at in range(3))] for name in sorted(splits)
    )
    rows = [one.to_json() for files in made for one in files]
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, SCHEMA)
    pq.write_table(table, folder / "examples.parquet", compression=COMPRESSION, row_group_size=5)
    (folder / "splits.json").write_text(json.dumps(splits), encoding="utf-8")


def _stages(draw: Random, conflicts: int) -> ThreeWay[str]:
    versions: list[list[str]] = [[], [], []]
    for index in range(conflicts):
        context = [f"{draw.choice(NAMES)}{index} = {at}\n" for at in range(5)]
        for version, text in zip(versions, _changed(draw), strict=True):
            version += [*context, text]
    end = [f"end {at}\n" for at in range(4)]
    return ThreeWay(*("".join([*version, *end]) for version in versions))


def _changed(draw: Random) -> tuple[str, str, str]:
    """Base, ours and theirs of a few lines that both sides changed."""
    one, two, three, four = draw.sample(NAMES, 4)
    return draw.choice(
        [
            (f"{one} = {two}\n", f"{one} = {three}\n", f"{one} = {four}\n"),
            (f"call({one}, {two})\n", f"call({one}, {three})\n", f"call({four}, {two})\n"),
            (f"use {one}\n", f"use {one}\nuse {two}\n", f"use {one}\nuse {three}\n"),
            (f"{one}({two})\n{three}\n", f"{one}({two}, 1)\n{three}\n", ""),
        ]
    )


def _wanted(draw: Random, conflict: Conflict, options: Sequence[str]) -> str:
    """What the person committed: mostly a side, at times another candidate, at times something of their own."""
    chance = draw.random()
    if chance < 0.35:
        return conflict.sides.ours
    if chance < 0.6:
        return conflict.sides.theirs
    return draw.choice(list(options)) if chance < 0.95 else "written by hand\n"
