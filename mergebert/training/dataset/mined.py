"""What the miner left in its folder, as training and evaluation read it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from mergebert.errors import DatasetError
from mergebert.example import CONFLICT, FileExample, example_from_json
from mergebert.regular_files import regular
from mergebert.strict_json import json_in

TRAIN, DEVELOPMENT, TEST = "train", "development", "test"
_ROWS = 16  # read at once


def repository_splits(examples: Path) -> Mapping[str, str]:
    """Which split each repository is in, as the miner drew it."""
    path = examples / "splits.json"
    try:
        return {str(name): str(split) for name, split in json_in(path).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise _unreadable(path) from error


def repositories_of(examples: Path, split: str) -> list[str]:
    """The repositories of a split, in order of name."""
    return sorted(name for name, part in repository_splits(examples).items() if part == split)


def examples_of(
    examples: Path, wanted: Collection[str], kind: str = CONFLICT
) -> Iterator[tuple[str, Iterator[FileExample]]]:
    """The mined examples of one kind of each wanted repository, read as they are asked for and before those of the next."""
    rows = _rows(examples, wanted, kind)
    for repository, group in groupby(rows, key=lambda row: str(row["repository"])):
        yield repository, map(example_from_json, group)


def merges_of(examples: Iterable[FileExample]) -> Iterator[list[FileExample]]:
    """The examples of each merge, which stand together as they were mined."""
    return (list(group) for _, group in groupby(examples, key=lambda one: one.merge))


def first_merges(examples: Path, repositories: Collection[str], most: int) -> dict[str, frozenset[str]]:
    """At most so many conflicted merges of each repository, the first by commit id, and so any of them."""
    found: dict[str, set[str]] = defaultdict(set)
    for repository, merge, kind in _counts(examples, ["repository", "merge", "kind"]):
        if repository in repositories and kind == CONFLICT:
            found[repository].add(merge)
    return {name: frozenset(sorted(merges)[:most]) for name, merges in found.items()}


def _rows(examples: Path, wanted: Collection[str], kind: str) -> Iterator[dict[str, Any]]:
    """The rows that are wanted; texts are read only of row groups that have some."""
    with _table(examples) as table:
        for number in range(table.num_row_groups):
            places = _batches(table, number, ["repository", "kind"])
            if any(_wanted(batch, wanted, kind) for batch in places):
                for batch in _batches(table, number):
                    keep = _wanted(batch, wanted, kind)
                    yield from batch.take(keep).to_pylist() if keep else ()  # of none it knows no type


def _wanted(batch: Any, wanted: Collection[str], kind: str) -> list[int]:
    pairs = zip(batch["repository"].to_pylist(), batch["kind"].to_pylist(), strict=True)
    return [at for at, pair in enumerate(pairs) if pair[0] in wanted and pair[1] == kind]


def _batches(table: Any, number: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """The rows of a row group, a few at once: a text that it repeats a thousand times it holds but once."""
    for batch in table.iter_batches(_ROWS, row_groups=[number], columns=columns):
        batch.validate(full=True)  # that its texts are UTF-8, too
        if any(column.null_count for column in batch.columns):
            raise ValueError("a row without a value")
        yield batch


def conflicted_files(examples: Path, wanted: Collection[str]) -> int:
    """How many conflicted files the wanted repositories have."""
    counts = _counts(examples, ["repository", "kind"])
    return sum(counts[name, CONFLICT] for name in wanted)


@cache
def main_languages(examples: Path) -> Mapping[str, str]:
    """The language of most files of each repository."""
    languages: dict[str, Counter[str]] = defaultdict(Counter)
    for (repository, language), count in _counts(examples, ["repository", "language"]).items():
        languages[repository][language] = count
    return {name: max(sorted(found), key=lambda one: found[one]) for name, found in languages.items()}


def _counts(examples: Path, columns: Sequence[str]) -> Counter[tuple[str, ...]]:
    """How many files there are for each combination of values of some columns."""
    counts: Counter[tuple[str, ...]] = Counter()
    with _table(examples) as table:
        for number in range(table.num_row_groups):
            for batch in _batches(table, number, columns):
                counts.update(zip(*(batch[name].to_pylist() for name in columns), strict=True))
    return counts


@contextmanager
def _table(examples: Path) -> Iterator[Any]:
    """The file of the examples; raises DatasetError where it cannot be read, and for what is damaged in it."""
    import pyarrow
    import pyarrow.parquet as parquet

    path = examples / "examples.parquet"
    try:
        # By a name alone pyarrow opens none that is not UTF-8.
        with pyarrow.OSFile(os.fsencode(regular(path))) as source, parquet.ParquetFile(source) as table:
            yield table
    except (OSError, ValueError, KeyError, NotImplementedError) as error:  # what pyarrow raises
        raise _unreadable(path) from error


def _unreadable(path: Path) -> DatasetError:
    return DatasetError(f"{path} cannot be read; mine with `mergebert mine ... -o {path.parent}` first.")
