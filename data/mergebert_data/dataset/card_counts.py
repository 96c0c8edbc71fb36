"""Counts for the card of an export or a whole dataset: per language, split, pattern, grade and licence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mergebert_data.dataset.agreement import NOT_LOCATED, grade_of
from mergebert_data.dataset.flat_rows import RowMetadata
from mergebert_data.dataset.statistics import NO_CANDIDATE
from mergebert_data.dataset.store import read_rows

_READ = ("repository", "language", "conflicts")


@dataclass(slots=True)
class CardCounts:
    """Counts of conflicts, patterns of distinct ones; `add` takes them one at a time."""

    splits: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    patterns: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    grades: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    totals: Counter[str] = field(default_factory=Counter)
    repositories: dict[str, Counter[str]] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    split_of: dict[str, str] = field(default_factory=dict)

    def add(self, language: str, repository: str, conflict: Mapping[str, Any], metadata: RowMetadata) -> None:
        """Counts one conflict, given as plain values with or without its texts."""
        split = self.split_of[repository] = metadata.split(repository)
        self.licences[repository] = metadata.licence(repository)
        is_located = conflict["resolution"] is not None
        self.splits[language][split] += 1
        self.grades[language][grade_of(conflict) or NOT_LOCATED] += 1
        self.repositories.setdefault(repository, Counter())[language] += 1
        self.totals.update(conflicts=1, located=+is_located, duplicates=+conflict["duplicate"])
        if is_located and not conflict["duplicate"]:
            self.patterns[language][(conflict["patterns"] or [NO_CANDIDATE])[0]] += 1

    @property
    def languages(self) -> list[str]:
        """The languages, the one with most conflicts first."""
        return sorted(self.splits, key=lambda name: (-self.splits[name].total(), name))

    def by_licence(self) -> dict[str, Counter[str]]:
        """How many repositories and conflicts stand under each licence, the most first."""
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for name, languages in self.repositories.items():
            counted[self.licences[name]].update(repositories=1, conflicts=languages.total())
        order = sorted(counted, key=lambda name: (-counted[name]["conflicts"], name))
        return {name: counted[name] for name in order}


def card_counts(out: Path, metadata: RowMetadata) -> CardCounts:
    """The counts of all conflicts of a mined folder."""
    figures = CardCounts()
    for row in read_rows(out, _READ):
        for conflict in row["conflicts"]:
            figures.add(row["language"], row["repository"], conflict, metadata)
    return figures
