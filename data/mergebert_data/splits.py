"""Train, development and test: by repository, never by example, and forks together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

SPLITS = ("train", "development", "test")
SHARES = (0.7, 0.15, 0.15)


@dataclass(frozen=True, slots=True)
class Member:
    """What decides where a repository goes: its family (its forks have the same), main language and hunks."""

    family: str
    language: str
    hunks: int


def split_of(family: str, seed: int = 0) -> str:
    """The split of a family of forks, by chance alone: for a repository that no table of splits names."""
    drawn = _draw(family, seed) / 2**64
    return SPLITS[0] if drawn < SHARES[0] else SPLITS[1] if drawn < SHARES[0] + SHARES[1] else SPLITS[2]


def assigned(repositories: Mapping[str, Member], seed: int = 0) -> dict[str, str]:
    """The split of every repository: families shuffled by seed, each language dealt out in the shares above.

    A language of three families or more stands in all three splits.
    """
    families: dict[str, list[Member]] = defaultdict(list)
    for name in sorted(repositories):
        families[repositories[name].family].append(repositories[name])
    by_language: dict[str, list[str]] = defaultdict(list)
    for family, members in families.items():
        by_language[max(members, key=lambda member: (member.hunks, member.language)).language].append(family)
    dealt: dict[str, str] = {}
    for language in sorted(by_language):
        dealt |= _dealt(sorted(by_language[language], key=lambda family: _draw(family, seed)))
    return {name: dealt[repositories[name].family] for name in sorted(repositories)}


def _dealt(families: list[str]) -> dict[str, str]:
    """Test and development get their share of the shuffled families, at least one each of three or more."""
    count = len(families)
    held = max(1, round(count * SHARES[2])) if count >= len(SPLITS) else 0
    split = ["test"] * held + ["development"] * held + ["train"] * (count - 2 * held)
    return dict(zip(families, split, strict=True))


def _draw(family: str, seed: int) -> int:
    return int.from_bytes(blake2b(f"{seed} {family}".encode(), digest_size=8).digest(), "big")
