from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.threeway import ThreeWay

few = st.integers(0, 2)
triples = st.builds(ThreeWay, few, few, few)


@given(few, few)
def test_an_unchanged_side_gives_way(base: int, changed: int) -> None:
    assert ThreeWay(base, base, changed).trivial() == changed
    assert ThreeWay(base, changed, base).trivial() == changed
    assert ThreeWay(base, changed, changed).trivial() == changed


@given(triples)
def test_nothing_is_trivial_when_both_changed_differently(versions: ThreeWay[int]) -> None:
    assert (versions.trivial() is None) == (
        len({*versions}) == 3
        or (versions.ours != versions.theirs and versions.base not in (versions.ours, versions.theirs))
    )


@given(triples)
def test_swapping_mirrors(versions: ThreeWay[int]) -> None:
    assert versions.swapped() == ThreeWay(versions.base, versions.theirs, versions.ours)
    assert versions.swapped().swapped() == versions
    assert versions.swapped().trivial() == versions.trivial()


@given(triples)
def test_mapping_keeps_places(versions: ThreeWay[int]) -> None:
    assert list(versions.map(str)) == [str(versions.base), str(versions.ours), str(versions.theirs)]
    assert versions.map(lambda value: value) == versions
    assert versions.swapped().map(str) == versions.map(str).swapped()


def test_an_empty_version_is_a_version() -> None:
    assert ThreeWay("a", "a", "").trivial() == ""
    assert ThreeWay("a", "", "a").trivial() == ""


def test_versions_cannot_be_changed_by_accident() -> None:
    versions = ThreeWay(1, 2, 3)
    with pytest.raises(FrozenInstanceError):
        versions.ours = 4
