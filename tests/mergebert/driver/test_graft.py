"""Two cuts of one merge belong together in every style; what is put into one leaves the rest of it alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mergebert.driver.graft import Graft, graft, matches_of, with_final_newline
from mergebert.git.command import merge_of
from mergebert.text.markers import Conflict, MergedFile, parse, render
from mergebert.text.threeway import ThreeWay
from tests.e2e.driver_program import line_merge

LABELS = ("base", "ours", "theirs")
# Lines with and without letters: git joins neighbouring conflicts over lines that hold none.
LINES = st.lists(st.sampled_from(["a", "b", "c", "x", "}", ""]), max_size=14)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))
STYLES = st.sampled_from(["", "zdiff3", "diff3"])


def cuts(versions: ThreeWay[str], style: str) -> tuple[MergedFile, MergedFile]:
    """The merge in `style`, and with the base as the resolver sees it."""
    encoded = versions.map(str.encode)
    shown, cut = (parse(merge_of(encoded, LABELS, 7, one).decode(), 7) for one in (style, "diff3"))
    return shown, cut


def side(merged: MergedFile, name: str) -> str:
    return "".join(getattr(part.sides, name) if isinstance(part, Conflict) else part for part in merged.parts)


@settings(max_examples=80, deadline=None)
@given(TEXTS, TEXTS, TEXTS, STYLES)
@example("a\na\nb\na\na", "b\n", "a\nb\na", "")
def test_all_of_one_cut_is_found_in_the_other(base: str, ours: str, theirs: str, style: str) -> None:
    shown, cut = cuts(ThreeWay(base, ours, theirs), style)
    matches = matches_of(shown, cut)
    assert matches is not None
    for name, merged in (("shown", shown), ("cut", cut)):
        pieces = [piece for match in matches for piece in getattr(match, name)]
        assert "".join(map(str, pieces)) == render(merged)
        assert tuple(piece for piece in pieces if isinstance(piece, Conflict)) == merged.conflicts


@settings(max_examples=80, deadline=None)
@given(TEXTS, TEXTS, TEXTS, STYLES, st.sets(st.integers(0, 5)))
def test_what_is_not_resolved_stays(base: str, ours: str, theirs: str, style: str, chosen: set[int]) -> None:
    versions = ThreeWay(base, ours, theirs)
    shown, cut = cuts(versions, style)
    texts = {
        index: with_final_newline(conflict.sides.theirs, conflict.sides, versions)
        if conflict is cut.parts[-1]
        else conflict.sides.theirs
        for index, conflict in enumerate(cut.conflicts)
        if index in chosen
    }
    grafted = graft(shown, cut, texts)
    assert grafted is not None
    merged = MergedFile(grafted.parts)
    assert set(grafted.resolved) <= set(texts)
    assert side(merged, "theirs").removesuffix("\n") == side(shown, "theirs").removesuffix("\n")
    if style or not texts:
        assert set(merged.conflicts) <= set(shown.conflicts)
    if not texts:
        assert render(merged) == render(shown)
    if len(texts) == len(cut.conflicts):
        assert merged.conflicts == ()
        assert grafted.resolved == tuple(texts)


def test_joined_conflicts_come_apart_when_one_is_resolved() -> None:
    versions = ThreeWay("one\n}\ntwo\n", "a\n}\nb\n", "x\n}\ny\n")
    shown, cut = cuts(versions, "")
    assert (len(shown.conflicts), len(cut.conflicts)) == (1, 2)
    grafted = graft(shown, cut, {0: "x\n"})
    assert grafted is not None
    left = "<<<<<<< ours\nb\n=======\ny\n>>>>>>> theirs\n"
    assert "".join(map(str, grafted.parts)) == f"x\n}}\n{left}"
    assert graft(shown, cut, {0: "x\n", 1: "b\n"}) == Graft(("x\n", "}\n", "b\n"), (0, 1))


def test_one_conflict_with_its_base_is_two_in_the_default_style(tmp_path: Path) -> None:
    middle = "".join(f"same {number}\n" for number in range(5))
    versions = ThreeWay("one\ntwo\n", f"a\n{middle}b\n", f"x\n{middle}y\n")
    shown, cut = cuts(versions, "")
    assert (len(shown.conflicts), len(cut.conflicts)) == (2, 1)
    assert graft(shown, cut, {0: versions.theirs}) == Graft((versions.theirs,), (0,))


def test_a_resolution_may_not_lose_what_stands_outside_the_markers() -> None:
    versions = ThreeWay("one\n", "a\nsame\n", "x\nsame\n")
    shown, cut = cuts(versions, "zdiff3")
    refused = graft(shown, cut, {0: "one\n"})
    assert refused is not None
    assert refused.resolved == ()
    assert "".join(map(str, refused.parts)) == render(shown)
    taken = graft(shown, cut, {0: "a\nx\nsame\n"})
    assert taken is not None
    assert taken.resolved == (0,)


def test_cuts_of_different_merges_are_told_apart() -> None:
    shown, _ = cuts(ThreeWay("a\n", "b\n", "c\n"), "")
    _, cut = cuts(ThreeWay("a\n", "b\n", "d\n"), "")
    assert graft(shown, cut, {0: "d\n"}) is None


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


def test_the_oracle_and_the_cut_agree(tmp_path: Path) -> None:
    versions = (b"a\nb\n", b"a\nB\n", b"a\nX\n")
    assert merge_of(ThreeWay(*versions), LABELS, 7) == line_merge(versions, tmp_path, "--diff3")[1]
