"""Nested shares of the training repositories, for learning curves: a smaller share is part of every larger one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from math import ceil
from pathlib import Path

from mergebert.errors import DatasetError


def drawn(languages: Mapping[str, str], share: float, seed: int) -> list[str]:
    """The repositories of a share: of each main language this share of its families (at least one), in an order drawn
    by hash, so that shares are nested and alike in languages. Forks keep their name, and a family stays together."""
    families: dict[str, set[str]] = defaultdict(set)
    for name, language in sorted(languages.items()):
        home = next((one for one, members in families.items() if _family(name) in members), language)
        families[home].add(_family(name))
    chosen = {
        family
        for members in families.values()
        for family in sorted(members, key=lambda one: _lot(one, seed))[: ceil(share * len(members))]
    }
    return sorted(name for name in languages if _family(name) in chosen)


@cache
def main_languages(examples: Path) -> Mapping[str, str]:
    """The language of most files of each mined repository."""
    import pyarrow.parquet as parquet

    path = examples / "examples.parquet"
    try:
        table = parquet.read_table(path, columns=["repository", "language"])
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read; mine with `mergebert mine ... -o {examples}` first."
        ) from error
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in table.group_by(["repository", "language"]).aggregate([([], "count_all")]).to_pylist():
        counts[row["repository"]][row["language"]] = row["count_all"]
    return {name: max(sorted(found), key=lambda one: found[one]) for name, found in counts.items()}


def _family(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _lot(family: str, seed: int) -> bytes:
    return sha256(f"{seed} {family}".encode()).digest()
