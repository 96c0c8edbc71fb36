from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mergebert_data.splits import SPLITS, Member, assigned, split_of

MEMBERS = st.builds(Member, st.sampled_from("abcdefgh"), st.sampled_from(["go", "java"]), st.integers(0, 9))


@given(st.dictionaries(st.text("xyz", min_size=1), MEMBERS), st.integers(0, 5))
def test_forks_stay_together_and_nothing_is_lost(repositories: dict[str, Member], seed: int) -> None:
    found = assigned(repositories, seed)
    assert set(found) == set(repositories)
    for name, member in repositories.items():
        assert found[name] in SPLITS
        assert all(
            found[other] == found[name] for other, one in repositories.items() if one.family == member.family
        )
    assert assigned(dict(reversed(repositories.items())), seed) == found


def test_each_language_stands_in_every_split() -> None:
    languages = ["go"] * 20 + ["java"] * 3
    repositories = {f"o/{at}": Member(f"family {at}", name, 1) for at, name in enumerate(languages)}
    found = assigned(repositories)
    for language in ("go", "java"):
        assert {found[name] for name, member in repositories.items() if member.language == language} == set(
            SPLITS
        )
    assert list(found.values()).count("train") == 15
    assert found != assigned(repositories, seed=1)


def test_a_lone_family_has_a_split_of_its_own() -> None:
    drawn = [split_of(f"family {at}") for at in range(1000)]
    assert 600 < drawn.count("train") < 800
    assert drawn.count("test") > 100 < drawn.count("development")
    assert drawn == [split_of(f"family {at}") for at in range(1000)]
