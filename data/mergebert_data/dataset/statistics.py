"""Statistics of mined rows: per language, pattern, grade and repository, and what was left out and why.

`python -m mergebert_data.dataset.statistics OUT` prints the tables of a mined folder as they were written.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mergebert.atomic import Draft
from mergebert.errors import DatasetError
from mergebert.example import CONFLICT
from mergebert.markdown import markdown_table
from mergebert.strict_json import json_in, write_json
from mergebert_data.dataset.agreement import Agreement, agreement_tables
from mergebert_data.dataset.count_tables import share_table, with_share
from mergebert_data.dataset.store import read_rows

NO_CANDIDATE = "none of the candidates"


@dataclass(slots=True)
class Statistics:
    """Counts over mined rows; `add` takes them one at a time, duplicates already flagged."""

    counts: Counter[str] = field(default_factory=Counter)
    languages: dict[str, Counter[str]] = field(default_factory=dict)
    repositories: dict[str, Counter[str]] = field(default_factory=dict)
    patterns: Counter[str] = field(default_factory=Counter)
    agreement: Agreement = field(default_factory=Agreement)
    kinds: Counter[str] = field(default_factory=Counter)
    language_patterns: dict[str, Counter[str]] = field(default_factory=dict)

    def add(
        self, repository: str, language: str, conflicts: Iterable[Mapping[str, Any]], kind: str = CONFLICT
    ) -> None:
        """Counts one file with its conflicts; a cleanly merged one by its kind alone."""
        self.kinds[kind] += 1
        if kind != CONFLICT:
            return
        conflicts = list(conflicts)
        self.agreement.add(language, conflicts)
        tally = Counter(files=1, hunks=0, located=0, distinct=0, by_candidate=0)
        for conflict in conflicts:
            tally.update(self._conflict(language, conflict))
        self.languages.setdefault(language, Counter()).update(tally)
        by_repository = self.repositories.setdefault(repository, Counter())
        by_repository.update(tally)
        by_repository[f"in {language}"] += tally["hunks"]

    def _conflict(self, language: str, conflict: Mapping[str, Any]) -> dict[str, int]:
        """The counts that one conflict adds to its language and repository; counts its pattern."""
        is_located = conflict["resolution"] is not None
        is_kept = is_located and not conflict["duplicate"]
        is_made = False
        if is_kept:
            pattern = (conflict["patterns"] or [NO_CANDIDATE])[0]
            self.patterns[pattern] += 1
            self.language_patterns.setdefault(language, Counter())[pattern] += 1
            is_made = pattern != NO_CANDIDATE
        return {"hunks": 1, "located": +is_located, "distinct": +is_kept, "by_candidate": +is_made}

    def to_json(self) -> dict[str, Any]:
        """Counts for a JSON file."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "kinds": dict(sorted(self.kinds.items())),
            "languages": _plain_counts(self.languages),
            "repositories": _plain_counts(self.repositories),
            "patterns": dict(self.patterns.most_common()),
            "language_patterns": _plain_counts(self.language_patterns),
            "agreement": self.agreement.to_json(),
        }


def main_language(counts: Mapping[str, int]) -> str:
    """The language of most hunks of a repository, given what was counted of it."""
    return max((count, key[3:]) for key, count in counts.items() if key.startswith("in "))[1]


def _plain_counts(counters: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {name: dict(counters[name]) for name in sorted(counters)}


def statistics_tables(statistics: Mapping[str, Any]) -> str:
    """The counts of `Statistics.to_json` as Markdown tables."""
    return "\n\n".join(
        (
            _languages(statistics["languages"], statistics["repositories"]),
            share_table("pattern (first that makes the resolution)", statistics["patterns"]),
            agreement_tables(statistics["agreement"]),
            _counts("mining", statistics["counts"]),
        )
    )


def repository_table(statistics: Mapping[str, Any], split_of: Mapping[str, str]) -> str:
    """What each repository holds and its split, the largest first."""
    header = ("repository", "language", "split", "files", "hunks", "located", "distinct")
    counted = sorted(statistics["repositories"].items(), key=lambda item: (-item[1]["hunks"], item[0]))
    rows = [
        (
            name,
            main_language(counts),
            split_of.get(name, "none"),
            f"{counts['files']}",
            f"{counts['hunks']}",
            with_share(counts["located"], counts["hunks"]),
            f"{counts['distinct']}",
        )
        for name, counts in counted
    ]
    return markdown_table(header, rows, left=range(3))


def _languages(
    languages: Mapping[str, Mapping[str, int]], repositories: Mapping[str, Mapping[str, int]]
) -> str:
    header = ("language", "repositories", "files", "hunks", "located", "distinct", "made by a candidate")
    rows = []
    for name, counts in sorted(languages.items(), key=lambda item: (-item[1].get("distinct", 0), item[0])):
        count = sum(f"in {name}" in of_repository for of_repository in repositories.values())
        rows.append(_language_row(name, count, counts))
    total = sum((Counter(counts) for counts in languages.values()), Counter[str]())
    rows.append(_language_row("all", len(repositories), total))
    return markdown_table(header, rows)


def _language_row(name: str, repositories: int, counts: Mapping[str, int]) -> tuple[str, ...]:
    located = with_share(counts.get("located", 0), counts.get("hunks", 0))
    made = with_share(counts.get("by_candidate", 0), counts.get("distinct", 0))
    files, hunks, distinct = (f"{counts.get(what, 0)}" for what in ("files", "hunks", "distinct"))
    return name, f"{repositories}", files, hunks, located, distinct, made


def _counts(title: str, counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return markdown_table((title, "count"), [(name, f"{n}") for name, n in ordered])


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Prints the tables of the mined folders given; 0, or 2 where one cannot be read."""
    for folder in arguments:
        try:
            print(statistics_tables(read_statistics(Path(folder))))
        except DatasetError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def recounted(out: Path) -> dict[str, Any]:
    """The statistics of the rows that a mined folder holds now, with what only the miner could count: merges and drops."""
    statistics = Statistics()
    for row in read_rows(out, ("repository", "language", "kind", "conflicts")):
        statistics.add(row["repository"], row["language"], row["conflicts"], row["kind"])
    mined = read_statistics(out) if (out / "statistics.json").exists() else {}
    return mined | statistics.to_json() | {"counts": mined.get("counts", {})}


def write_statistics(out: Path, figures: dict[str, Any]) -> None:
    """Writes the statistics of a mined folder as JSON and as Markdown."""
    write_json(out / "statistics.json", figures)
    with Draft(out / "statistics.md") as temporary:
        temporary.write_text(statistics_tables(figures) + "\n", encoding="utf-8")


def read_statistics(folder: Path) -> dict[str, Any]:
    """The statistics that a mined folder keeps."""
    try:
        figures = msgspec.convert(json_in(folder / "statistics.json"), dict[str, Any])
        msgspec.convert(figures.get("counts", {}), dict[str, int])
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{folder} holds no statistics ({error}); run mergebert mine to its end."
        ) from error
    return figures


if __name__ == "__main__":
    sys.exit(main())
