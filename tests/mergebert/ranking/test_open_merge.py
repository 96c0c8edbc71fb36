"""What is offered is what may stand there, and nothing is applied on the strength of another resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.open_merge import OpenMerge
from mergebert.ranking.resolution import RankedConflict, Resolution
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.markers import parse
from mergebert.text.reconcile import reconciled, unreconciled
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import Tier

# In zdiff3 the common last line stands outside the markers: a resolution without it would lose text.
SHOWN = "<<<<<<< a\nours\n||||||| o\nold\n=======\ntheirs\n>>>>>>> b\nsame\n"
WHOLE = "<<<<<<< a\nours\nsame\n||||||| o\nold\n=======\ntheirs\nsame\n>>>>>>> b\n"


@dataclass
class Ranker:
    """Ranks these texts, best first, and accepts the best."""

    texts: Sequence[str]

    def rank(self, files: Sequence[FileMerge], *_: object) -> list[list[RankedConflict]]:
        found = tuple(Resolution(text, "b", "lines", 0.9) for text in self.texts)
        return [[RankedConflict(one, found, Tier.APPLIED) for one in file.merged.conflicts] for file in files]


def offer(text: ConflictedText, *texts: str) -> RankedConflict:
    [found] = OpenMerge([text], Ranker(texts), 0.05).offers({}).values()
    return found


def test_the_next_best_is_not_applied_where_the_best_would_lose_text() -> None:
    text = ConflictedText("a.py", reconciled(parse(SHOWN), parse(WHOLE)))
    found = offer(text, "old\n", "theirs\nsame\n")
    assert [one.text for one in found.resolutions] == ["theirs\nsame\n"]
    assert not found.accepted
    assert offer(text, "theirs\nsame\n", "old\n").accepted


def test_without_a_base_nothing_is_applied() -> None:
    text = ConflictedText("a.py", unreconciled(parse("<<<<<<< a\nours\n=======\ntheirs\n>>>>>>> b\n").parts))
    found = offer(text, "theirs\n")
    assert (len(found.resolutions), found.accepted) == (1, False)


def test_where_nothing_fits_nothing_is_applied() -> None:
    text = ConflictedText("a.py", reconciled(parse(SHOWN), parse(WHOLE)))
    assert offer(text, "old\n").resolutions == ()
    assert not offer(text, "old\n").accepted


def test_markers_of_merged_merge_bases_are_not_offered() -> None:
    """A criss-cross merge has a conflict for its base, with longer markers."""
    inner = "<<<<<<<<< branch 1\na\n=========\nb\n>>>>>>>>> branch 2\n"
    shown = f"<<<<<<< a\nours\n||||||| o\n{inner}=======\ntheirs\n>>>>>>> b\n"
    text = ConflictedText("a.py", unreconciled(parse(shown).parts))
    found = offer(text, "ours\n", inner, inner[inner.index("b\n") :], "=========\nb\n", inner.rstrip())
    assert [one.text for one in found.resolutions] == ["ours\n"]
    assert not found.accepted  # such a base says nothing of what a side has changed


def test_the_underline_of_a_heading_brings_no_markers_of_merge_bases_back() -> None:
    """Old versions of git write inner markers of the same length."""
    inner = "<<<<<<< branch 1\na\n=======\nb\n>>>>>>> branch 2\n"
    ours = "Heading\n=======\n"
    shown = f"<<<<<<< a\n{ours}||||||| o\n{inner}=======\ntheirs\n>>>>>>> b\n"
    [conflict] = parse(shown).conflicts
    assert conflict.sides == ThreeWay(inner, ours, "theirs\n")
    text = ConflictedText("a.rst", unreconciled([conflict]))
    assert [one.text for one in offer(text, inner, ours).resolutions] == [ours]


def test_markers_that_a_side_has_kept_are_content() -> None:
    inner = "<<<<<<<<< a\n=========\n>>>>>>>>> b\n"
    shown = f"<<<<<<< a\n{inner}ours\n||||||| o\n{inner}=======\ntheirs\n>>>>>>> b\n"
    text = ConflictedText("a.md", unreconciled(parse(shown).parts))
    assert offer(text, f"{inner}ours\n").accepted


ONE, TWO = "import one.Message;\n", "import two.Message;\n"


def imports(ours: str, theirs: str, *texts: str) -> RankedConflict:
    shown = f"<<<<<<< a\n{ours}||||||| o\n=======\n{theirs}>>>>>>> b\n"
    return offer(ConflictedText("A.java", unreconciled(parse(shown).parts)), *texts)


def test_a_class_is_never_imported_from_two_packages() -> None:
    found = imports(ONE, TWO, ONE + TWO, TWO + ONE, TWO, ONE)
    assert [one.text for one in found.resolutions] == [TWO, ONE]
    assert not found.accepted


def test_what_a_side_imports_is_offered_whatever_it_is() -> None:
    assert imports(ONE + TWO, "", ONE + TWO).accepted
    assert imports(ONE, "import one.Other;\n", ONE + "import one.Other;\n").accepted
