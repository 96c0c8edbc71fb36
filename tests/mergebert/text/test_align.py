from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from mergebert.text.align import Change, Hunk, ThreeWayDiff, three_way_diff
from mergebert.text.threeway import ThreeWay
from tests.mergebert.strategies import SMALL_KEYS, edited_keys, key_triples

KeyLists = ThreeWay[list[str]]
any_keys = key_triples | edited_keys()

MIRRORED = {Change.OURS: Change.THEIRS, Change.THEIRS: Change.OURS}


def mirrored(found: ThreeWayDiff) -> ThreeWayDiff:
    return ThreeWayDiff(
        tuple(Hunk(MIRRORED.get(h.change, h.change), h.ranges.swapped()) for h in found.hunks)
    )


def parts(hunk: Hunk, keys: KeyLists) -> ThreeWay[list[str]]:
    """The keys of each side in a hunk."""
    return ThreeWay(*(side[r.start : r.stop] for side, r in zip(keys, hunk.ranges, strict=True)))


@given(any_keys, st.booleans())
@example(ThreeWay([], ["a"], ["a", "a"]), True)  # alike at both ends, but in one key only
def test_hunks_tile_each_sequence(keys: KeyLists, trims: bool) -> None:
    at = [0, 0, 0]
    for hunk in three_way_diff(keys, trims).hunks:
        for side, part in enumerate(hunk.ranges):
            assert part.start == at[side] <= part.stop and part.step == 1
            at[side] = part.stop
        assert any(hunk.ranges)
    assert at == [len(side) for side in keys]


@given(any_keys, st.booleans())
def test_hunks_say_who_changed_the_base(keys: KeyLists, trims: bool) -> None:
    for hunk in three_way_diff(keys, trims).hunks:
        base, ours, theirs = parts(hunk, keys)
        if hunk.change is Change.NONE:
            assert base == ours == theirs
        elif hunk.change is Change.SAME:
            assert ours == theirs
        elif hunk.change is Change.OURS:
            assert theirs == base != ours
        elif hunk.change is Change.THEIRS:
            assert ours == base != theirs
        else:
            assert ours != theirs


@given(any_keys, st.booleans())
def test_swapping_ours_and_theirs_mirrors(keys: KeyLists, trims: bool) -> None:
    assert three_way_diff(keys.swapped(), trims) == mirrored(three_way_diff(keys, trims))


@given(SMALL_KEYS, SMALL_KEYS, st.booleans())
def test_an_unchanged_side_disputes_nothing(base: list[str], changed: list[str], trims: bool) -> None:
    ours = three_way_diff(ThreeWay(base, changed, base), trims)
    theirs = three_way_diff(ThreeWay(base, base, changed), trims)
    both = three_way_diff(ThreeWay(base, changed, changed), trims)
    assert {hunk.change for hunk in ours.hunks} <= {Change.NONE, Change.OURS}
    assert {hunk.change for hunk in theirs.hunks} <= {Change.NONE, Change.THEIRS}
    assert {hunk.change for hunk in both.hunks} <= {Change.NONE, Change.SAME}


@given(any_keys)
def test_trimmed_hunks_begin_and_end_differently(keys: KeyLists) -> None:
    for hunk in three_way_diff(keys).disputed:
        _, ours, theirs = parts(hunk, keys)
        assert not (ours and theirs) or (ours[0] != theirs[0] and ours[-1] != theirs[-1])


@given(any_keys)
def test_trimming_only_moves_what_both_wrote_alike(keys: KeyLists) -> None:
    whole, trimmed = three_way_diff(keys, False), three_way_diff(keys, True)
    assert len(whole.disputed) == len(trimmed.disputed)
    assert [hunk for hunk in whole.hunks if hunk.change is Change.NONE] == (
        [hunk for hunk in trimmed.hunks if hunk.change is Change.NONE]
    )


def test_two_inserted_list_items_stay_whole_among_tokens() -> None:
    keys = ThreeWay(list("(a)"), list("(a,b)"), list("(a,c)"))
    [whole] = three_way_diff(keys, trims_insertions=False).disputed
    assert parts(whole, keys) == ThreeWay([], [",", "b"], [",", "c"])
    [trimmed] = three_way_diff(keys).disputed
    assert parts(trimmed, keys) == ThreeWay([], ["b"], ["c"])


def test_independent_changes_are_told_apart() -> None:
    keys = ThreeWay(list("abcdefg"), list("aXcdefg"), list("abcdYfg"))
    changes = [hunk.change for hunk in three_way_diff(keys).hunks]
    assert changes == [Change.NONE, Change.OURS, Change.NONE, Change.THEIRS, Change.NONE]
    assert three_way_diff(keys).disputed == ()


def test_empty_sequences_have_no_hunks() -> None:
    assert three_way_diff(ThreeWay([], [], [])).hunks == ()
