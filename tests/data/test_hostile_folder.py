"""Mined folders whose files are not what mining wrote: every command reads them, or refuses them in a sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert.cli import main
from mergebert_data.dataset.store import SCHEMA
from tests.data.mined_rows import file_of, mined_folder, numbered
from tests.training.tiny_bundle import write_tiny_bundle

Row = dict[str, Any]
REPOSITORIES = ("own/train", "own/development", "own/test")
READERS = {
    "stats": "stats {mined} --repositories",
    "split": "split {mined}",
    "kept split": "split {good} --keep {mined}",
    "dedupe": "dedupe {mined}",
    "sample": "sample {mined}",
    "export": "export {mined} -o {out} --no-pictures",
    "card": "card {mined} -o {out} --no-pictures",
    "manifest": "manifest {mined} -o {out}.jsonl",
    "rebuild": "rebuild {mined}/manifest.jsonl -r {good} -o {out} -j 1",
}
FILES = ("examples.parquet", "splits.json", "repositories.json", "statistics.json", "manifest.jsonl")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats()
    | st.sampled_from(["", "train", "\ud800", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def holding(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


KINDS: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "nothing": holding(b""),
    "junk": holding(b"\xff" * 3000),
    "nested without end": holding(b"[" * 100_000),
    "a list": holding(b"[]"),
    "a number": holding(b"3"),
    "names with lists": holding(b'{"own/train": []}'),
    "names with objects": holding(b'{"counts": {"merges": []}, "own/train": {"family": 3, "licence": []}}'),
    "a licence that is no text": holding(b'{"own/train": {"licence": "\\ud800"}}'),
    "a huge number": holding(b"9" * 5000),
    "large": lambda path: os.truncate(path, 5_000_000_000) if path.touch() is None else None,
}


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    """A mined folder with all the files that commands read, which a test may spoil."""
    folder = tmp_path / "mined"
    files = [file_of(name, [numbered(at)], merge=at) for at, name in enumerate(REPOSITORIES)]
    mined_folder(folder, files, {name: name.partition("/")[2] for name in REPOSITORIES})
    mined_folder(tmp_path / "good", files, {})
    assert main(["dataset", "dedupe", str(folder)]) == 0
    facts = {name: {"family": "f", "licence": "MIT"} for name in REPOSITORIES}
    (folder / "repositories.json").write_text(json.dumps(facts))
    assert main(["dataset", "manifest", str(folder), "-o", str(folder / "manifest.jsonl")]) == 0
    return folder


def read(reader: str, mined: Path, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = READERS[reader].split()
    places = {"mined": mined, "good": mined.parent / "good", "out": mined.parent / f"out-{number}"}
    refused_or_done(["dataset", *(word.format(**places) for word in words)], capsys)


def refused_or_done(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code = main(words)
    said = capsys.readouterr().err
    assert code in (0, 1, 2)
    if code == 2:
        assert said.startswith("mergebert ")
        assert said.count("\n") == 1, said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none(name: str, kind: str, mined: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = mined.parent / "kept"
    for number, reader in enumerate(READERS):
        if not kept.exists():
            (mined / name).rename(kept)
        if (mined / name).is_symlink() or not (mined / name).is_dir():
            (mined / name).unlink(missing_ok=True)
        else:
            (mined / name).rmdir()
        KINDS[kind](mined / name)
        read(reader, mined, number, capsys)


@pytest.mark.parametrize("name", FILES[1:])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere(
    name: str, data: st.DataObject, mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = mined.parent / "kept"
    if not kept.exists():
        (mined / name).rename(kept)
    spot = value = json.loads(
        kept.read_text().partition("\n")[0] if name == "manifest.jsonl" else kept.read_text()
    )
    while True:
        key = data.draw(st.sampled_from(list(spot) if isinstance(spot, dict) else list(range(len(spot)))))
        if not isinstance(spot[key], dict | list) or not spot[key] or data.draw(st.booleans()):
            break
        spot = spot[key]
    spot[key] = data.draw(JSON)
    (mined / name).write_text(json.dumps(value))
    readers = ["rebuild"] if name == "manifest.jsonl" else [one for one in READERS if one != "rebuild"]
    read(data.draw(st.sampled_from(readers)), mined, data.draw(st.integers(0, 10**9)), capsys)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES[:2])
def test_evaluation_of_a_file_that_is_none(
    name: str, kind: str, mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(mined.parent / "bundle")
    (mined / name).unlink()
    KINDS[kind](mined / name)
    refused_or_done(["evaluate", str(mined), "-j", "1", "--bundle", str(bundle)], capsys)


def fields_of(row: object, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The steps to every value of a row, of lists to that of the first item."""
    if steps:
        yield steps
    if isinstance(row, dict):
        for name, value in row.items():
            yield from fields_of(value, (*steps, name))
    elif isinstance(row, list | tuple) and row:
        yield from fields_of(row[0], (*steps, 0))


def with_value(row: Row, steps: tuple[str | int, ...], value: object) -> Row:
    """A copy of a row with another value at the end of these steps."""
    spot = copy = json.loads(json.dumps(row))
    for step in steps[:-1]:
        spot = spot[step]
    spot[steps[-1]] = value
    return copy


def write_rows(mined: Path, rows: list[Row]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), mined / "examples.parquet")


ROW = json.loads(json.dumps(file_of(REPOSITORIES[0], [numbered(0), numbered(7)]).to_json()))
GOOD = [file_of(name, [numbered(at)], merge=at).to_json() for at, name in enumerate(REPOSITORIES)]
SPOILT = {
    **{f"no {'.'.join(map(str, steps))}": with_value(ROW, steps, None) for steps in fields_of(ROW)},
    "no labels": ROW | {"conflicts": []},
    "a label too many": ROW | {"conflicts": [*ROW["conflicts"], ROW["conflicts"][0]]},
    "labels in another order": ROW | {"conflicts": ROW["conflicts"][::-1]},
    "an unknown language": ROW | {"language": "klingon"},
    "an unknown kind": ROW | {"kind": "other"},
    "an unknown side": ROW | {"taken": "base"},
    "no conflict": ROW | {"conflicted": "text\n"},
    "half a conflict": ROW | {"conflicted": "<<<<<<< ours\ntext\n"},
    "an id that is none": with_value(ROW, ("blobs", "base"), "zz"),
    "history of fewer conflicts": with_value(ROW, ("history", "conflicts"), []),
    "a method nobody knows": with_value(ROW, ("conflicts", 0, "proof"), ["guessed"]),
}


@pytest.mark.parametrize("reader", READERS)
def test_rows_that_lack_a_value_or_hold_another(
    reader: str, mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, row in enumerate(SPOILT.values()):
        write_rows(mined, [row, *GOOD])
        read(reader, mined, number, capsys)


def test_evaluation_of_rows_that_lack_a_value_or_hold_another(
    mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(mined.parent / "bundle")
    for row in SPOILT.values():
        write_rows(mined, [row | ({"repository": REPOSITORIES[2]} if row["repository"] else {}), *GOOD])
        refused_or_done(["evaluate", str(mined), "-j", "1", "--bundle", str(bundle)], capsys)


@pytest.mark.slow
def test_training_on_rows_that_lack_a_value_or_hold_another(
    mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, config = mined.parent / "work", mined.parent / "training.toml"
    config.write_text(f"examples = {str(mined)!r}\nworkspace = {str(work)!r}\n")
    assert main(["train", str(config), "--stage", "tokenizer", "--jobs", "1"]) == 0
    for row in [ROW, *SPOILT.values()]:
        write_rows(mined, [row, *GOOD])
        for made in work.glob("*/"):
            shutil.rmtree(made)
        refused_or_done(["train", str(config), "--stage", "prepare", "--jobs", "1"], capsys)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["examples", "workspace", "shared", "."])
def test_training_in_a_place_that_is_none(
    name: str, kind: str, mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    KINDS[kind](mined.parent / "place")
    places = {"examples": mined, "workspace": mined.parent / "work", name: mined.parent / "place"}
    config = mined.parent / "training.toml"
    config.write_text("".join(f"{key} = {str(path)!r}\n" for key, path in places.items() if key != "."))
    if name == ".":
        config = mined.parent / "place"
    refused_or_done(["train", str(config), "--stage", "tokenizer", "--jobs", "1"], capsys)
    refused_or_done(["export", str(config), "-o", str(mined.parent / "bundle")], capsys)
