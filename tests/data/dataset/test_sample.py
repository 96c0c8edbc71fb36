from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mergebert.errors import InputError
from mergebert_data.dataset.flat_rows import RowMetadata, flat_rows
from mergebert_data.dataset.sample import SampleOptions, sampled, shown
from tests.data.mined_rows import Hunk, file_of, mined_folder, numbered

METADATA = RowMetadata({"a/a": "train", "b/b": "test"}, {}, 2)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Twenty Python conflicts, and of Go one of grade a, one of grade d and one not located."""
    theirs = replace(
        numbered(30), patterns=("lines: theirs",), proof=("aligned", "unique"), dissent=("candidate",)
    )
    files = [file_of("a/a", [numbered(n), numbered(n + 10)], f"src/f{n}.py", merge=n) for n in range(10)]
    files.append(file_of("b/b", [numbered(40), theirs, Hunk("", "a\n", "b\n", None)], "f.go", "go"))
    return mined_folder(tmp_path / "out", files, group=3)


def test_strata_have_equal_shares_however_large_they_are(out: Path) -> None:
    drawn = sampled(out, SampleOptions(4), METADATA)
    assert Counter((row["language"], row["grade"]) for row in drawn) == Counter(
        [("python", "a"), ("go", "a"), ("go", "d"), ("go", "")]
    )
    drawn = sampled(out, SampleOptions(10, by=("language",)), METADATA)
    assert Counter(row["language"] for row in drawn) == {"go": 3, "python": 7}


def test_a_sample_is_the_same_for_a_seed_and_another_for_another(out: Path, tmp_path: Path) -> None:
    wish = SampleOptions(5, by=("language",))
    first = [row["id"] for row in sampled(out, wish, METADATA)]
    assert [row["id"] for row in sampled(out, wish, METADATA)] == first
    assert [row["id"] for row in sampled(out, replace(wish, seed=1), METADATA)] != first
    assert len(set(first)) == 5


def test_only_what_is_wanted_is_drawn(out: Path) -> None:
    (row,) = sampled(out, SampleOptions(10, only={"language": "go", "grade": "d"}), METADATA)
    assert row["patterns"] == ["lines: theirs"]
    assert {
        row["repository"] for row in sampled(out, SampleOptions(2, only={"split": "test"}), METADATA)
    } == {"b/b"}
    (row,) = sampled(out, SampleOptions(10, only={"pattern": "none"}), METADATA)
    assert row["resolution"] is None
    with pytest.raises(InputError, match="no conflict of language rust"):
        sampled(out, SampleOptions(only={"language": "rust"}), METADATA)


def test_all_are_drawn_where_there_are_no_more(out: Path) -> None:
    assert len(sampled(out, SampleOptions(100), METADATA)) == 23


def test_a_conflict_is_shown_with_its_sides_and_its_resolution(out: Path) -> None:
    (row,) = sampled(out, SampleOptions(1, only={"grade": "d"}), METADATA)
    text = shown(row, is_coloured=False)
    hunk = numbered(30)
    assert "go, test, grade d (aligned+unique, not candidate); lines: theirs" in text
    for mark, side in (("+", hunk.ours), ("-", hunk.base), ("+", hunk.theirs), ("=", hunk.resolution or "")):
        assert f"{mark} {side}".rstrip() in text
    assert "\x1b" not in text
    assert "\x1b[31m- " in shown(row, is_coloured=True)


def test_hostile_and_long_texts_are_made_harmless() -> None:
    long = "x\n" * 100
    hunk = Hunk("", "\x1b[2J\n", long, None)
    (row,) = flat_rows(file_of("a/a", [hunk]).to_json(), METADATA)
    text = shown(row, is_coloured=False)
    assert "\\x1b[2J" in text
    assert "(60 more lines)" in text
    assert "(not located)" in text
