from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from mergebert.text.history import UNKNOWN_HISTORY
from mergebert_data.dataset.flat_rows import SCHEMA, RowMetadata, conflict_id, flat_rows
from mergebert_data.dataset.repositories import RepositoryFacts
from tests.data.mined_rows import AFTER, BEFORE, Hunk, file_of, numbered, with_flags

METADATA = RowMetadata({"a/a": "test"}, {"a/a": RepositoryFacts("root", "MIT")}, 3)


def flat(metadata: RowMetadata = METADATA) -> list[dict[str, Any]]:
    doubted = replace(numbered(2), proof=("aligned", "candidate"), dissent=("unique",))
    file = file_of("a/a", [numbered(1), doubted, Hunk("", "", "x\n", None)])
    return list(flat_rows(with_flags(file, "generated").to_json(), metadata))


def test_every_conflict_is_a_row_with_its_texts_labels_and_provenance() -> None:
    rows = flat()
    assert [row["index"] for row in rows] == [0, 1, 2]
    hunk = numbered(1)
    first = rows[0]
    assert (first["base"], first["ours"], first["theirs"]) == (hunk.base, hunk.ours, hunk.theirs)
    assert first["resolution"] == hunk.resolution
    assert [row["grade"] for row in rows] == ["a", "d", ""]
    assert rows[1]["dissent"] == ("unique",)
    assert rows[2]["resolution"] is None
    assert {row["licence"] for row in rows} == {"MIT"}
    assert {row["split"] for row in rows} == {"test"}
    assert (first["ours_branch"], first["ours_change_by_merger"], first["theirs_change_time"]) == (
        "main",
        True,
        None,
    )
    assert first["flags"] == ("generated",)
    assert (first["ours_superseded"], first["theirs_superseded"]) == (-1, 3)


def test_rows_have_the_columns_of_the_schema() -> None:
    rows = flat()
    assert all(set(row) == set(SCHEMA.names) for row in rows)
    assert pa.Table.from_pylist(rows, SCHEMA).num_rows == 3


def test_context_is_the_agreed_lines_next_to_the_conflict() -> None:
    lines = AFTER.split("\n")
    first, second, last = flat()
    assert first["context_before"] == "\n\ndef main(arguments):\n"
    assert first["context_after"] == "    return 0\n\n\n"
    assert second["context_before"] == "\n".join(lines[-4:])
    assert last["context_after"] == "    return 0\n\n\n"
    whole = flat(replace(METADATA, context_lines=50))
    assert (whole[0]["context_before"], whole[0]["context_after"]) == (BEFORE, AFTER)
    none = flat(replace(METADATA, context_lines=0))
    assert {(row["context_before"], row["context_after"]) for row in none} == {("", "")}


def test_a_repository_nobody_knows_is_training_of_unknown_licence() -> None:
    (row, *_) = flat(RowMetadata())
    assert (row["split"], row["licence"]) == ("train", "unknown")


def test_identity_tells_conflicts_apart_and_stays() -> None:
    row = file_of("a/a", [numbered(1)]).to_json()
    other = file_of("a/a", [numbered(1)], merge=2).to_json()
    assert len({conflict_id(row, 0), conflict_id(row, 1), conflict_id(other, 0)}) == 3
    assert conflict_id(row, 0) == conflict_id(file_of("a/a", [numbered(7)]).to_json(), 0)


def test_what_a_shallow_clone_does_not_tell_is_empty() -> None:
    row = replace(file_of("a/b", [numbered(1), numbered(2)]), history=UNKNOWN_HISTORY).to_json()
    found = list(flat_rows(row, RowMetadata()))
    assert [(one["index"], one["ours_superseded"], one["theirs_superseded"]) for one in found] == [
        (0, None, None),
        (1, None, None),
    ]


def test_a_file_without_conflicts_has_no_rows() -> None:
    assert list(flat_rows(file_of("a/a", []).to_json(), METADATA)) == []
