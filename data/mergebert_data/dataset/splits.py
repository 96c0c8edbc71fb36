"""The splits train, development and test: assigned by repository, never by example, with forks in one split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mergebert.errors import DatasetError
from mergebert.markdown import markdown_table
from mergebert.strict_json import json_in
from mergebert_data.dataset.seeded_draw import draw
from mergebert_data.dataset.statistics import main_language

TRAIN, DEVELOPMENT, TEST = SPLITS = ("train", "development", "test")
SHARES = (0.7, 0.15, 0.15)
SPLITS_FILE = "splits.json"


@dataclass(frozen=True, slots=True)
class Member:
    """What decides the split of a repository: its family (forks have the same one), main language and hunks."""

    family: str
    language: str
    hunks: int


def assigned(
    repositories: Mapping[str, Member], seed: int = 0, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The split of every repository: of each language, families shuffled by seed get splits in the shares above.

    A language of three families or more is in all three splits. A family of which `kept` names a repository keeps its
    split; DatasetError where `kept` names two splits of one.
    """
    families: dict[str, list[str]] = defaultdict(list)
    for name in sorted(repositories):
        families[repositories[name].family].append(name)
    by_language: dict[str, list[str]] = defaultdict(list)
    for family, names in families.items():
        largest = max(
            (repositories[name] for name in names), key=lambda member: (member.hunks, member.language)
        )
        by_language[largest.language].append(family)
    split_of = _kept_families(families, kept or {})
    for language in sorted(by_language):
        shuffled = sorted(by_language[language], key=lambda family: draw(seed, family))
        split_of |= _assigned(shuffled, split_of)
    return {name: split_of[repositories[name].family] for name in sorted(repositories)}


def linked(repositories: Mapping[str, Member], links: Iterable[tuple[str, str]]) -> dict[str, Member]:
    """The repositories, with the families of linked repositories made one."""
    leader = {member.family: member.family for member in repositories.values()}

    def root(family: str) -> str:
        while leader[family] != family:
            family = leader[family] = leader[leader[family]]
        return family

    for pair in links:
        if all(name in repositories for name in pair):
            low, high = sorted(root(repositories[name].family) for name in pair)
            leader[high] = low
    return {name: replace(member, family=root(member.family)) for name, member in repositories.items()}


def members_of(counts: Mapping[str, Mapping[str, int]], families: Mapping[str, str]) -> dict[str, Member]:
    """What decides the split of each repository, given the counts of each; without a family it is one of its own."""
    return {
        name: Member(families.get(name) or name, main_language(of_one), of_one.get("distinct", 0))
        for name, of_one in counts.items()
    }


def assigned_splits(out: Path) -> dict[str, str]:
    """The split of each repository of a mined folder; none where none were assigned."""
    return read_splits(out) if (out / SPLITS_FILE).exists() else {}


def read_splits(path: Path) -> dict[str, str]:
    """The split of each repository in a splits.json, or in the mined folder that holds one."""
    if path.is_dir():
        path = path / SPLITS_FILE
    try:
        found: Any = json_in(path)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path} holds no splits ({error}); run mergebert mine to its end, or mergebert dataset split."
        ) from error
    if not isinstance(found, dict) or not all(split in SPLITS for split in found.values()):
        raise DatasetError(
            f"{path} is no table of splits; it has to name {', '.join(SPLITS)} for each repository."
        )
    return found


def split_table(split_of: Mapping[str, str], counts: Mapping[str, Mapping[str, int]]) -> str:
    """How many repositories and conflicts each split has, and which repositories, as a Markdown table and lists."""
    names = {part: sorted(name for name, of in split_of.items() if of == part) for part in SPLITS}
    rows = [
        (part, f"{len(names[part])}", f"{sum(counts.get(name, {}).get('hunks', 0) for name in names[part])}")
        for part in SPLITS
    ]
    listed = (f"{part}: {', '.join(names[part])}" for part in SPLITS if names[part])
    return "\n\n".join((markdown_table(("split", "repositories", "conflicts"), rows), *listed))


def _kept_families(families: Mapping[str, Sequence[str]], kept: Mapping[str, str]) -> dict[str, str]:
    """The split of each family that has a kept repository."""
    found: dict[str, str] = {}
    for family, names in families.items():
        splits = {name: kept[name] for name in names if name in kept}
        if len(set(splits.values())) > 1:
            listed = ", ".join(f"{name} in {split}" for name, split in splits.items())
            raise DatasetError(
                f"These repositories are forks of one another or share files and were kept apart: {listed}; "
                "put them into one split in the kept file."
            )
        if splits:
            found[family] = next(iter(splits.values()))
    return found


def _assigned(families: Sequence[str], kept: Mapping[str, str]) -> dict[str, str]:
    """Test and development get what they lack of their share of the shuffled families, at least one each of three."""
    count = len(families)
    held = max(1, round(count * SHARES[2])) if count >= len(SPLITS) else 0
    new = [family for family in families if family not in kept]
    taken = [kept[family] for family in families if family in kept]
    split = [name for name in (TEST, DEVELOPMENT) for _ in range(held - taken.count(name))]
    return dict(zip(new, split + [TRAIN] * len(new), strict=False))
