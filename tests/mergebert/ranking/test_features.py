from __future__ import annotations

from math import inf, isfinite, isnan, log1p

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.evidence import FileEvidence, FileMerge
from mergebert.ranking.features import (
    RELATIVE,
    Bag,
    Values,
    candidate_features,
)
from mergebert.ranking.history_features import CONTEXT_FEATURES, HISTORY_FEATURES
from mergebert.ranking.model_input import model_inputs
from mergebert.text.candidates import ConflictDiff, candidates
from mergebert.text.history import MergeContext
from mergebert.text.markers import Conflict, MergedFile, render, resolved
from mergebert.text.threeway import ThreeWay
from tests.mergebert.strategies import conflict_of, merged_files

PATHS = st.sampled_from(["a.py", "src/test/Main.java", "notes.txt", "x/y/z.go", ".gitignore"])
CONTEXT = MergeContext(1000, 90_400, 0, 86_400, 3, 1, True, False)


def stages_of(merged: MergedFile) -> ThreeWay[str]:
    """The whole versions of a file in which all agreed text is the same."""

    def version(side: str) -> str:
        texts = {at: getattr(conflict.sides, side) for at, conflict in enumerate(merged.conflicts)}
        return render(resolved(merged, texts))

    return ThreeWay(version("base"), version("ours"), version("theirs"))


def rows_of(evidence: FileEvidence, index: int = 0) -> list[Values]:
    diff = ConflictDiff(evidence.conflicts[index], evidence.language)
    return candidate_features(evidence, index, diff, candidates(diff.conflict, evidence.language, diff))


def by_origin(
    conflict: Conflict, path: str = "a.java", parts: tuple[str, str] = ("", "")
) -> dict[str, Values]:
    """The features of each candidate of a conflict by the name of its first way: `lines ours`, `tokens clean` ..."""
    before, after = parts
    merged = MergedFile(tuple(part for part in (before, conflict, after) if part))
    evidence = FileEvidence(FileMerge(path, merged))
    diff = ConflictDiff(conflict, evidence.language)
    options = candidates(conflict, evidence.language, diff)
    rows = candidate_features(evidence, 0, diff, options)
    return {
        f"{origin.method} {origin.name}": row
        for option, row in zip(options, rows, strict=False)
        for origin in option.origins
    }


@given(merged_files(), PATHS, st.booleans())
def test_every_row_has_the_same_names_and_sound_values(
    merged: MergedFile, path: str, has_stages: bool
) -> None:
    evidence = FileEvidence(FileMerge(path, merged, stages_of(merged) if has_stages else None))
    for index in range(len(merged.conflicts)):
        rows = rows_of(evidence, index)
        assert {tuple(sorted(row)) for row in rows[:-1]} == {tuple(sorted(rows[0]))}
        assert rows[-1].keys() < rows[0].keys()
        for row in rows:
            assert all(isfinite(value) or isnan(value) for value in row.values())


@given(merged_files(), PATHS)
def test_names_do_not_depend_on_what_is_known(merged: MergedFile, path: str) -> None:
    bare, whole = (FileEvidence(FileMerge(path, merged, stages)) for stages in (None, stages_of(merged)))
    assert rows_of(bare)[0].keys() == rows_of(whole)[0].keys()
    assert (rows_of(bare)[0]["has_stages"], rows_of(whole)[0]["has_stages"]) == (0.0, 1.0)


@given(merged_files())
def test_the_last_row_stands_for_none_of_these(merged: MergedFile) -> None:
    rows = rows_of(FileEvidence(FileMerge("a.java", merged)))
    assert [row["is none"] for row in rows] == [0.0] * (len(rows) - 1) + [1.0]
    assert all(str(rows[0][name]) == str(value) for name, value in rows[-1].items() if name != "is none")
    assert rows[-1]["candidates"] == len(rows) - 1


@given(merged_files())
def test_shares_and_comparisons_stay_in_bounds(merged: MergedFile) -> None:
    rows = rows_of(FileEvidence(FileMerge("a.java", merged)))[:-1]
    for row in rows:
        for name in ("like_ours", "like_theirs", "like_base", "keeps_added", "drops_removed", "brought_used"):
            assert isnan(row[name]) or 0.0 <= row[name] <= 1.0
        for name in RELATIVE:
            assert isnan(row[f"{name} to best"]) or row[f"{name} to best"] <= 0.0
    for name in RELATIVE:
        known = [row[f"{name} to best"] for row in rows if not isnan(row[name])]
        assert not known or max(known) == 0.0


@given(merged_files())
def test_a_side_is_like_itself(merged: MergedFile) -> None:
    conflict = merged.conflicts[0]
    rows = by_origin(conflict)
    assert rows["lines ours"]["like_ours"] == 1.0
    assert rows["lines theirs"]["like_theirs"] == 1.0
    assert rows["lines base"]["like_base"] == 1.0


@given(merged_files())
def test_swapping_the_sides_swaps_their_features(merged: MergedFile) -> None:
    conflict = merged.conflicts[0]
    here, there = by_origin(conflict), by_origin(Conflict(conflict.sides.swapped(), conflict.markers))
    for way, other in (
        ("lines ours", "lines theirs"),
        ("lines theirs", "lines ours"),
        ("lines base", "lines base"),
    ):
        for name in (
            "like_{}",
            "keeps_added_{}",
            "keeps_removed_{}",
            "tokens_to_{}",
            "{}_tokens",
            "{}_added",
        ):
            for side, mirror in (("ours", "theirs"), ("theirs", "ours")):
                assert here[way][name.format(side)] == pytest.approx(
                    there[other][name.format(mirror)], nan_ok=True
                )


def test_what_a_candidate_keeps_and_drops() -> None:
    rows = by_origin(conflict_of("f(a);\n", "f(a, b);\n", "g(a);\n"))
    merge = rows["tokens clean"]
    assert (merge["keeps_added"], merge["drops_removed"]) == (1.0, 1.0)
    assert (merge["keeps_added_ours"], merge["keeps_added_theirs"]) == (1.0, 1.0)
    assert (rows["lines ours"]["keeps_added_ours"], rows["lines ours"]["keeps_added_theirs"]) == (1.0, 0.0)
    assert rows["lines ours"]["drops_removed"] == 0.0
    assert merge["keeps_added to best"] == 0.0 > rows["lines base"]["keeps_added to best"]
    assert isnan(rows["lines ours"]["keeps_removed_ours"])  # ours removed nothing


@pytest.mark.parametrize(("opening", "closing"), ["()", "{}", "[]"])
def test_brackets_are_balanced_against_each_version(opening: str, closing: str) -> None:
    base, ours, theirs = (f"{opening} a {closing}\n", f"{opening} b\n", f"{opening} c {closing}\n")
    rows = by_origin(conflict_of(base, ours, theirs))
    assert rows["lines ours"]["balance_to_base"] == 1.0
    assert rows["lines theirs"]["balance_to_base"] == 0.0


def test_lines_said_again_are_seen() -> None:
    rows = by_origin(
        conflict_of("", "log(one);\nend();\n", "log(one);\n"), parts=("log(two);\n", "end();\nlog(two);\n")
    )
    assert rows["lines ours+theirs"]["repeated_lines"] == pytest.approx(log1p(1))
    assert rows["lines ours"]["repeated_lines"] == 0.0
    assert (rows["lines ours"]["repeats_after"], rows["lines theirs"]["repeats_after"]) == (1.0, 0.0)
    assert rows["lines ours"]["repeats_before"] == 0.0
    assert (rows["lines ours"]["lines_elsewhere"], rows["lines theirs"]["lines_elsewhere"]) == (0.5, 0.0)


def test_a_renaming_elsewhere_is_evidence() -> None:
    conflict = conflict_of("old(1);\n", "old(2);\n", "fresh(1);\n")
    merged = MergedFile(("fresh(3);\n", conflict))
    stages = ThreeWay("old(3);\nold(1);\n", "old(3);\nold(2);\n", "fresh(3);\nfresh(1);\n")
    evidence = FileEvidence(FileMerge("a.java", merged, stages))
    ours, theirs = rows_of(evidence)[:2]
    assert (ours["holds_taken_by_theirs"], theirs["holds_taken_by_theirs"]) == (pytest.approx(log1p(1)), 0.0)
    assert (theirs["brought_in_theirs"], theirs["brought_used"]) == (1.0, 1.0)
    assert (theirs["theirs_new_in_theirs"], theirs["theirs_gone_in_theirs"]) == (1.0, 1.0)


@pytest.mark.parametrize(("words", "is_a_bag"), [(1900, False), (2100, True)])
def test_texts_of_together_more_than_4000_tokens_are_compared_as_bags(words: int, is_a_bag: bool) -> None:
    text = " ".join(f"word{at}" for at in range(words)) + "\n"
    other = " ".join(f"word{at}" for at in reversed(range(words))) + "\n"
    rows = by_origin(conflict_of("", text, other))
    assert (rows["lines ours"]["like_theirs"] == 1.0) == is_a_bag


@pytest.mark.parametrize(
    "line",
    [
        "import a",
        "from a import b",
        "using a;",
        "#include <a>",
        "use a;",
        "require 'a'",
        "package a;",
        "export { a };",
    ],
)
def test_lines_that_name_other_files_are_counted(line: str) -> None:
    rows = by_origin(conflict_of("", f"{line}\n", "x = 1\n"))
    assert rows["lines ours"]["import_lines"] == 0.5


@pytest.mark.parametrize(
    ("path", "is_test"), [("src/test/A.java", 1.0), ("A.Spec.ts", 1.0), ("src/Main.java", 0.0)]
)
def test_the_path_tells_a_test(path: str, is_test: float) -> None:
    rows = by_origin(conflict_of("", "a\n", "b\n"), path)
    assert rows["lines ours"]["is_test"] == is_test


def test_a_bag_counts_tokens_and_lines() -> None:
    bag = Bag("ab  c\n\n ab ab\n", ["ab", "c", "ab", "ab"])
    assert (bag.size, bag.counts["ab"], bag.words, bag.lines) == (4, 3, {"ab"}, ["ab  c", "ab ab"])


@given(merged_files(), PATHS)
def test_a_described_file_has_all_that_is_known_of_each_conflict(merged: MergedFile, path: str) -> None:
    evidence = FileEvidence(FileMerge(path, merged, stages_of(merged), CONTEXT))
    found = model_inputs(evidence, lambda token: (9,))
    assert [one.conflict for one in found] == list(merged.conflicts)
    for one in found:
        assert len(one.features) == len(one.options) + 1
        assert all({*CONTEXT_FEATURES, *HISTORY_FEATURES} <= row.keys() for row in one.features)
        assert len({option.text for option in one.options}) == len(one.options) > 0
        assert not any(value in (inf, -inf) for row in one.features for value in row.values())


def test_nothing_is_known_of_what_is_not_there() -> None:
    rows = by_origin(conflict_of("", "", "x\n"))
    assert isnan(rows["lines theirs"]["keeps_added_ours"])
    assert isnan(rows["empty clean"]["lines_elsewhere"])
    assert rows["empty clean"]["tokens"] == 0.0
