"""`mergebert dataset` as a user types it, and the page that explains it."""

from __future__ import annotations

import json
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mergebert.cli import main
from mergebert_data.commands.dataset import SUBCOMMANDS, add_arguments
from mergebert_data.dataset.splits import read_splits
from mergebert_data.dataset.store import read_rows
from tests.conftest import Repository
from tests.data.mined_rows import file_of, mined_folder, numbered

PAGE = Path(__file__).resolve().parent.parent.parent.parent / "docs" / "dataset.md"
SPLITS = {"a/a": "train", "b/b": "test"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A conflict that stands in training and in test, and one of each alone."""
    files = [file_of("a/a", [numbered(1), numbered(2)]), file_of("b/b", [numbered(1), numbered(3)], merge=2)]
    return mined_folder(tmp_path / "mined", files, SPLITS)


def dataset(*arguments: object) -> int:
    return main(["dataset", *map(str, arguments)])


def json_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert dataset(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def parser() -> ArgumentParser:
    made = ArgumentParser(prog="mergebert dataset", allow_abbrev=False)
    add_arguments(made)
    return made


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_every_subcommand_has_help_with_an_example_that_can_be_typed(
    subcommand: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dataset(subcommand, "--help") == 0
    told = capsys.readouterr().out
    assert f"example:\n  mergebert dataset {SUBCOMMANDS[subcommand].example}" in told
    parser().parse_args(shlex.split(SUBCOMMANDS[subcommand].example))


def test_the_page_explains_every_subcommand_with_commands_that_can_be_typed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line.startswith("mergebert dataset ")]
    for line in lines:
        parser().parse_args(shlex.split(line.partition(" > ")[0])[2:])
    assert {line.split(" ")[2] for line in lines} == set(SUBCOMMANDS)
    headings = " ".join(line for line in text.split("\n") if line.startswith("## "))
    assert set(re.findall(r"`mergebert dataset (\w+)", headings)) == set(SUBCOMMANDS)


def test_stats(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dataset("stats", out, "--repositories") == 0
    told = capsys.readouterr().out
    assert "| python | 2 | 2 | 4 | 4 (100.0%) | 4 | 4 (100.0%) |" in told
    assert "| a/a | python | train | 1 | 2 | 2 (100.0%) | 2 |" in told
    assert "| test | 1 | 2 |" in told
    figures = json_of(capsys, "stats", out)
    assert figures["splits"] == SPLITS
    assert figures["kinds"] == {"conflict": 2}


def test_dedupe_closes_what_split_finds_open(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dataset("split", out, "--check") == 1
    assert "a/a 1c0000000000 src/app.py #0" in capsys.readouterr().out
    assert json_of(capsys, "dedupe", out, "--check")["across"][0]["conflicts"] == 1
    assert dataset("split", out, "--check", "--json") == 1
    capsys.readouterr()
    assert dataset("dedupe", out) == 0
    assert "| train that repeats test, exact | 1 |" in capsys.readouterr().out
    assert dataset("split", out, "--check") == 0
    assert "No conflict leaks" in capsys.readouterr().out
    assert [[one["duplicate"] for one in row["conflicts"]] for row in read_rows(out)] == [
        [True, False],
        [False, False],
    ]
    assert (
        json.loads((out / "statistics.json").read_text(encoding="utf-8"))["repositories"]["a/a"]["distinct"]
        == 1
    )
    assert read_splits(out) == SPLITS


def test_split_deals_and_keeps(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json_of(capsys, "split", out) == {"a/a": "train", "b/b": "train"}
    kept = tmp_path / "kept.json"
    kept.write_text('{"b/b": "development"}', encoding="utf-8")
    assert dataset("split", out, "--keep", kept) == 0
    told = capsys.readouterr()
    assert "development: b/b" in told.out
    assert "--repositories asks for them" in told.err
    assert read_splits(out) == {"a/a": "train", "b/b": "development"}


def test_forks_are_asked_for_and_kept_together(
    out: Path, make_repository: Callable[..., Repository], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = make_repository("a+a")
    original.commit("begin", {"LICENSE": "Apache License\nVersion 2.0"})
    fork = tmp_path / "b+b"
    original.git("clone", "--quiet", "--mirror", str(original.path), str(fork))
    kept = tmp_path / "kept.json"
    kept.write_text('{"b/b": "test"}', encoding="utf-8")
    assert dataset("split", out, "--keep", kept, "--repositories", original.path, fork) == 0
    assert read_splits(out) == {"a/a": "test", "b/b": "test"}
    assert "--repositories" not in capsys.readouterr().err
    kept.write_text('{"a/a": "train", "b/b": "test"}', encoding="utf-8")
    assert dataset("split", out, "--keep", kept) == 2
    assert "a/a in train, b/b in test" in capsys.readouterr().err


def test_sample(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dataset("sample", out, "-n", 2, "--by", "split") == 0
    told = capsys.readouterr().out
    assert "1/2  " in told and "python, test, grade a" in told and "python, train, grade a" in told
    assert dataset("sample", out, "-n", 3, "--json", "--only", "split=test") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert [row["repository"] for row in rows] == ["b/b", "b/b"]
    assert dataset("sample", out, "--only", "language=cobol") == 2
    assert "no conflict of language cobol" in capsys.readouterr().err


def test_export_and_card(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "export"
    assert json_of(capsys, "export", out, "-o", target, "--jsonl", "--no-pictures") == {"train": 2, "test": 2}
    assert {path.name for path in target.iterdir()} == {"README.md", "train", "test", "jsonl"}
    assert [path.name for path in (target / "jsonl" / "train").iterdir()] == ["00000.jsonl"]
    assert pq.read_table(target / "test").num_rows == 2
    assert dataset("export", out, "-o", target) == 2
    capsys.readouterr()
    assert dataset("card", out, "--no-pictures", "--title", "Ours") == 0
    assert capsys.readouterr().out == f"{out / 'README.md'}\n"
    assert "# Ours\n\n4 conflicts of 2 git repositories" in (out / "README.md").read_text(encoding="utf-8")


def test_manifest_and_rebuild(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "manifest.parquet"
    assert dataset("manifest", out, "-o", manifest) == 0
    assert re.fullmatch(r"2 files, 0\.0 MB, no text\n", capsys.readouterr().out)
    nothing = tmp_path / "nothing"
    Repository(tmp_path).git("init", "--quiet", "--bare", str(nothing))
    assert dataset("rebuild", manifest, "-r", nothing, "-o", tmp_path / "rebuilt", "-j", 1) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("0 files rebuilt\n", "left out: 2 files: repository not given\n")


@pytest.mark.parametrize("subcommand", ["stats", "dedupe", "sample", "card"])
def test_a_folder_that_holds_no_data_is_one_sentence(
    subcommand: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dataset(subcommand, tmp_path) == 2
    assert "is no mined data" in capsys.readouterr().err


def test_data_of_another_version_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:

    pq.write_table(pa.table({"repository": ["a/a"]}), tmp_path / "examples.parquet")
    assert dataset("stats", tmp_path) == 2
    assert "mine again with this version" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["dedupe", "OUT", "--threshold", "0.1"],
        ["sample", "OUT", "--by", "mood"],
        ["sample", "OUT", "--only", "mood=good"],
        ["sample", "OUT", "-n", "0"],
        ["export", "OUT", "-o", "X", "--grades", "xyz"],
        ["export", "OUT", "-o", "X", "--context", "-1"],
    ],
)
def test_values_that_make_no_sense_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dataset(*arguments) == 2
    assert "error: argument" in capsys.readouterr().err
