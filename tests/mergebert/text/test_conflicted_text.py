"""Resolutions put into what git shows in any style leave the rest of it alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mergebert.text.conflicted_text import ConflictedText, with_final_newline
from mergebert.text.file_parts import OpenPart
from mergebert.text.markers import MergedFile, parse
from mergebert.text.reconcile import reconciled
from mergebert.text.threeway import ThreeWay
from tests.e2e.driver_program import line_merge as git_line_merge
from tests.mergebert.marked_merge import marked_merge

LABELS = ("base", "ours", "theirs")
# Lines with and without letters: git joins neighbouring conflicts over lines that hold none.
LINES = st.lists(st.sampled_from(["a", "b", "c", "x", "}", ""]), max_size=14)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))
STYLES = st.sampled_from(["", "zdiff3", "diff3"])


def shown(versions: ThreeWay[str], style: str) -> str:
    """What git puts into the work tree in this style."""
    return marked_merge(versions.map(str.encode), LABELS, 7, style).decode()


def conflicted(versions: ThreeWay[str], style: str) -> ConflictedText:
    whole = parse(shown(versions, "diff3"), 7)
    return ConflictedText("a.txt", reconciled(parse(shown(versions, style), 7), whole), versions)


@settings(max_examples=80, deadline=None)
@given(TEXTS, TEXTS, TEXTS, STYLES)
@example("a\na\nb\na\na", "b\n", "a\nb\na", "")
def test_nothing_resolved_changes_nothing(base: str, ours: str, theirs: str, style: str) -> None:
    versions = ThreeWay(base, ours, theirs)
    assert conflicted(versions, style).resolved({}) == (shown(versions, style), frozenset())


@settings(max_examples=80, deadline=None)
@given(TEXTS, TEXTS, TEXTS, STYLES, st.sets(st.integers(0, 5)))
def test_what_is_not_resolved_stays(base: str, ours: str, theirs: str, style: str, chosen: set[int]) -> None:
    versions = ThreeWay(base, ours, theirs)
    text = conflicted(versions, style)
    texts = {one.index: one.conflict.sides.theirs for one in text.open_conflicts if one.index in chosen}
    written, applied = text.resolved(texts)
    assert applied <= set(texts)
    before, after = parse(shown(versions, style), 7), parse(written, 7)
    assert after.side("theirs").removesuffix("\n") == before.side("theirs").removesuffix("\n")
    if style or not texts:
        assert set(after.conflicts) <= set(before.conflicts)
    if len(texts) == len(text.open_conflicts):
        assert (after.conflicts, applied) == ((), frozenset(texts))


def test_joined_conflicts_come_apart_when_one_is_resolved() -> None:
    text = conflicted(ThreeWay("one\n}\ntwo\n", "a\n}\nb\n", "x\n}\ny\n"), "")
    assert len(text.open_conflicts) == 2
    left = "<<<<<<< ours\nb\n=======\ny\n>>>>>>> theirs\n"
    assert text.resolved({0: "x\n"}) == (f"x\n}}\n{left}", {0})
    assert text.resolved({0: "x\n", 1: "b\n"}) == ("x\n}\nb\n", {0, 1})


def test_one_conflict_with_its_base_is_two_in_the_default_style() -> None:
    middle = "".join(f"same {number}\n" for number in range(5))
    versions = ThreeWay("one\ntwo\n", f"a\n{middle}b\n", f"x\n{middle}y\n")
    assert len(parse(shown(versions, "")).conflicts) == 2
    text = conflicted(versions, "")
    assert len(text.open_conflicts) == 1
    assert text.resolved({0: versions.theirs}) == (versions.theirs, {0})


def test_a_resolution_may_not_lose_what_stands_outside_the_markers() -> None:
    versions = ThreeWay("one\n", "a\nsame\n", "x\nsame\n")
    text = conflicted(versions, "zdiff3")
    assert text.resolved({0: "one\n"}) == (shown(versions, "zdiff3"), frozenset())
    assert text.resolved({0: "a\nx\nsame\n"}) == ("a\nx\nsame\n", {0})


def test_one_line_is_not_both_that_stand_around_the_markers() -> None:
    versions = ThreeWay("one\n", "same\na\nsame\n", "same\nx\nsame\n")
    text = conflicted(versions, "zdiff3")
    assert text.resolved({0: "same\n"}) == (shown(versions, "zdiff3"), frozenset())
    assert text.resolved({0: "same\nsame\n"}) == ("same\nsame\n", {0})


@pytest.mark.parametrize("is_swapped", [False, True])
def test_both_sides_may_not_repeat_what_stands_around_the_markers(is_swapped: bool) -> None:
    versions = ThreeWay("one\n", "same\na\nsame\n", "same\nx\nsame\n")
    [one] = conflicted(versions, "zdiff3").open_conflicts
    _, first, second = versions.swapped() if is_swapped else versions
    assert one.repeats(first + second)
    assert not one.repeats(one.both(is_swapped))


def test_a_line_that_stands_on_both_ends_is_not_taken_for_two() -> None:
    [conflict] = parse(shown(ThreeWay("one\n", "same\n", "same\nx\nsame\n"), "diff3")).conflicts
    part = OpenPart(str(conflict), (conflict,), ("same\n", "same\n"))
    assert part.both(0) == "same\nsame\nx\nsame\n"


def test_the_line_merge_of_another_merge_is_not_put_in() -> None:
    work_tree = shown(ThreeWay("a\n", "b\n", "c\n"), "")
    other = parse(shown(ThreeWay("a\n", "b\n", "d\n"), "diff3"))
    text = ConflictedText("a.txt", reconciled(parse(work_tree), other))
    [one] = text.open_conflicts
    assert (one.conflict.sides, one.conflict.has_base) == (ThreeWay("", "b\n", "c\n"), False)
    assert text.line_merge == MergedFile((one.conflict,))


@pytest.mark.parametrize(
    ("text", "stages", "wanted"),
    [
        ("ours\n", ThreeWay("b\n", "ours", "theirs\n"), "ours"),
        ("theirs\n", ThreeWay("b\n", "ours", "theirs\n"), "theirs\n"),
        ("both\n", ThreeWay("b\n", "ours", "theirs\n"), "both"),
        ("both\n", ThreeWay("b", "ours", "theirs\n"), "both\n"),
        ("both\r\n", ThreeWay("b", "ours", "theirs"), "both"),
        ("both\n", ThreeWay("", "ours\n", "theirs\n"), "both\n"),
        ("", ThreeWay("b", "ours", "theirs"), ""),
    ],
)
def test_the_final_newline_is_merged(text: str, stages: ThreeWay[str], wanted: str) -> None:
    sides = ThreeWay("b\n", "ours\n", "theirs\n")
    assert with_final_newline(text, sides, stages) == wanted


@pytest.mark.parametrize(
    ("stages", "wanted"),
    [
        (ThreeWay("same", "same\n", "other"), "same\n"),
        (ThreeWay("same\n", "same", "other\n"), "same"),
        (ThreeWay("same", "other", "same\n"), "same\n"),
        (ThreeWay("same\n", "other\n", "same"), "same"),
    ],
)
def test_a_side_that_differs_from_the_base_in_its_end_alone_gives_the_end(
    stages: ThreeWay[str], wanted: str
) -> None:
    sides = stages.map(lambda text: text.removesuffix("\n") + "\n")
    assert with_final_newline("same\n", sides, stages) == wanted


def test_the_oracle_and_the_line_merge_agree(tmp_path: Path) -> None:
    versions = (b"a\nb\n", b"a\nB\n", b"a\nX\n")
    assert marked_merge(ThreeWay(*versions), LABELS, 7) == git_line_merge(versions, tmp_path, "--diff3")[1]
