"""Nested subsets of the training repositories, for learning curves: a smaller one is part of every larger one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from math import ceil


def subset(languages: Mapping[str, str], share: float, seed: int) -> list[str]:
    """A share of the repositories of each main language, whole families of forks and at least one.

    A family has one name behind the owner; families are drawn in an order of hashes, so that subsets are nested.
    """
    families: dict[str, set[str]] = defaultdict(set)
    for name, language in sorted(languages.items()):
        home = next((one for one, members in families.items() if _family(name) in members), language)
        families[home].add(_family(name))
    chosen = {
        family
        for members in families.values()
        for family in sorted(members, key=lambda one: _draw_order(one, seed))[: ceil(share * len(members))]
    }
    return sorted(name for name in languages if _family(name) in chosen)


def _family(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _draw_order(family: str, seed: int) -> bytes:
    return sha256(f"{seed} {family}".encode()).digest()
