from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.equivalence import Level
from mergebert.tiers import Tier
from mergebert.training.evaluation.whole_files import FileOutcome, WholeOutcome, merges_of, whole_figures

APPLIED = FileOutcome("own/a", "m", Tier.APPLIED, Level.BYTES)
DRAFT, SUGGESTED = replace(APPLIED, tier=Tier.DRAFT), replace(APPLIED, tier=Tier.SUGGESTED)
files = st.builds(
    FileOutcome,
    st.sampled_from(["own/a", "own/b", "own/c", "own/d"]),
    st.sampled_from(["m", "n"]),
    st.sampled_from(Tier),
    st.none() | st.sampled_from(Level),
)


def values(outcomes: list[FileOutcome], level: Level = Level.CODE) -> dict[str, float | None]:
    return {name: one.value for name, one in whole_figures(outcomes, level=level).items()}


def test_what_is_left_to_do_and_what_is_right_of_the_rest() -> None:
    wrong = replace(APPLIED, level=None)
    found = values([APPLIED, wrong, DRAFT, SUGGESTED])
    assert found == {
        "best": 0.75,
        "applied": 0.5,
        "applied, right": 0.5,
        "with drafts": 0.75,
        "with drafts, right": pytest.approx(2 / 3),
    }
    assert whole_figures([]) == {}


def test_a_file_is_right_at_its_level_and_looser_ones() -> None:
    file = replace(APPLIED, level=Level.CODE)
    assert [values([file], level)["best"] for level in Level] == [0.0, 0.0, 1.0, 1.0]


def test_a_merge_is_done_when_its_least_sure_file_is() -> None:
    two = [replace(one, conflicted_files=2) for one in (APPLIED, replace(DRAFT, level=Level.CODE))]
    assert merges_of(two) == [WholeOutcome("own/a", "m", Tier.DRAFT, Level.CODE)]
    [merge] = merges_of([two[0], replace(two[1], level=None, is_cleaned=False)])
    assert (merge.level, merge.is_cleaned) == (None, False)


def test_a_merge_with_files_that_were_not_measured_has_something_left() -> None:
    [merge] = merges_of([replace(APPLIED, conflicted_files=2)])
    assert (merge.tier, merge.level) == (Tier.SUGGESTED, None)


def test_merges_of_other_repositories_are_others() -> None:
    assert len(merges_of([APPLIED, replace(APPLIED, repository="own/b")])) == 2


@given(st.lists(files, min_size=1, max_size=20))
def test_shares_lie_in_their_intervals(outcomes: list[FileOutcome]) -> None:
    for one in (outcomes, merges_of(outcomes)):
        for name, figure in whole_figures(one, resamples=50).items():
            assert figure.value is None or 0.0 <= figure.value <= 1.0, name
            if figure.low is not None and figure.high is not None:
                assert figure.low <= figure.high
