"""Splits by family: repositories that have a history or files in common stay in one split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pyarrow.compute as pc

from mergebert_data.dataset.repositories import read_facts
from mergebert_data.dataset.splits import assigned, linked, members_of
from mergebert_data.dataset.store import batches

SMALLEST_BLOB = 200  # bytes; an empty `__init__` and one line that re-exports another stand everywhere
# A few equal files may be copied samples. Among the 88 unrelated repositories of data/README.md no two share one.
MOST_SHARED = 5


def assigned_by_family(
    out: Path, counts: Mapping[str, Mapping[str, int]], seed: int = 0, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The split of each repository of a mined folder, given the counts of each; forks and repositories that share files
    get the same one, and those that `kept` names stay where they were."""
    families = {name: facts.family for name, facts in read_facts(out).items()}
    return assigned(linked(members_of(counts, families), sharing(out)), seed, kept)


def sharing(examples: Path) -> list[tuple[str, str]]:
    """The pairs of repositories that have more than a few of the same files, whatever their first commits are.

    Files count where both sides changed them, by the blob of their base; small, generated and vendored ones do not.
    """
    holders: dict[str, set[str]] = defaultdict(set)
    for batch in batches(examples, 256, ("repository", "flags", "blobs.base", "stages.base")):
        sizes = pc.binary_length(batch["stages"].field("base")).to_pylist()
        blobs = batch["blobs"].field("base").to_pylist()
        rows = zip(batch["repository"].to_pylist(), batch["flags"].to_pylist(), blobs, sizes, strict=True)
        for repository, flags, blob, size in rows:
            if size >= SMALLEST_BLOB and not flags:
                holders[blob].add(repository)
    shared = Counter(pair for names in holders.values() for pair in combinations(sorted(names), 2))
    return sorted(pair for pair, count in shared.items() if count > MOST_SHARED)
