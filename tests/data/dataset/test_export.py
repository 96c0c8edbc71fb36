"""Exports as other tools read them, and the card beside them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from mergebert.errors import InputError, MergebertError
from mergebert.pictures import FORMATS
from mergebert_data.dataset.card import Card, card_text, write_card
from mergebert_data.dataset.card_counts import CardCounts, card_counts
from mergebert_data.dataset.export import ExportOptions, write_export
from mergebert_data.dataset.flat_rows import SCHEMA, RowMetadata, flat_rows
from mergebert_data.dataset.pictures import STEMS, draw
from mergebert_data.dataset.repositories import RepositoryFacts
from mergebert_data.dataset.store import read_rows
from tests.data.mined_rows import TWO, Hunk, file_of, mined_folder, numbered

PAGE = Path(__file__).resolve().parent.parent.parent.parent / "docs" / "dataset.md"
SPLITS = {"a/a": "train", "b/b": "development", "c/c": "test"}
METADATA = RowMetadata(
    SPLITS, {"a/a": RepositoryFacts("1", "MIT"), "b/b": RepositoryFacts("2", "GPL-3.0")}, 3
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Five conflicts in training, two in development, one in test; one is a duplicate, one not located."""
    hunks = [numbered(n) for n in range(4)]
    files = [
        file_of("a/a", hunks[:2], merge=1),
        file_of("a/a", [replace(hunks[2], duplicate=True), Hunk("", "x\n", "y\n", None)], merge=2),
        file_of("a/a", [replace(hunks[3], proof=TWO, patterns=())], merge=3),
        file_of("b/b", [numbered(5), numbered(6)], "a.go", "go"),
        file_of("c/c", [replace(numbered(7), proof=("aligned",), patterns=("tokens: clean",))]),
        file_of("c/c", [], "clean.py"),
    ]
    return mined_folder(tmp_path / "mined", files, SPLITS)


def exported(out: Path, target: Path, choice: ExportOptions | None = None) -> CardCounts:
    return write_export(out, target, choice or ExportOptions(), METADATA, lambda _: None)


def rows_in(target: Path, split: str) -> list[dict[str, Any]]:
    """The rows of a split, read as one dataset of whatever files there are."""
    rows: list[dict[str, Any]] = ds.dataset(target / split, format="parquet").to_table().to_pylist()
    return rows


def test_each_split_is_a_folder_of_flat_rows(out: Path, tmp_path: Path) -> None:
    figures = exported(out, tmp_path / "export")
    expected = [flat for row in read_rows(out) for flat in flat_rows(row, METADATA)]
    found = [row for split in ("train", "validation", "test") for row in rows_in(tmp_path / "export", split)]
    assert found == expected
    assert [len(rows_in(tmp_path / "export", split)) for split in ("train", "validation", "test")] == [
        5,
        2,
        1,
    ]
    assert figures.totals == {"conflicts": 8, "located": 7, "duplicates": 1}
    assert pq.read_schema(tmp_path / "export" / "test" / "00000.parquet").equals(SCHEMA)


@pytest.mark.skipif(find_spec("datasets") is None, reason="pip install datasets, which nothing else needs")
def test_the_library_datasets_reads_an_export_as_the_page_says(out: Path, tmp_path: Path) -> None:
    figures = exported(out, tmp_path / "out" / "dataset", ExportOptions(shard_bytes=1))
    snippet = re.search(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert snippet is not None
    printed = "import json\nprint(json.dumps({split: conflicts[split].to_list() for split in conflicts}, default=str))"
    done = subprocess.run(
        [sys.executable, "-c", f"{snippet[1]}\n{printed}"],
        cwd=tmp_path,
        env=os.environ | {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert sum(map(len, read.values())) == figures.totals["conflicts"]
    for split, rows in read.items():
        assert rows == json.loads(json.dumps(rows_in(tmp_path / "out" / "dataset", split), default=str))


def test_shards_are_of_bounded_size(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mergebert_data.dataset.export._ROWS", 1)
    exported(out, tmp_path / "export", ExportOptions(shard_bytes=1))
    files = sorted(path.name for path in (tmp_path / "export" / "train").iterdir())
    assert files == [f"{number:05}.parquet" for number in range(5)]
    assert len(rows_in(tmp_path / "export", "train")) == 5


def test_only_what_was_chosen_is_exported(out: Path, tmp_path: Path) -> None:
    choice = ExportOptions(frozenset("ab"), is_distinct=True)
    figures = exported(out, tmp_path / "export", choice)
    assert {row["grade"] for row in rows_in(tmp_path / "export", "train")} == {"a", "b"}
    assert figures.totals == {"conflicts": 5, "located": 5, "duplicates": 0}
    assert not (tmp_path / "export" / "test").exists()
    assert choice.left_out == "what is not located with grade a, b and duplicates"
    text = card_text(figures, Card("Title", {}, choice.formats, choice.left_out))
    assert "Left out: what is not located with grade a, b and duplicates." in text
    assert "path: test/*.parquet" not in text


def test_json_lines_hold_the_same_rows(out: Path, tmp_path: Path) -> None:
    exported(out, tmp_path / "export", ExportOptions(formats=("parquet", "jsonl")))
    lines = (tmp_path / "export" / "jsonl" / "train" / "00000.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    parquet = pq.read_table(tmp_path / "export" / "train" / "00000.parquet").to_pylist()
    assert rows == parquet
    assert list(rows[0]) == SCHEMA.names


def test_a_folder_in_use_is_not_touched(out: Path, tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.mkdir()
    exported(out, target)
    with pytest.raises(InputError, match="give a new folder"):
        exported(out, target)


def test_an_export_that_fails_leaves_nothing(out: Path, tmp_path: Path) -> None:
    def fail(count: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_export(out, tmp_path / "export", ExportOptions(), METADATA, fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mined"]


def test_the_card_says_what_was_counted(out: Path, tmp_path: Path) -> None:
    figures = exported(out, tmp_path / "export")
    assert figures == card_counts(out, METADATA)
    write_card(
        tmp_path / "export", figures, Card("My conflicts", {"merges": 1234}, ("parquet",)), has_pictures=False
    )
    text = (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    front = text.split("---\n")[1]
    assert 'pretty_name: "My conflicts"' in front
    assert "- n<1K" in front
    assert [split for split in ("train", "validation", "test") if f"path: {split}/*.parquet" in front] == [
        "train",
        "validation",
        "test",
    ]
    assert "8 conflicts of 3 git repositories in 2 languages, 7 of them with the resolution" in text
    assert "1,234 merges" in text
    assert "| python | 5 (1) | 0 (0) | 1 (1) | 6 |" in text
    assert "| all | 5 (1) | 2 (1) | 1 (1) | 8 |" in text
    assert "| lines: ours | 50.0% | 100.0% | 66.7% |" in text
    assert "| none of the candidates | 25.0% | 0.0% | 16.7% |" in text
    assert "| python | 50.0% | 16.7% | 16.7% | 0.0% | 16.7% | 6 |" in text
    assert "| MIT | 1 | 5 |" in text
    assert "- c/c: unknown" in text
    assert "pictures/" not in text


def test_pictures_are_drawn_and_shown(out: Path, tmp_path: Path) -> None:
    figures = card_counts(out, METADATA)
    write_card(tmp_path / "card", figures, Card("Title", {}), has_pictures=True)
    made = {path.name for path in (tmp_path / "card" / "pictures").iterdir()}
    assert made == {f"{stem}.{form}" for stem in STEMS for form in FORMATS}
    text = (tmp_path / "card" / "README.md").read_text(encoding="utf-8")
    assert all(f"(pictures/{stem}.png)" in text for stem in STEMS)
    svg = (tmp_path / "card" / "pictures" / "patterns.svg").read_text(encoding="utf-8")
    assert all(word in svg for word in ("python", "go", "lines: ours", "none of the candidates"))
    draw(figures, tmp_path / "again")
    assert (tmp_path / "again" / "patterns.svg").read_text(encoding="utf-8") == svg


def test_pictures_without_matplotlib_are_one_sentence(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MergebertError, match="pip install matplotlib"):
        draw(card_counts(out, METADATA), tmp_path)


def test_an_empty_folder_has_a_card(tmp_path: Path) -> None:
    out = mined_folder(tmp_path / "mined", [file_of("a/a", [])], SPLITS)
    assert "0 conflicts" in card_text(card_counts(out, METADATA), Card("Title", {}))
