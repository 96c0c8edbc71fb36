"""Where the open parts of a text stand, whatever stands around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.git.line_merge import line_merge
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.worker.messages import EditorText
from mergebert_lsp.worker.reconciled_text import reconciled_text, resolvable
from mergebert_lsp.worker.repository import Versions
from tests.lsp.documents import DIFF3, TWO_WAY
from tests.mergebert.marked_merge import marked_merge

CASES = sorted((Path(__file__).parents[2] / "mergebert" / "text" / "cases_markers").iterdir())

lines = st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n"])
texts = st.lists(lines, max_size=14).map("".join)


def editor_text(text: str) -> EditorText:
    return EditorText(text, None, "a.py")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_conflict_of_every_style_stands_where_it_is_marked(case: Path) -> None:
    text = "x = 1\n" + (case / "text").read_bytes().decode()
    marks = resolvable(text)
    here = reconciled_text(editor_text(text), None, None)
    assert [(place.start, place.text) for place in here.open_parts] == [
        (one.start, text[one.start : one.end]) for one in marks
    ]
    assert [one.conflict for place in here.open_parts for one in place.open_conflicts] == [
        one.conflict for one in marks
    ]


@given(base=texts, ours=texts, theirs=texts, style=st.sampled_from(["diff3", "zdiff3"]))
def test_with_gits_own_cut_places_hold_every_conflict_once_and_keep_the_rest(
    base: str, ours: str, theirs: str, style: str
) -> None:
    stages = ThreeWay(base, ours, theirs)
    text = marked_merge(stages.map(str.encode), ("o", "a", "b"), 7, style).decode()
    here = reconciled_text(editor_text(text), Versions(stages, line_merge(stages)), None)

    assert sum(place.count for place in here.open_parts) == len(resolvable(text))
    for place in here.open_parts:
        assert text.startswith(place.text, place.start)
    taken = text
    for place in reversed(here.open_parts):
        found = place.resolved({one.index: one.conflict.sides.theirs for one in place.open_conflicts})
        assert found is not None
        taken = taken[: place.start] + found + taken[place.start + len(place.text) :]
    assert not resolvable(taken)
    everything, _ = here.file.resolved(
        {one.index: one.conflict.sides.theirs for one in here.file.open_conflicts}
    )
    assert taken == everything


def test_what_was_resolved_since_is_an_answer() -> None:
    around = "1\n2\n3\n{}4\n5\n6\n{}7\n8\n9\n"
    before = reconciled_text(editor_text(around.format(TWO_WAY, DIFF3)), None, None)
    after = reconciled_text(editor_text(around.format("b\n", DIFF3)), None, before.file.line_merge)
    again = reconciled_text(editor_text(around.format("b\n", "")), None, after.file.line_merge)

    assert before.file.answers == {}
    assert after.file.answers == {0: "b\n"}
    assert [place.text for place in after.open_parts] == [DIFF3]
    assert again.file.answers == {0: "b\n", 1: ""}
    assert after.file.line_merge == before.file.line_merge  # nothing has to be described again


def test_taking_an_answer_back_opens_the_conflict_again() -> None:
    around = "1\n2\n3\n{}4\n5\n6\n"
    before = reconciled_text(editor_text(around.format(TWO_WAY)), None, None)
    after = reconciled_text(editor_text(around.format("b\n")), None, before.file.line_merge)
    back = reconciled_text(editor_text(around.format(TWO_WAY)), None, after.file.line_merge)
    assert back.file.answers == {}
    assert [place.text for place in back.open_parts] == [TWO_WAY]
