"""What is counted of the methods of location, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mergebert_data.dataset.agreement import NOT_LOCATED, Agreement, agreement_tables, verdict
from mergebert_data.locate.majority_vote import METHODS


def conflict(proof: Sequence[str], dissent: Sequence[str] = ()) -> dict[str, Any]:
    """A row's conflict with this location."""
    return {"resolution": "x\n" if proof else None, "proof": list(proof), "dissent": list(dissent)}


def counted() -> dict[str, Any]:
    """Two files, every grade once and one conflict that was not located."""
    agreement = Agreement()
    agreement.add("python", [conflict(METHODS), conflict(["aligned", "unique"]), conflict([])])
    agreement.add("go", [conflict(["candidate"]), conflict(["aligned", "unique"], ["candidate"])])
    return agreement.to_json()


def test_every_conflict_has_one_grade_in_its_language() -> None:
    assert counted()["grades"] == {"go": {"c": 1, "d": 1}, "python": {"a": 1, "b": 1, NOT_LOCATED: 1}}


def test_the_share_of_each_method_is_counted() -> None:
    assert counted()["methods"] == {
        "aligned": {"proof": 3, "dissent": 0},
        "unique": {"proof": 3, "dissent": 0},
        "candidate": {"proof": 2, "dissent": 1},
    }


@pytest.mark.parametrize(
    ("proof", "dissent", "words"),
    [
        (METHODS, (), "aligned+unique+candidate"),
        (("aligned", "unique"), ("candidate",), "aligned+unique, not candidate"),
        ((), (), NOT_LOCATED),
    ],
)
def test_a_verdict_names_who_found_it_and_who_did_not(
    proof: Sequence[str], dissent: Sequence[str], words: str
) -> None:
    assert verdict(proof, dissent) == words


def test_the_tables_add_up() -> None:
    tables = agreement_tables(counted())
    assert "| all | 5 | 1 (20.0%) | 1 (20.0%) | 1 (20.0%) | 1 (20.0%) | 1 (20.0%) |" in tables
    assert "| candidate | 2 (40.0%) | 1 (20.0%) |" in tables
    assert "| aligned+unique, not candidate | 1 | 20.00% |" in tables


def test_nothing_counted_makes_empty_tables() -> None:
    assert "| all | 0 |" in agreement_tables(Agreement().to_json())
