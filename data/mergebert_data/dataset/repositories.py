"""What is known of each mined repository beside its examples: its family of forks and its licence.

OUT/repositories.json holds it; what it does not hold is asked of the repositories themselves.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import pyarrow.compute as pc

from mergebert.errors import DatasetError
from mergebert_data.dataset.splits import assigned, linked, members_of
from mergebert_data.dataset.store import batches, opened, write_json
from mergebert_data.history.licences import UNKNOWN, licence_of
from mergebert_data.history.repository import SourceRepository, open_repository

FILE = "repositories.json"
SMALLEST_BLOB = 200  # bytes; an empty `__init__` and one line that re-exports another stand everywhere
# A few equal files may be copied samples. Among the 88 unrelated repositories of data/README.md no two share one.
MOST_SHARED = 5


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """The family of a repository (forks have the same; empty where unknown) and its licence."""

    family: str = ""
    licence: str = UNKNOWN


def facts_of(source: SourceRepository) -> RepositoryFacts:
    """What a repository on disk says of itself."""
    return RepositoryFacts(source.family, licence_of(Path(source.git_dir)))


def asked(paths: Iterable[Path]) -> dict[str, RepositoryFacts]:
    """What the repositories at these paths say of themselves, by name; GitError where one cannot be read."""
    return {source.name: facts_of(source) for source in map(open_repository, paths)}


def read_facts(out: Path) -> dict[str, RepositoryFacts]:
    """What a mined folder knows of its repositories; nothing where it was never recorded."""
    path = out / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: RepositoryFacts(**of_one) for name, of_one in found.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); delete it and give --repositories.") from error


def write_facts(out: Path, facts: Mapping[str, RepositoryFacts]) -> None:
    """Records what is known of the repositories of a mined folder."""
    write_json(out / FILE, {name: asdict(facts[name]) for name in sorted(facts)})


def dealt(
    out: Path, counts: Mapping[str, Mapping[str, int]], seed: int = 0, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The split of each repository of a mined folder, given what was counted of each; forks and repositories that share
    files stay together, and those that `kept` names stay where they were."""
    families = {name: facts.family for name, facts in read_facts(out).items()}
    return assigned(linked(members_of(counts, families), sharing(out)), seed, kept)


def sharing(examples: Path) -> list[tuple[str, str]]:
    """The pairs of repositories that have more than a few of the same files, whatever their first commits say.

    Files count where both sides changed them, by the blob of their base; small, generated and vendored ones do not.
    """
    holders: dict[bytes, set[str]] = defaultdict(set)
    with opened(examples) as file:
        for batch in batches(file, 256, ("repository", "flags", "blobs.base", "stages.base")):
            sizes = pc.binary_length(batch["stages"].field("base")).to_pylist()
            blobs = batch["blobs"].field("base").to_pylist()
            rows = zip(batch["repository"].to_pylist(), batch["flags"].to_pylist(), blobs, sizes, strict=True)
            for repository, flags, blob, size in rows:
                if size >= SMALLEST_BLOB and not flags:
                    holders[bytes.fromhex(blob)].add(repository)
    shared = Counter(pair for names in holders.values() for pair in combinations(sorted(names), 2))
    return sorted(pair for pair, count in shared.items() if count > MOST_SHARED)
