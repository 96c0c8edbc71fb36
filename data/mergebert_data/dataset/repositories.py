"""The family of forks and the licence of each mined repository, kept in OUT/repositories.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from mergebert.errors import DatasetError
from mergebert.strict_json import json_in, json_text, write_json
from mergebert_data.history.licences import UNKNOWN, licence_of
from mergebert_data.history.repository import SourceRepository, open_repository

FACTS_FILE = "repositories.json"


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """The family of a repository (forks have the same; empty where unknown) and its licence."""

    family: str = ""
    licence: str = UNKNOWN


def facts_of(source: SourceRepository) -> RepositoryFacts:
    """The family and licence of a repository on disk."""
    return RepositoryFacts(source.family, licence_of(Path(source.git_dir)))


def facts_on_disk(paths: Iterable[Path]) -> dict[str, RepositoryFacts]:
    """The facts of the repositories at these paths, by name; GitError where one cannot be read."""
    return {source.name: facts_of(source) for source in map(open_repository, paths)}


def read_facts(out: Path) -> dict[str, RepositoryFacts]:
    """The facts that a mined folder keeps, by name of the repository; none where it keeps none."""
    path = out / FACTS_FILE
    if not path.exists():
        return {}
    try:
        found = msgspec.convert(json_in(path), dict[str, dict[str, str]])
        # Half a surrogate pair is no name, and cannot be written.
        json_text(found, ensure_ascii=False).encode("utf-8")
        return {name: RepositoryFacts(**of_one) for name, of_one in found.items()}
    except (OSError, ValueError, TypeError) as error:  # msgspec's own errors are ValueErrors
        raise DatasetError(f"{path} cannot be read ({error}); delete it and give --repositories.") from error


def write_facts(out: Path, facts: Mapping[str, RepositoryFacts]) -> None:
    """Keeps the facts of repositories in a mined folder."""
    write_json(out / FACTS_FILE, {name: asdict(facts[name]) for name in sorted(facts)})
