from __future__ import annotations

from dataclasses import replace

from mergebert.text.languages import by_name
from mergebert.text.markers import Conflict, Markers
from mergebert.text.threeway import ThreeWay
from mergebert_data.dataset.duplicate_index import (
    EXACT,
    NEAR,
    ConflictContent,
    DuplicateIndex,
    conflict_content,
)
from tests.data.mined_rows import Hunk, numbered

PYTHON = by_name("python")
MARKERS = Markers("<<<<<<< ours\n", "||||||| base\n", "=======\n", ">>>>>>> theirs\n")


def content(hunk: Hunk) -> ConflictContent:
    return conflict_content(
        Conflict(ThreeWay(hunk.base, hunk.ours, hunk.theirs), MARKERS), hunk.resolution, PYTHON
    )


def changed(hunk: Hunk, old: str, new: str) -> Hunk:
    """The conflict with a word replaced wherever it stands."""
    sides = (text.replace(old, new) for text in (hunk.base, hunk.ours, hunk.theirs, hunk.resolution or ""))
    return Hunk(*sides)


def test_equal_but_for_white_space_is_exact() -> None:
    hunk = numbered(1)
    with DuplicateIndex(0.85) as seen:
        assert seen.match(content(hunk), 7) is None
        assert seen.match(content(replace(hunk, ours=hunk.ours.replace(" ", "\t"))), 8) == (EXACT, 7)


def test_one_word_of_many_is_near_and_many_words_are_not() -> None:
    hunk = numbered(1, words=100)
    with DuplicateIndex(0.85) as seen:
        seen.match(content(hunk), 0)
        assert seen.match(content(changed(hunk, "word1_50 ", "other ")), 1) == (NEAR, 0)
        assert seen.match(content(numbered(2, words=100)), 2) is None
        few = changed(hunk, "word1_5", "other")  # word1_5 and word1_50 to word1_59
        assert seen.match(content(few), 3) is None
    with DuplicateIndex(0.5) as seen:
        seen.match(content(hunk), 0)
        assert seen.match(content(few), 1) == (NEAR, 0)


def test_the_same_conflict_resolved_otherwise_is_no_duplicate() -> None:
    hunk = numbered(1, words=200)
    with DuplicateIndex(0.85) as seen:
        for number, resolution in enumerate((hunk.ours, "", "    pass\n", None)):
            assert seen.match(content(replace(hunk, resolution=resolution)), number) is None
        twice = replace(hunk, resolution=hunk.ours * 2)
        assert seen.match(content(twice), 9) is None


def test_what_is_kept_can_be_met_again_and_the_first_one_counts() -> None:
    first = numbered(1, words=100)
    second = changed(first, "word1_50 ", "another ")
    third = changed(second, "word1_70 ", "third ")
    with DuplicateIndex(0.9) as seen:
        assert seen.match(content(first), 0) is None
        assert seen.match(content(second), 1, is_kept=True) == (NEAR, 0)
        assert seen.match(content(second), 2) == (EXACT, 1)
        assert seen.match(content(third), 3) == (NEAR, 1)
    with DuplicateIndex(0.9) as seen:
        seen.match(content(first), 0)
        assert seen.match(content(second), 1) == (NEAR, 0)
        assert seen.match(content(third), 2) is None


def test_what_meets_is_found_as_surely_as_promised() -> None:
    pairs = [
        (numbered(n, words=100), changed(numbered(n, words=100), f"word{n}_50 ", "other ")) for n in range(60)
    ]
    with DuplicateIndex(0.85) as seen:
        for number, (one, _) in enumerate(pairs):
            assert seen.match(content(one), number) is None
        found = [seen.match(content(other), 100 + number) for number, (_, other) in enumerate(pairs)]
    assert sum(match == (NEAR, number) for number, match in enumerate(found)) >= 57
    assert set(found) <= {None, *((NEAR, number) for number in range(60))}
