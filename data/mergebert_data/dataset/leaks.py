"""Leaks: conflicts whose content stands in two splits, so that a model would be measured on what it was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mergebert.markdown import markdown_table
from mergebert_data.dataset.dedupe import Duplicate, FoundDuplicates, names_of

SHOWN = 20


def leaks(found: FoundDuplicates) -> list[Duplicate]:
    """The duplicates across splits that no flag keeps out of training."""
    return [one for one in found.duplicates if one.is_across and not one.was_flagged]


def leak_report(out: Path, found: FoundDuplicates) -> dict[str, Any]:
    """Counts of the leaks, and the first of them by name."""
    leaking = leaks(found)
    counted = Counter((one.split, one.of_split, one.kind) for one in leaking)
    shown = leaking[:SHOWN]
    named = names_of(out, {row for one in shown for row in (one.row, one.of_row)})
    return {
        "leaks": len(leaking),
        "flagged already": sum(one.is_across for one in found.duplicates) - len(leaking),
        "counts": [
            {"in": split, "repeats": of_split, "kind": kind, "conflicts": count}
            for (split, of_split, kind), count in sorted(counted.items())
        ],
        "examples": [
            {"in": _name(named[one.row], one.index), "repeats": _name(named[one.of_row], one.of_index)}
            for one in shown
        ],
    }


def leak_table(report: Mapping[str, Any]) -> str:
    """The report as text."""
    if not report["leaks"]:
        return f"No conflict leaks from one split into another ({report['flagged already']} are flagged)."
    rows = [
        (f"{one['in']} that repeats {one['repeats']}, {one['kind']}", f"{one['conflicts']}")
        for one in report["counts"]
    ]
    examples = [f"{one['in']}\n    repeats {one['repeats']}" for one in report["examples"]]
    advice = "`mergebert dataset dedupe` flags them, so that training leaves them out."
    return "\n".join((markdown_table(("leaks", "conflicts"), rows), "", *examples, "", advice))


def _name(names: tuple[str, ...], index: int) -> str:
    repository, merge, path = names
    return f"{repository} {merge[:12]} {path} #{index}"
