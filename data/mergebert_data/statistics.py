"""What was mined, counted: per language, per pattern, per repository, and what was left out and why.

`python -m mergebert_data.statistics OUT` prints the tables of a mined folder.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mergebert.errors import DatasetError

NO_CANDIDATE = "none of the candidates"


@dataclass(slots=True)
class Statistics:
    """Counts over mined rows; `add` takes them one at a time, duplicates already flagged."""

    counts: Counter[str] = field(default_factory=Counter)
    languages: dict[str, Counter[str]] = field(default_factory=dict)
    repositories: dict[str, Counter[str]] = field(default_factory=dict)
    patterns: Counter[str] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)

    def add(self, repository: str, language: str, conflicts: Iterable[Mapping[str, Any]]) -> None:
        """Counts one conflicted file."""
        by_language = self.languages.setdefault(language, Counter())
        by_repository = self.repositories.setdefault(repository, Counter())
        tally: Counter[str] = Counter(files=1)
        for conflict in conflicts:
            is_located = conflict["resolution"] is not None
            is_kept = is_located and not conflict["duplicate"]
            tally.update(hunks=1, located=is_located, distinct=is_kept)
            self.proofs[conflict["proof"] or "not located"] += 1
            if is_kept:
                pattern = (conflict["patterns"] or [NO_CANDIDATE])[0]
                self.patterns[pattern] += 1
                tally.update(by_candidate=pattern != NO_CANDIDATE)
        by_language.update(tally)
        by_repository.update(tally)
        by_repository[f"in {language}"] += tally["hunks"]

    def main_languages(self) -> dict[str, str]:
        """The language most hunks of each repository are written in."""
        return {
            name: max((count, key[3:]) for key, count in counts.items() if key.startswith("in "))[1]
            for name, counts in self.repositories.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "languages": {name: dict(self.languages[name]) for name in sorted(self.languages)},
            "repositories": {name: dict(self.repositories[name]) for name in sorted(self.repositories)},
            "patterns": dict(self.patterns.most_common()),
            "proofs": dict(self.proofs.most_common()),
        }


def table_of(statistics: Mapping[str, Any]) -> str:
    """The counts (as `Statistics.to_json` gives them) as Markdown tables."""
    return "\n\n".join(
        (
            _languages(statistics["languages"], statistics["repositories"]),
            _shares("pattern (first that makes the resolution)", statistics["patterns"]),
            _shares("proof", statistics["proofs"]),
            _plain("mining", statistics["counts"]),
        )
    )


def _languages(
    languages: Mapping[str, Mapping[str, int]], repositories: Mapping[str, Mapping[str, int]]
) -> str:
    header = ("language", "repositories", "files", "hunks", "located", "distinct", "made by a candidate")
    rows = []
    for name, counts in sorted(languages.items(), key=lambda item: -item[1].get("distinct", 0)):
        places = sum(f"in {name}" in of_repository for of_repository in repositories.values())
        rows.append(_language_row(name, places, counts))
    total = sum((Counter(counts) for counts in languages.values()), Counter[str]())
    rows.append(_language_row("all", len(repositories), total))
    return _table(header, rows)


def _language_row(name: str, places: int, counts: Mapping[str, int]) -> tuple[str, ...]:
    located = _share(counts.get("located", 0), counts["hunks"])
    made = _share(counts.get("by_candidate", 0), counts.get("distinct", 0))
    return (
        name,
        f"{places}",
        f"{counts['files']}",
        f"{counts['hunks']}",
        located,
        f"{counts.get('distinct', 0)}",
        made,
    )


def _shares(title: str, counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return _table(
        (title, "hunks", "share"), [(name, f"{n}", f"{n / total:.1%}") for name, n in counts.items()]
    )


def _plain(title: str, counts: Mapping[str, int]) -> str:
    return _table(
        (title, "count"), [(name, f"{n}") for name, n in sorted(counts.items(), key=lambda item: -item[1])]
    )


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if whole else f"{part}"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Prints the tables of the mined folders given; 0, or 2 where one cannot be read."""
    for folder in arguments:
        try:
            print(table_of(read_statistics(Path(folder))))
        except DatasetError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def read_statistics(folder: Path) -> dict[str, Any]:
    """The counts that stand in a mined folder."""
    try:
        counts: dict[str, Any] = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{folder} holds no statistics ({error}); run mergebert mine to its end."
        ) from error
    return counts


if __name__ == "__main__":
    sys.exit(main())
