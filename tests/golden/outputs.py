"""What the shipped bundle answers to conflicts of our own: the demo's merge and every case of tests/cases.

`python -m tests.golden.outputs` writes the answers of today to outputs.json; do so only with a new bundle, or where
a change of the answers is what was wanted, and say so in the commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mergebert.git.line_merge import line_merge
from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolution import RankedConflict
from mergebert.ranking.resolver import Resolver
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import ErrorBudgets

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo" / "repository"
CASES = ROOT / "tests" / "cases"
STORED = Path(__file__).with_suffix(".json")
BUDGETS = ErrorBudgets(0.1)  # the demo's; some conflicts stand on either side of it


def merges() -> Iterator[tuple[str, list[FileMerge]]]:
    """Each merge by name: the demo's files together, then every case alone."""
    paths = sorted(path.relative_to(DEMO / "base") for path in (DEMO / "base").rglob("*.*"))
    demo = [_file(path.as_posix(), *(DEMO / side / path for side in _SIDES)) for path in paths]
    yield "demo", [file for file in demo if file.merged.conflicts]
    for base in sorted(CASES.glob("*/*/base.*")):
        sides = [base.with_stem(side) for side in _SIDES]
        yield base.parent.relative_to(CASES).as_posix(), [_file(base.name, *sides)]


_SIDES = ("base", "ours", "theirs")


def _file(path: str, *sides: Path) -> FileMerge:
    stages = ThreeWay(*(side.read_bytes().decode() for side in sides))
    return FileMerge(path, line_merge(stages), stages)


def outputs() -> dict[str, list[dict[str, Any]]]:
    """For each merge its conflicts: path, whether the best resolution is applied, and all of them, best first."""
    resolver = Resolver.load()
    return {name: list(_rows(files, resolver.rank(files, BUDGETS))) for name, files in merges()}


def _rows(files: Sequence[FileMerge], ranked: Sequence[Sequence[RankedConflict]]) -> Iterator[dict[str, Any]]:
    for file, conflicts in zip(files, ranked, strict=True):
        for one in conflicts:
            resolutions = [
                {"text": best.text, "how": f"{best.pattern} ({best.method})", "confidence": best.confidence}
                for best in one.resolutions
            ]
            yield {"path": file.path, "accepted": one.accepted, "resolutions": resolutions}


if __name__ == "__main__":
    STORED.write_text(json.dumps(outputs(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
