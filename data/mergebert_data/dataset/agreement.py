"""How far the methods of location agree: grades of conflicts, and which methods found the text that won or another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mergebert.example import GRADES, ConflictExample
from mergebert.markdown import markdown_table
from mergebert_data.dataset.count_tables import share_table, with_share
from mergebert_data.locate.majority_vote import METHODS

NOT_LOCATED = "not located"


@dataclass(slots=True)
class Agreement:
    """Counts over mined conflicts; `add` takes those of a file."""

    grades: dict[str, Counter[str]] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    methods: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in METHODS})

    def add(self, language: str, conflicts: Iterable[Mapping[str, Any]]) -> None:
        """Counts the conflicts of one file."""
        of_language = self.grades.setdefault(language, Counter())
        for conflict in conflicts:
            of_language[grade_of(conflict) or NOT_LOCATED] += 1
            self.verdicts[verdict(conflict["proof"], conflict["dissent"])] += 1
            for name, counts in self.methods.items():
                counts.update(proof=name in conflict["proof"], dissent=name in conflict["dissent"])

    def to_json(self) -> dict[str, Any]:
        """Counts for a JSON file."""
        return {
            "grades": {name: dict(sorted(counts.items())) for name, counts in sorted(self.grades.items())},
            "verdicts": dict(self.verdicts.most_common()),
            "methods": {name: dict(counts) for name, counts in self.methods.items()},
        }


def verdict(proof: Sequence[str], dissent: Sequence[str]) -> str:
    """Which methods found the text that won and which found another one, in words."""
    if not proof:
        return NOT_LOCATED
    return ", ".join(["+".join(proof), *(f"not {name}" for name in dissent)])


def agreement_tables(agreement: Mapping[str, Any]) -> str:
    """The counts of `Agreement.to_json` as Markdown tables."""
    return "\n\n".join(
        (
            _grades(agreement["grades"]),
            _methods(agreement),
            share_table("found by", agreement["verdicts"], digits=2),
        )
    )


def grade_of(conflict: Mapping[str, Any]) -> str:
    """The grade of a conflict given as plain values; empty where it is not located."""
    proof, dissent = tuple(conflict["proof"]), tuple(conflict["dissent"])
    return ConflictExample(0, conflict["resolution"], proof, dissent, False, ()).grade


def _grades(grades: Mapping[str, Mapping[str, int]]) -> str:
    names = (*GRADES, NOT_LOCATED)
    rows = [
        _row(name, sum(counts.values()), [counts.get(one, 0) for one in names])
        for name, counts in sorted(grades.items(), key=lambda item: -sum(item[1].values()))
    ]
    total = sum((Counter(counts) for counts in grades.values()), Counter[str]())
    rows.append(_row("all", sum(total.values()), [total[one] for one in names]))
    return markdown_table(("language", "hunks", *(f"grade {one}" for one in GRADES), NOT_LOCATED), rows)


def _methods(agreement: Mapping[str, Any]) -> str:
    hunks = sum(agreement["verdicts"].values())
    rows = [
        (name, with_share(counts.get("proof", 0), hunks), with_share(counts.get("dissent", 0), hunks))
        for name, counts in agreement["methods"].items()
    ]
    return markdown_table(("method", "found the believed text", "found another"), rows)


def _row(name: str, hunks: int, counts: Sequence[int]) -> tuple[str, ...]:
    return (name, f"{hunks}", *(with_share(count, hunks) for count in counts))
