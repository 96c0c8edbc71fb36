"""Real line merges in every conflict style, with answers of a person in them, told apart by the fresh cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mergebert.git.line_merge import line_merge
from mergebert.text.file_parts import AnsweredPart, OpenPart
from mergebert.text.markers import parse
from mergebert.text.reconcile import reconciled, unreconciled
from mergebert.text.threeway import ThreeWay
from tests.mergebert.marked_merge import marked_merge

BASE = "".join(f"line {number}\n" for number in range(40))


def edited(text: str, **lines: str) -> str:
    """`text` with some lines replaced: l3="x" puts x in the place of line 3."""
    for name, new in lines.items():
        text = text.replace(f"line {name[1:]}\n", new)
    return text


def shown(versions: ThreeWay[str], style: str = "") -> str:
    """What git puts into the work tree."""
    return marked_merge(versions.map(str.encode), ("base", "HEAD", "topic"), 7, style).decode()


def opens(parts) -> list[OpenPart]:
    return [part for part in parts if isinstance(part, OpenPart)]


def answers(parts) -> list[str]:
    return [part.text for part in parts if isinstance(part, AnsweredPart)]


def written(parts) -> str:
    """The file as it stands."""
    return "".join(map(str, parts))


TWO = ThreeWay(
    BASE,
    edited(BASE, l5="same first\nours 5\nsame last\n", l25="ours 25\n"),
    edited(BASE, l5="same first\ntheirs 5\nsame last\n", l25="theirs 25\n"),
)


@pytest.mark.parametrize("style", ["", "diff3", "zdiff3"])
def test_every_style_gets_the_base_of_the_diff3_cut(style: str) -> None:
    text = shown(TWO, style)
    fresh = line_merge(TWO)

    parts = reconciled(parse(text), fresh)

    assert written(parts) == text
    found = opens(parts)
    assert [one.conflicts[0].sides for one in found] == [conflict.sides for conflict in fresh.conflicts]
    assert [one.conflicts[0].has_base for one in found] == [True, True]
    assert [one.conflicts[0].labels.ours for one in found] == ["HEAD", "HEAD"]


def test_lines_git_left_out_of_a_conflict_must_stay() -> None:
    [first, _] = opens(reconciled(parse(shown(TWO)), line_merge(TWO)))

    assert first.agreed == ("same first\n", "same last\n")
    assert first.resolved({0: "same first\nnew\nsame last\n"}) == "same first\nnew\nsame last\n"
    assert first.resolved({0: "line 5\n"}) is None


def test_two_conflicts_that_git_joined_are_resolved_apart() -> None:
    joined = ThreeWay(
        BASE,
        edited(BASE, l5="ours 5\n", l7="ours 7\n"),
        edited(BASE, l5="theirs 5\n", l7="theirs 7\n"),
    )
    text = shown(joined)
    assert text.count("<<<<<<<") == 1
    fresh = line_merge(joined)
    assert len(fresh.conflicts) == 2

    [window] = opens(reconciled(parse(text), fresh))

    assert len(window.conflicts) == 2
    assert window.resolved({0: "A\n", 1: "B\n"}) == "A\nline 6\nB\n"
    half = window.resolved({0: "A\n"})
    assert half == "A\nline 6\n<<<<<<< HEAD\nours 7\n=======\ntheirs 7\n>>>>>>> topic\n"


def test_one_conflict_that_git_split_is_resolved_as_one() -> None:
    inner = "".join(f"inner {number}\n" for number in range(6))
    split = ThreeWay(
        BASE, edited(BASE, l5=f"ours a\n{inner}ours b\n"), edited(BASE, l5=f"theirs a\n{inner}theirs b\n")
    )
    text = shown(split)
    assert text.count("<<<<<<<") == 2
    [window] = opens(reconciled(parse(text), line_merge(split)))

    [conflict] = window.conflicts
    assert conflict.sides.base == "line 5\n"
    assert window.resolved({0: conflict.sides.ours}) == conflict.sides.ours
    assert window.resolved({0: "line 5\n"}) is None


@pytest.mark.parametrize("style", ["", "diff3", "zdiff3"])
@pytest.mark.parametrize(
    "answer", ["mine\n", "", "several\n\nlines of\nmine\n", "same first\nours 5\nsame last\n"]
)
def test_an_answer_is_found_between_unbroken_context(style: str, answer: str) -> None:
    merged = parse(shown(TWO, style))
    before, _, *rest = merged.parts
    around = ("same first\n", "same last\n") if style != "diff3" else ("", "")
    text = str(before).removesuffix(around[0]) + answer
    text += "".join(map(str, rest)).removeprefix(around[1])

    parts = reconciled(parse(text), line_merge(TWO))

    assert written(parts) == text
    assert answers(parts) == [answer]
    assert len(opens(parts)) == 1


def test_an_answer_beside_a_changed_line_is_not_believed() -> None:
    text = shown(TWO, "diff3")
    merged = parse(text)
    parts = list(merged.parts)
    parts[1] = "mine\n"
    text = "".join(map(str, parts)).replace("line 4\n", "line four\n")

    found = reconciled(parse(text), line_merge(TWO))

    assert answers(found) == []
    assert len(opens(found)) == 1
    assert written(found) == text


@pytest.mark.parametrize(
    ("changed", "is_believed"), [(1, True), (2, False), (4, False), (6, False), (8, False), (9, True)]
)
def test_three_unbroken_lines_on_either_side_prove_an_answer(
    changed: int, is_believed: bool, tmp_path: Path
) -> None:
    parts = list(parse(shown(TWO, "diff3")).parts)
    parts[1] = "mine\n"
    text = "".join(map(str, parts)).replace(f"line {changed}\n", "changed by hand\n")

    assert answers(reconciled(parse(text), line_merge(TWO))) == (["mine\n"] if is_believed else [])


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize(
    ("start", "edited_start", "is_believed"),
    [
        ("abc", "abc", True),
        ("abc", "+abc", True),
        ("abc", "bc", False),  # the first of the three lines that prove an answer is gone
        ("ab", "ab", True),
        ("ab", "+ab", False),  # a short context proves something only where it begins the file
        ("a", "a", True),
        ("a", "+a", False),
        ("", "", True),
    ],
)
def test_context_at_an_edge_of_the_file(
    start: str, edited_start: str, is_believed: bool, is_mirrored: bool
) -> None:
    def text(before: str, middle: str) -> str:
        lines = [f"{line}\n" for line in (*before, middle, *"vwxyz")]
        return "".join(reversed(lines) if is_mirrored else lines)

    fresh = line_merge(ThreeWay(text(start, "base"), text(start, "ours"), text(start, "theirs")))

    parts = reconciled(parse(text(edited_start, "mine")), fresh)

    assert answers(parts) == (["mine\n"] if is_believed else [])


def test_equal_conflicts_are_told_apart_by_what_surrounds_them() -> None:
    versions = ThreeWay(
        BASE, edited(BASE, l5="ours\n", l25="ours\n"), edited(BASE, l5="theirs\n", l25="theirs\n")
    )
    first, second = line_merge(versions).conflicts
    merged = parse(shown(versions))
    text = "".join(str(part) if at != 1 else "mine\n" for at, part in enumerate(merged.parts))

    parts = reconciled(parse(text), line_merge(versions))

    assert [part.conflict.sides for part in parts if isinstance(part, AnsweredPart)] == [first.sides]
    assert [one.conflicts[0].sides for one in opens(parts)] == [second.sides]


def test_a_conflict_changed_by_hand_stays_what_its_markers_show() -> None:
    text = shown(TWO).replace("ours 5\n", "ours five\n")

    parts = reconciled(parse(text), line_merge(TWO))

    assert written(parts) == text
    assert [one.conflicts[0].has_base for one in opens(parts)] == [False, True]


def test_markers_that_are_content_are_no_conflict() -> None:
    sample = "<<<<<<< sample\na\n=======\nb\n>>>>>>> sample\n"
    versions = TWO.map(lambda text: text.replace("line 15\n", sample))

    parts = reconciled(parse(shown(versions)), line_merge(versions))

    assert len(opens(parts)) == 2
    assert sample in "".join(part for part in parts if isinstance(part, str))


@pytest.mark.parametrize("style", ["", "diff3", "zdiff3"])
def test_a_file_without_a_final_newline(style: str) -> None:
    versions = ThreeWay("a\nb\nc\n}", "a\nb\nx\n}", "a\nb\ny\n}")
    text = shown(versions, style)

    parts = reconciled(parse(text), line_merge(versions))

    assert written(parts) == text
    [window] = opens(parts)
    assert window.conflicts[0].has_base


def test_without_versions_a_conflict_is_what_its_markers_show() -> None:
    [first, second] = opens(unreconciled(parse(shown(TWO)).parts))

    assert not first.conflicts[0].has_base
    assert second.resolved({0: "mine\n"}) == "mine\n"


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "}\n", "\n"]), max_size=14).map("".join)


@settings(max_examples=60, deadline=None)
@example(base="a\na\na\nb\n", ours="b\nb\na\nb\n", theirs="b\nb\na\nb\nb\na\n", style="")
@given(base=LINES, ours=LINES, theirs=LINES, style=st.sampled_from(["", "diff3", "zdiff3"]))
def test_whatever_git_shows_is_told_apart_without_loss(base: str, ours: str, theirs: str, style: str) -> None:
    versions = ThreeWay(base, ours, theirs)
    text = shown(versions, style)
    fresh = line_merge(versions)

    parts = reconciled(parse(text), fresh)

    assert written(parts) == text
    assert answers(parts) == []
    seen = [conflict.sides for window in opens(parts) for conflict in window.conflicts]
    # Where both sides made the same change only diff3 shows a conflict.
    is_shown = [style == "diff3" or one.sides.ours != one.sides.theirs for one in fresh.conflicts]
    assert seen == [one.sides for one, shows in zip(fresh.conflicts, is_shown, strict=True) if shows]
    for window in opens(parts):
        every = {place: conflict.sides.ours for place, conflict in enumerate(window.conflicts)}
        assert window.resolved(every) is not None


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_answer_is_taken_for_what_it_is_not(data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, 39), min_size=1, max_size=6)))
    versions = ThreeWay(
        BASE,
        edited(BASE, **{f"l{at}": f"ours {at}\n" for at in places}),
        edited(BASE, **{f"l{at}": f"theirs {at}\n" for at in places}),
    )
    style = data.draw(st.sampled_from(["", "diff3", "zdiff3"]))
    fresh = line_merge(versions)
    given_answers: dict[str, str] = {}
    text = ""
    for part in reconciled(parse(shown(versions, style)), fresh):
        if isinstance(part, OpenPart) and len(part.conflicts) == 1 and data.draw(st.booleans()):
            answer = data.draw(
                st.lists(st.sampled_from(["mine\n", "line 7\n", "}\n"]), max_size=3).map("".join)
            )
            given_answers[part.conflicts[0].sides.ours] = answer
            text += answer
        else:
            text += str(part)

    parts = reconciled(parse(text), fresh)

    assert written(parts) == text
    found = {part.conflict.sides.ours: part.text for part in parts if isinstance(part, AnsweredPart)}
    assert found.items() <= given_answers.items()
    still_open = {conflict.sides.ours for window in opens(parts) for conflict in window.conflicts}
    assert still_open == {conflict.sides.ours for conflict in fresh.conflicts} - given_answers.keys()


def test_a_conflict_of_two_equal_sides_is_one_part() -> None:
    merged = parse("<<<<<<< a\n||||||| b\nx\n=======\n>>>>>>> c\n")
    assert [part for part in reconciled(merged, merged) if isinstance(part, OpenPart)] == [
        OpenPart(str(merged.conflicts[0]), merged.conflicts)
    ]


def test_what_both_sides_wrote_alike_is_nobodys_answer() -> None:
    """Only diff3 shows it as a conflict; the other styles show what is written here, merged."""
    work_tree = parse("1\n2\n3\nsame\n4\n5\n6\n")
    whole = parse("1\n2\n3\n<<<<<<< a\nsame\n||||||| b\nx\n=======\nsame\n>>>>>>> c\n4\n5\n6\n")
    assert answers(reconciled(work_tree, whole)) == []
