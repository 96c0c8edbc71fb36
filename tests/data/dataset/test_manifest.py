"""A dataset without texts and back: mined, written as a manifest, rebuilt from the repositories, the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.errors import DatasetError
from mergebert_data.dataset.manifest import MANIFEST_SCHEMA, read_manifest, write_manifest
from mergebert_data.dataset.splits import read_splits
from mergebert_data.dataset.store import read_rows
from mergebert_data.history.repository import open_repository
from mergebert_data.locate.resolution_spans import resolution_spans
from mergebert_data.mine import rebuild
from mergebert_data.mine.join import joined
from mergebert_data.mine.merge_block import mine_block
from mergebert_data.mine.plan import MiningSettings, planned
from mergebert_data.mine.rebuild import CONFLICTS_DIFFER, MISSING, NOT_GIVEN, rebuilt
from tests.conftest import Repository
from tests.data.mined_rows import Hunk, file_of, mined_folder, numbered

PARTS = [
    f"def part{n}():\n    first = {n}\n    second = {n}\n    return first + second\n\n\n" for n in range(8)
]


def text_of(**changed: str) -> str:
    """A file of eight functions, some with another first line in it: part3="x = 1"."""
    return "".join(
        part.replace(f"first = {n}", changed.get(f"part{n}", f"first = {n}")) for n, part in enumerate(PARTS)
    )


def resolved(repository: Repository, other: str, files: dict[str, str]) -> str:
    repository.run("merge", "--quiet", "--no-ff", "--no-commit", other)
    return repository.commit("merge", files)


@pytest.fixture
def repositories(make_repository: Callable[..., Repository]) -> dict[str, Repository]:
    """Two repositories: one of several kinds of conflicts, one of a criss-cross merge."""
    kinds = make_repository("owner+kinds")
    names = ("plain.py", "carriage.py", "bom.py", "ends.py", "lost.py")
    versions = [text_of(), text_of(part2="mine", part5="mine"), text_of(part2="yours", part5="yours")]

    def files(text: str) -> dict[str, str]:
        forms = (text, text.replace("\n", "\r\n"), "\ufeff" + text, text.rstrip("\n"), text)
        return dict(zip(names, forms, strict=True))

    kinds.diverge(*map(files, versions))
    merged = files(text_of(part2="mine and yours", part5="mine")) | {"lost.py": "nothing = 'of it'\n"}
    resolved(kinds, "theirs", merged)

    crossed = make_repository("owner+crossed")
    crossed.diverge({"a.py": text_of()}, {"a.py": text_of(part1="a")}, {"a.py": text_of(part6="b")})
    crossed.git("branch", "ours")
    resolved(crossed, "theirs", {"a.py": text_of(part1="a", part6="b", part4="ours")})
    crossed.git("checkout", "--quiet", "theirs")
    resolved(crossed, "ours", {"a.py": text_of(part1="a", part6="b", part4="theirs")})
    crossed.git("checkout", "--quiet", "main")
    resolved(crossed, "theirs", {"a.py": text_of(part1="a", part6="b", part4="both")})
    # What merging left behind, in the index too; other clones never had it.
    crossed.git("read-tree", "HEAD")
    crossed.git("prune", "--expire=now")
    return {"owner/kinds": kinds, "owner/crossed": crossed}


@pytest.fixture
def mined(repositories: dict[str, Repository], tmp_path: Path) -> Path:
    out = tmp_path / "mined"
    settings = MiningSettings(out)
    plan = planned([repository.path for repository in repositories.values()], settings)
    assert [mine_block(block).failure for block in plan.blocks] == [None, None]
    joined(plan, settings)
    return out


def rebuilt_from(
    manifest: Path, repositories: dict[str, Repository], out: Path, jobs: int = 1
) -> dict[str, int]:
    sources = {name: open_repository(repository.path) for name, repository in repositories.items()}
    return dict(rebuilt(manifest, sources, out, jobs, lambda _: None))


@pytest.mark.parametrize("name", ["manifest.parquet", "manifest.jsonl"])
def test_mined_written_and_rebuilt_is_the_same(
    mined: Path, repositories: dict[str, Repository], tmp_path: Path, name: str
) -> None:
    rows = list(read_rows(mined))
    assert {row["path"] for row in rows} >= {
        "plain.py",
        "carriage.py",
        "bom.py",
        "ends.py",
        "lost.py",
        "a.py",
    }
    assert {one["resolution"] is None for row in rows for one in row["conflicts"]} == {True, False}
    assert write_manifest(mined, tmp_path / name, read_splits(mined), lambda _: None) == len(rows)
    counts = rebuilt_from(tmp_path / name, repositories, tmp_path / "rebuilt", jobs=2)
    assert counts == {"rows": len(rows)}
    assert list(read_rows(tmp_path / "rebuilt")) == rows
    for kept in ("splits.json", "examples.parquet"):
        assert (tmp_path / "rebuilt" / kept).exists()
    assert read_splits(tmp_path / "rebuilt") == read_splits(mined)
    assert not (tmp_path / "rebuilt" / "scratch").exists()


def test_the_base_of_a_criss_cross_merge_stands_nowhere_and_is_made_again(
    mined: Path, repositories: dict[str, Repository], tmp_path: Path
) -> None:
    rows = [row for row in read_rows(mined) if row["repository"] == "owner/crossed"]
    crossed = repositories["owner/crossed"]
    made = [row for row in rows if crossed.run("cat-file", "-e", row["blobs"]["base"]).returncode]
    assert made
    manifest = tmp_path / "manifest.parquet"
    write_manifest(mined, manifest, {}, lambda _: None)
    rebuilt_from(manifest, {"owner/crossed": crossed}, tmp_path / "rebuilt")
    assert list(read_rows(tmp_path / "rebuilt")) == rows
    assert crossed.run("cat-file", "-e", made[0]["blobs"]["base"]).returncode


def test_a_manifest_holds_no_text(mined: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    write_manifest(mined, manifest, read_splits(mined), lambda _: None)
    written = manifest.read_text(encoding="utf-8")
    for word in ("first =", "return", "mine and yours", "def part"):
        assert word not in written
    rows = list(read_manifest(manifest))
    labels = [one for row in rows if row["path"] == "plain.py" for one in row["conflicts"]]
    # The second line of the third function of six lines; the fifth is resolved to ours.
    assert [(one["first_line"], one["lines"]) for one in labels] == [(14, 1), (32, 1)]
    assert {one["grade"] for one in labels} <= {"a", "b"}
    assert {row["split"] for row in rows} <= {"train", "development", "test"}


def test_what_is_missing_is_counted_with_its_reason(
    mined: Path, repositories: dict[str, Repository], tmp_path: Path
) -> None:
    total = len(list(read_rows(mined)))
    rows_of_kinds = sum(row["repository"] == "owner/kinds" for row in read_rows(mined))
    manifest = tmp_path / "manifest.jsonl"
    write_manifest(mined, manifest, {}, lambda _: None)
    kinds = {"owner/kinds": repositories["owner/kinds"]}
    counts = rebuilt_from(manifest, kinds, tmp_path / "one")
    assert counts == {"rows": rows_of_kinds, NOT_GIVEN: total - rows_of_kinds}
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").split("\n") if line]
    of_kinds = [row for row in lines if row["repository"] == "owner/kinds"]
    of_kinds[0]["blobs"]["ours"] = "0" * 40
    of_kinds[1]["conflicted_sha256"] = "0" * 64
    of_kinds[2]["merged_blob"] = "1" * 40
    manifest.write_text("".join(json.dumps(row) + "\n" for row in of_kinds), encoding="utf-8")
    counts = rebuilt_from(manifest, kinds, tmp_path / "two")
    assert counts == {"rows": rows_of_kinds - 3, MISSING: 2, CONFLICTS_DIFFER: 1}


def test_rows_come_in_their_order_whatever_the_pieces(
    mined: Path, repositories: dict[str, Repository], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "_PIECE", 1)
    write_manifest(mined, tmp_path / "manifest.parquet", {}, lambda _: None)
    rebuilt_from(tmp_path / "manifest.parquet", repositories, tmp_path / "rebuilt", jobs=2)
    assert list(read_rows(tmp_path / "rebuilt")) == list(read_rows(mined))


def test_a_file_that_is_no_manifest_says_so(tmp_path: Path) -> None:
    out = mined_folder(tmp_path / "out", [file_of("a/a", [numbered(1)])])
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"repository": "a/a"}\n', encoding="utf-8")
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"repository": \n', encoding="utf-8")
    for path in (out / "examples.parquet", lines, torn, tmp_path / "nowhere.parquet"):
        with pytest.raises(DatasetError, match="mergebert dataset manifest"):
            list(read_manifest(path))


def test_the_columns_are_those_of_examples_without_texts(tmp_path: Path) -> None:
    out = mined_folder(tmp_path / "out", [file_of("a/a", [numbered(1)]), file_of("a/a", [])])
    write_manifest(out, tmp_path / "manifest.parquet", {}, lambda _: None)
    assert pq.read_schema(tmp_path / "manifest.parquet").equals(MANIFEST_SCHEMA)
    assert not {"stages", "conflicted", "merged"} & set(MANIFEST_SCHEMA.names)


LINES = st.lists(st.sampled_from(["a\n", "b\n", "}\n", "\n"]), max_size=4).map("".join)
HUNKS = st.lists(st.tuples(LINES, LINES, LINES, st.one_of(st.none(), LINES)), min_size=1, max_size=4)


@given(HUNKS)
def test_the_lines_named_are_the_text_of_the_resolution(
    hunks: list[tuple[str, str, str, str | None]],
) -> None:
    file = file_of("a/a", [Hunk(*hunk) for hunk in hunks])
    spans = resolution_spans(file.conflicted, file.merged, [hunk[3] for hunk in hunks])
    lines = file.merged.split("\n")
    for span, hunk in zip(spans, hunks, strict=True):
        if hunk[3] is None:
            assert span is None
            continue
        assert span is not None
        assert "".join(f"{line}\n" for line in lines[slice(*span)]) == hunk[3]


def test_equal_resolutions_are_named_in_their_order() -> None:
    same = [Hunk("x\n", f"{n}\n", "y\n", "    return 1\n") for n in range(4)]
    file = file_of("a/a", same)
    spans = resolution_spans(file.conflicted, file.merged, ["    return 1\n"] * 4)
    assert spans == [(5 + 6 * n, 6 + 6 * n) for n in range(4)]
    empty = file_of("a/a", [Hunk("x\n", f"{n}\n", "y\n", "") for n in range(3)])
    assert resolution_spans(empty.conflicted, empty.merged, ["", "", ""]) == [(5, 5), (10, 10), (15, 15)]


def test_of_equal_places_the_one_between_its_neighbours_is_named() -> None:
    file: Any = file_of("a/a", [Hunk("x\n", "return 0\n", "y\n", "    return 0\n")])
    (span,) = resolution_spans(file.conflicted, file.merged, ["    return 0\n"])
    # The line stands again directly behind the conflict.
    assert span == (5, 6)
    assert file.merged.count("    return 0\n") == 2


def test_a_resolution_that_does_not_stand_there_is_refused() -> None:
    file = file_of("a/a", [numbered(1)])
    with pytest.raises(DatasetError, match="mine it again"):
        resolution_spans(file.conflicted, file.merged, ["elsewhere\n"])
