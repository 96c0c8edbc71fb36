"""The choices that the worker adds to those of the markers say the same, but for the final newline and for the base."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mergebert.git.line_merge import line_merge
from mergebert.ranking.open_merge import OpenMerge
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.document_state import DocumentState
from mergebert_lsp.worker.messages import EditorText
from mergebert_lsp.worker.reconciled_text import reconciled_text
from mergebert_lsp.worker.repository import Versions
from mergebert_lsp.worker.suggestions import suggested
from tests.mergebert.fake_resolver import FakeResolver
from tests.mergebert.marked_merge import marked_merge

lines = st.lists(st.sampled_from("abcd"), max_size=8).map(lambda found: "".join(f"{one}\n" for one in found))
texts = st.tuples(lines, st.booleans()).map(lambda one: one[0].removesuffix("\n") if one[1] else one[0])


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@given(versions=st.builds(ThreeWay, texts, texts, texts))
@example(
    ThreeWay("b\nf\ng\n", "f\nf\ng\nc\nd\n", "c\nf\nb\nc\nd\n")
)  # git's markers join two conflicts at the end
def test_both_sides_are_what_the_markers_show(style: str, versions: ThreeWay[str]) -> None:
    shown = marked_merge(versions.map(str.encode), ("o", "a", "b"), 7, style).decode()
    here = reconciled_text(EditorText(shown, None, "a.py"), Versions(versions, line_merge(versions)), None)
    offers = OpenMerge([here.file], FakeResolver(), 0.05).offers({})
    found = suggested(here, {index: offer for (_, index), offer in offers.items()}, 3)
    for one in DocumentState("file:///a.py", 1, shown, "utf-16", found, here.facts).conflicts:
        before, behind = shown[: one.marked.start], shown[one.marked.end :]
        for choice in ("ours", "theirs", "both", "both-swapped"):
            edit = one.edit(choice)
            assert edit is not None
            taken = shown[: edit.start] + edit.text + shown[edit.end :]
            wanted = before + CHOICES[choice].text(one.marked.conflict.sides) + behind
            assert taken.removesuffix("\n") == wanted.removesuffix("\n")
