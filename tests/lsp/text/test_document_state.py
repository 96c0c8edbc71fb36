from __future__ import annotations

import pytest

from mergebert.text.markers import MOST_CONFLICTS
from mergebert.text.threeway import ThreeWay
from tests.lsp.documents import DIFF3, TWO_WAY, applied, document, suggested, suggested_in


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("ours", "a\n"),
        ("theirs", "b\n"),
        ("both", "a\nb\n"),
        ("both-swapped", "b\na\n"),
        ("none", ""),
        ("base", TWO_WAY),
        ("1", TWO_WAY),
        ("0", TWO_WAY),
        ("²", TWO_WAY),
        ("mine", TWO_WAY),
        ("", TWO_WAY),
    ],
)
def test_the_markers_alone_tell_the_sides(choice: str, wanted: str) -> None:
    assert applied(document(f"x\n{TWO_WAY}y\n"), (1, choice)) == f"x\n{wanted}y\n"


def test_the_base_is_taken_where_it_is_known() -> None:
    assert applied(document(DIFF3), (1, "base")) == "o\n"
    known = suggested(TWO_WAY, choices={"base": "o\n"}, sides=ThreeWay("o\n", "a\n", "b\n"))
    [shown] = document(TWO_WAY, [known]).conflicts
    assert applied(document(TWO_WAY, [known]), (1, "base")) == "o\n"
    assert shown.knows_base
    assert shown.sides.base == "o\n"


@pytest.mark.parametrize("size", [7, 9])
def test_a_base_that_is_a_conflict_itself_is_no_choice(size: int) -> None:
    inner = f"{'<' * size} branch 1\no\n{'=' * size}\np\n{'>' * size} branch 2\n"
    nested = document(DIFF3.replace("o\n", inner, 1))
    assert applied(nested, (1, "base")) == nested.text
    assert not nested.conflicts[0].knows_base
    known = suggested(TWO_WAY, sides=ThreeWay(inner, "a\n", "b\n"))
    assert not document(TWO_WAY, [known]).conflicts[0].knows_base


def test_a_base_with_markers_that_a_side_has_kept_is_a_choice() -> None:
    inner = "<<<<<<<<< LEFT\no\n=========\np\n>>>>>>>>> RIGHT\n"
    kept = document(DIFF3.replace("a\n||", f"{inner}||").replace("base\no\n", f"base\n{inner}o\n"))
    assert kept.conflicts[0].knows_base
    assert applied(kept, (1, "base")) == f"{inner}o\n"


def test_suggestions_replace_the_conflict() -> None:
    known = suggested(TWO_WAY, ("b2\n", 0.9), ("b3\n", 0.1))
    assert applied(document(f"x\n{TWO_WAY}y\n", [known]), (1, "2")) == "x\nb3\ny\n"
    assert document(TWO_WAY, [known]).conflicts[0].edit("3") is None


def test_an_answer_outlives_edits_elsewhere() -> None:
    known = suggested(TWO_WAY, ("c\n", 0.9))
    before = document(TWO_WAY + DIFF3, [known])
    after = document("new\n" + TWO_WAY + DIFF3.replace("o\n", "p\n"), suggested_in(before))
    assert after.conflicts[0].suggestions == known.suggestions
    assert after.conflicts[0].id == before.conflicts[0].id
    assert applied(after, (1, "1")).startswith("new\nc\n")


def test_an_answer_to_a_conflict_that_was_edited_is_dropped() -> None:
    after = document(TWO_WAY.replace("a\n", "A\n"), [suggested(TWO_WAY, ("c\n", 0.9))])
    assert after.conflicts[0].suggestions == ()
    assert suggested_in(after) == ()


def test_equal_conflicts_have_their_own_names_and_answers_in_order() -> None:
    both = [suggested(TWO_WAY, ("1\n", 0.9)), suggested(TWO_WAY, ("2\n", 0.9))]
    twice = document(TWO_WAY * 2, both)
    assert applied(twice, (1, "1"), (2, "1")) == "1\n2\n"
    first, second = twice.conflicts
    assert twice.find(second.id) is second
    assert twice.find(first.id) is first
    assert twice.find(2) is second
    assert twice.find("nothing") is None


def test_conflicts_that_git_made_of_one_are_resolved_together() -> None:
    known = suggested(f"{TWO_WAY}x\n{DIFF3}", ("all\n", 0.9), is_sure=True)
    both = document(f"y\n{TWO_WAY}x\n{DIFF3}z\n", [known])
    first, second = both.conflicts
    assert first.edit("1") == second.edit("1")
    assert applied(both, (2, "1")) == "y\nall\nz\n"
    assert applied(both, (2, "ours")) == f"y\n{TWO_WAY}x\na\na\nz\n"
    assert (first.is_first, second.is_first) == (True, False)
    assert suggested_in(both) == (known,)


def test_a_conflict_of_three_sides_is_shown_and_not_resolved() -> None:
    text = "<<<<<<< conflict 1 of 1\n+++++++ a\na\n------- o\no\n+++++++ b\nb\n------- p\np\n+++++++ c\nc\n>>>>>>> end\n"
    [shown] = document(text).conflicts
    assert shown.marked.conflict.sides_count == 3
    assert shown.edit("ours") is None


def test_what_an_edit_has_torn_is_no_conflict() -> None:
    torn = document(TWO_WAY.replace(">>>>>>> feature\n", ""))
    assert torn.has_conflicts
    assert torn.conflicts == ()
    assert len(torn.torn) == 1


def test_a_binary_text_holds_no_conflicts() -> None:
    assert not document("\0" + TWO_WAY).has_conflicts


def test_conflicts_are_found_by_where_they_stand() -> None:
    one = document(f"x\n{TWO_WAY}y\n{TWO_WAY}")
    first, second = one.conflicts
    assert one.at(0, 0) == ()
    assert one.at(first.marked.start, first.marked.start) == (first,)
    assert one.at(first.marked.end, first.marked.end) == ()
    assert one.at(0, len(one.text)) == (first, second)


def test_of_countless_conflicts_none_is_shown() -> None:
    assert len(document(TWO_WAY * 50).conflicts) == 50
    assert document(TWO_WAY * (MOST_CONFLICTS + 2)).conflicts == ()
