"""What the miner left in its folder, as training and evaluation read it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from mergebert.errors import DatasetError
from mergebert.example import CONFLICT, FileExample, example_from_json
from mergebert.regular_files import regular
from mergebert.strict_json import json_in

TRAIN, DEVELOPMENT, TEST = "train", "development", "test"


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
) -> Iterator[tuple[str, list[FileExample]]]:
    """The mined examples of one kind of each wanted repository, one repository in memory at a time."""
    table = _table(examples)
    rows = (row for number in range(table.num_row_groups) for row in _rows(table, number, wanted, kind))
    for repository, group in groupby(rows, key=lambda row: str(row["repository"])):
        yield repository, [example_from_json(row) for row in group]


def _rows(table: Any, number: int, wanted: Collection[str], kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a row group that are wanted; texts are read only where there are some."""
    if "kind" not in table.schema_arrow.names:
        raise DatasetError("These examples do not say of which kind they are; mine again with this version.")
    places = table.read_row_group(number, columns=["repository", "kind"]).to_pylist()
    keep = [at for at, row in enumerate(places) if row["repository"] in wanted and row["kind"] == kind]
    if keep:
        yield from table.read_row_group(number).take(keep).to_pylist()


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
    grouped = _table(examples).read(columns).group_by(columns).aggregate([([], "count_all")])
    return Counter({tuple(row[name] for name in columns): row["count_all"] for row in grouped.to_pylist()})


def _table(examples: Path) -> Any:
    import pyarrow
    import pyarrow.parquet as parquet

    path = examples / "examples.parquet"
    try:
        # By a name alone pyarrow opens none that is not UTF-8.
        return parquet.ParquetFile(pyarrow.OSFile(os.fsencode(regular(path))))
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise _unreadable(path) from error


def _unreadable(path: Path) -> DatasetError:
    return DatasetError(f"{path} cannot be read; mine with `mergebert mine ... -o {path.parent}` first.")
