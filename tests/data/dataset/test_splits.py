from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.errors import DatasetError
from mergebert_data.dataset.splits import SPLITS, Member, assigned, linked, members_of, read_splits

MEMBERS = st.builds(Member, st.sampled_from("abcdefgh"), st.sampled_from(["go", "java"]), st.integers(0, 9))
REPOSITORIES = st.dictionaries(st.text("xyz", min_size=1), MEMBERS)


def lonely(languages: list[str]) -> dict[str, Member]:
    """A repository of a family of its own for each language."""
    return {f"owner/{n}": Member(f"root {n}", name, 10) for n, name in enumerate(languages)}


@given(REPOSITORIES, st.integers(0, 5))
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


def test_the_same_repositories_are_dealt_as_they_always_were() -> None:
    found = assigned(lonely(["go"] * 7 + ["java"] * 3 + ["ruby"] * 2))
    held = {"owner/1": "development", "owner/8": "development", "owner/6": "test", "owner/7": "test"}
    assert found == {name: held.get(name, "train") for name in found}


@given(REPOSITORIES, REPOSITORIES, st.integers(0, 5))
def test_what_was_kept_stays_whatever_comes(
    old: dict[str, Member], new: dict[str, Member], seed: int
) -> None:
    kept = assigned(old, seed)
    grown = assigned(new | old, seed + 1, kept)
    assert {name: grown[name] for name in old} == kept
    families = {old[name].family: split for name, split in kept.items()}
    for name, member in new.items():
        if name not in old:
            assert grown[name] == families.get(member.family, grown[name])


def test_new_families_fill_what_their_language_lacks_and_then_train() -> None:
    kept = {"owner/0": "train", "owner/1": "train", "gone/gone": "test"}
    found = assigned(lonely(["go"] * 4), kept=kept)
    assert sorted([found["owner/2"], found["owner/3"]]) == ["development", "test"]
    assert set(found) == {f"owner/{n}" for n in range(4)}
    kept = {"owner/0": "test", "owner/1": "development", "owner/2": "train"}
    assert assigned(lonely(["go"] * 5), kept=kept) == kept | {"owner/3": "train", "owner/4": "train"}
    assert assigned(lonely(["go"] * 2)) == {"owner/0": "train", "owner/1": "train"}


def test_forks_kept_apart_are_named() -> None:
    forks = {name: Member("root", "go", 1) for name in ("a/original", "b/fork", "c/fork")}
    with pytest.raises(DatasetError, match="a/original in train, b/fork in test; put them into one split"):
        assigned(forks, kept={"a/original": "train", "b/fork": "test"})


@given(REPOSITORIES, st.lists(st.tuples(st.text("xyz", min_size=1), st.text("xyz", min_size=1))))
def test_linked_repositories_are_one_family(
    repositories: dict[str, Member], links: list[tuple[str, str]]
) -> None:
    found = linked(repositories, links)
    assert found.keys() == repositories.keys()
    for one, other in links:
        if one in found and other in found:
            assert found[one].family == found[other].family
    for one, member in repositories.items():
        for other, another in repositories.items():
            assert member.family != another.family or found[one].family == found[other].family
    if not links:
        assert found == repositories


def test_members_of_what_was_counted() -> None:
    counts = {"a/a": {"in go": 2, "in java": 3, "distinct": 4}, "b/b": {"in go": 1}}
    assert members_of(counts, {"a/a": "root"}) == {
        "a/a": Member("root", "java", 4),
        "b/b": Member("b/b", "go", 0),
    }


def test_splits_are_read_from_a_file_or_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    with pytest.raises(DatasetError, match="mergebert dataset split"):
        read_splits(tmp_path)
    path.write_text(json.dumps({"a/a": "train"}), encoding="utf-8")
    assert read_splits(tmp_path) == read_splits(path) == {"a/a": "train"}
    for wrong in ({"a/a": "holdout"}, ["a/a"]):
        path.write_text(json.dumps(wrong), encoding="utf-8")
        with pytest.raises(DatasetError, match="train, development, test"):
            read_splits(path)
