"""Repositories that belong together: forks, and those that share files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mergebert.example import FileExample
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.families import MOST_SHARED, assigned_by_family, sharing
from mergebert_data.dataset.repositories import RepositoryFacts, write_facts
from tests.data.mined_rows import file_of, mined_folder, numbered, with_flags


def copied(repository: str, count: int, words: int = 40) -> list[FileExample]:
    """Files that are the same in every repository that has them."""
    return [file_of(repository, [numbered(n, words)], f"{repository}/{n}.py") for n in range(count)]


def test_repositories_that_share_many_files_are_found(tmp_path: Path) -> None:
    files = [
        *copied("a/a", MOST_SHARED + 1),
        *copied("b/copy", MOST_SHARED + 1),
        *copied("c/few", MOST_SHARED),
        file_of("d/other", [numbered(99)]),
    ]
    assert sharing(mined_folder(tmp_path / "many", files)) == [("a/a", "b/copy")]


def test_small_generated_and_vendored_files_prove_nothing(tmp_path: Path) -> None:
    small = [
        replace(file, stages=ThreeWay("import os\n", *list(file.stages)[1:]))
        for name in ("a/a", "b/b")
        for file in copied(name, MOST_SHARED + 5)
    ]
    assert sharing(mined_folder(tmp_path / "small", small)) == []
    vendored = [
        with_flags(file, "vendored") for name in ("a/a", "b/b") for file in copied(name, MOST_SHARED + 5)
    ]
    assert sharing(mined_folder(tmp_path / "vendored", vendored)) == []


def test_the_same_file_many_times_counts_once(tmp_path: Path) -> None:
    files = [file_of(name, [numbered(1)], merge=n) for n in range(MOST_SHARED + 5) for name in ("a/a", "b/b")]
    assert sharing(mined_folder(tmp_path / "out", files)) == []


def test_forks_and_copies_are_assigned_together(tmp_path: Path) -> None:
    names = [f"lone/{n}" for n in range(7)]
    files = [file for name in ("a/a", "b/copy") for file in copied(name, MOST_SHARED + 1)]
    files += [file_of(name, [numbered(n)]) for n, name in enumerate([*names, "c/fork"], start=100)]
    out = mined_folder(tmp_path / "out", files)
    write_facts(
        out,
        {
            "a/a": RepositoryFacts("root a"),
            "c/fork": RepositoryFacts("root a"),
            "b/copy": RepositoryFacts("root b"),
        },
    )
    counts = {name: {"in python": 1, "distinct": 1} for name in (*names, "a/a", "b/copy", "c/fork")}
    for seed in range(10):
        split_of = assigned_by_family(out, counts, seed)
        assert len({split_of[name] for name in ("a/a", "b/copy", "c/fork")}) == 1
        assert sorted(split_of.values()).count("test") in (1, 3)
    split_of = assigned_by_family(out, counts, 0, {"c/fork": "development"})
    assert split_of["a/a"] == split_of["b/copy"] == "development"
