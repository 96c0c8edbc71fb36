"""The report of an evaluation: every figure as plain values for JSON, and the table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mergebert.text.equivalence import Level
from mergebert.training.evaluation.metrics import (
    ALL,
    CONFLICTS_A_MERGE,
    SIX,
    Outcome,
    View,
    by_language,
    cleaned,
    differences,
    figures,
    reliability,
    risk_coverage,
)
from mergebert.training.evaluation.outcomes import TOOL, WITHOUT_NETWORK, ranking_tools
from mergebert.training.evaluation.whole_files import FileOutcome, WholeOutcome, merges_of, whole_figures

CURVE_POINTS = 200
DIGITS = 4

# What each column shows, and whether with its interval.
ACCURACY = {
    "@1": ("accuracy@1", True),
    "@3": ("accuracy@3", True),
    "ceiling": ("ceiling", False),
    "parses": ("parses", False),
}
APPLYING = {
    "applied": ("coverage", True),
    "right": ("precision", True),
    "drafts": ("drafts", True),
    "drafts right": ("draft precision", True),
    "at 80 %": ("coverage at 80%", True),
    "at 90 %": ("coverage at 90%", True),
    "at 95 %": ("coverage at 95%", True),
    "at 97 %": ("coverage at 97%", True),
    "calibration": ("calibration error", False),
    "intact": ("intact", False),
}
VIEWED = {
    "@1": ("accuracy@1", True),
    "@3": ("accuracy@3", True),
    **{
        name: APPLYING[name]
        for name in ("applied", "right", "drafts", "drafts right", "at 80 %", "at 90 %", "at 95 %")
    },
}
WHOLE = {
    "best right": ("best", True),
    "applied": ("applied", True),
    "right": ("applied, right", True),
    "with drafts": ("with drafts", True),
    "with drafts, right": ("with drafts, right", True),
}
COMPARED = ("accuracy@1", "accuracy@3", "coverage at 90%", "coverage at 95%")

NOTES = f"""\
Every located conflict counts, at most {CONFLICTS_A_MERGE} of a merge; brackets hold 95 % intervals.
right       the same code as what people committed, but for comments, white space and optional commas
@1, @3      the right one comes first, or in the first three
levels      bytes: to the byte; space: but for white space that means nothing; code: right, as above; order: but for the
            order of imports, modifiers and the like too
cleaned     without merges that were thrown away, or made otherwise elsewhere; strict: with them
one vote    each merge counts for one, however many conflicts it has
ceiling     some candidate is the committed resolution
parses      the first candidate leaves no more syntax errors in the file than the better side does there
applied     what is sure enough at this --max-error; right: the share of it that people committed
drafts      what is sure enough of the rest at this --draft-error; drafts right: the share of them that people committed
whole       best right: the file, or all files of the merge, is what people committed once the best resolution of every
            conflict is in place; applied, with drafts: nothing is left to do; right: the share of these. A merge with
            files that are not measured (of other languages, deleted on a side) has something left
at 90 %     the most that could be applied at that precision, the most confident first
calibration the mean gap between confidence and accuracy, over 15 bins of equal mass
intact      of what is applied, the share in files with no more syntax errors than their better side"""


def report_of(
    outcomes: Mapping[str, Sequence[Outcome]],
    files: Mapping[str, Sequence[FileOutcome]],
    facts: Mapping[str, Any],
    seed: int = 0,
) -> dict[str, Any]:
    """Everything measured, as plain values."""
    groups = {tool: by_language(found) for tool, found in outcomes.items()}
    first = next(iter(groups.values()))
    return {
        **facts,
        "groups": {name: _size(group) for name, group in first.items()},
        "figures": {
            name: {tool: _plain(figures(groups[tool][name], seed)) for tool in groups} for name in first
        },
        "views": {
            name: _plain(figures(found, seed, view=view)) for name, found, view in _viewed(outcomes[TOOL])
        },
        "whole": {
            name: {"number": len(found)} | _plain(whole_figures(found, seed, level))
            for name, found, level in _wholes(files[TOOL])
        },
        "differences": _differences(groups, seed),
        "by repository": _by_repository(outcomes[TOOL]),
        "reliability": {
            tool: [_rounded(asdict(one)) for one in reliability(outcomes[tool])]
            for tool in ranking_tools(outcomes)
        },
        "risk and coverage": {tool: _curve(outcomes[tool]) for tool in ranking_tools(outcomes)},
    }


def text_of(report: Mapping[str, Any]) -> str:
    """The report as tables of percentages."""
    return "\n\n".join(
        [
            _heading(report),
            _table("accuracy, %", report, ACCURACY),
            _table(
                f"applying at --max-error {report['max_error']:g}, drafts at --draft-error {report['draft_error']:g}, %",
                report,
                APPLYING,
            ),
            _views(report),
            _whole_table(report),
            *([_comparison(report)] if report["differences"] else []),
            NOTES,
        ]
    )


def _viewed(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, Sequence[Outcome], View]]:
    """The outcomes with strict and cleaned labels, at every level, and with one vote a merge."""
    for labels, found in (("strict", outcomes), ("cleaned", cleaned(outcomes))):
        for level in Level:
            yield f"{labels}, {level}", found, View(level)
        yield f"{labels}, {Level.CODE}, one vote a merge", found, View(is_by_merge=True)


def _views(report: Mapping[str, Any]) -> str:
    """The figures of the tool over all languages, by labels and by level of sameness."""
    rows = [["labels and level, all languages, %", *VIEWED]]
    for name, found in report["views"].items():
        if found:
            rows.append([f"  {name}", *_cells(found, VIEWED)])
    return padded_table(rows)


def _wholes(files: Sequence[FileOutcome]) -> Iterator[tuple[str, Sequence[WholeOutcome], Level]]:
    """The outcomes of whole files and merges, with strict and cleaned labels, at every level."""
    for kind, found in (("files", files), ("merges", merges_of(files))):
        for labels in ("strict", "cleaned"):
            kept = [one for one in found if one.is_cleaned or labels == "strict"]
            for level in Level:
                yield f"{kind}, {labels}, {level}", kept, level


def _whole_table(report: Mapping[str, Any]) -> str:
    """The figures of the tool over whole files and merges."""
    rows = [["whole, all languages, %", "number", *WHOLE]]
    for name, found in report["whole"].items():
        if found["number"]:
            rows.append([f"  {name}", str(found["number"]), *_cells(found, WHOLE)])
    return padded_table(rows)


def _size(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {
        "conflicts": len(outcomes),
        "merges": len({(one.repository, one.merge) for one in outcomes}),
        "repositories": len({one.repository for one in outcomes}),
    }


def _differences(groups: Mapping[str, Mapping[str, Sequence[Outcome]]], seed: int) -> dict[str, Any]:
    """What the network adds, by group; over the same conflicts, so its interval is far narrower than two."""
    if WITHOUT_NETWORK not in groups:
        return {}
    one, other = groups[TOOL], groups[WITHOUT_NETWORK]
    return {name: _plain(differences(one[name], other[name], seed)) for name in (SIX, ALL) if name in one}


def _by_repository(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of each repository alone, without intervals."""
    names = sorted({one.repository for one in outcomes})
    found = {}
    for name in names:
        own = [one for one in outcomes if one.repository == name]
        values = figures(own, resamples=0)
        found[name] = {"conflicts": len(own)} | {
            key: values[key].value for key in (*COMPARED[:2], "coverage", "precision")
        }
    return {name: _rounded(values) for name, values in found.items()}


def _curve(outcomes: Sequence[Outcome]) -> list[list[float]]:
    """[coverage, error] pairs, thinned."""
    coverage, error = risk_coverage(outcomes)
    step = max(1, len(coverage) // CURVE_POINTS)
    return [
        [round(float(x), DIGITS), round(float(y), DIGITS)]
        for x, y in zip(coverage[::step], error[::step], strict=True)
    ]


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _rounded(asdict(figure)) for name, figure in found.items()}


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, DIGITS) if isinstance(value, float) else value for name, value in values.items()
    }


def _heading(report: Mapping[str, Any]) -> str:
    counts, names = report["counts"], report["repositories"]
    lines = [
        f"{report['bundle']} on {len(names)} {report['split']} repositories, asked {report['asked']}, "
        f"{'with' if report['with_history'] else 'without'} the history of merges: {', '.join(names)}",
        f"{counts['conflicts']} conflicts in {counts['files']} files of {counts['merges']} merges; "
        f"{counts['not located']} not located, {counts['duplicates']} seen before, "
        f"{counts['conflicts counted']} counted in {counts['merges counted']} merges",
    ]
    if report["repositories the bundle knows"]:
        known = ", ".join(report["repositories the bundle knows"])
        lines.append(f"NOT A TEST: the bundle was trained or tuned on {known}")
    return "\n".join(lines)


def _table(title: str, report: Mapping[str, Any], columns: Mapping[str, tuple[str, bool]]) -> str:
    rows = [[title, *columns]]
    for group, tools in report["figures"].items():
        sizes = ", ".join(f"{name} {count}" for name, count in report["groups"][group].items())
        rows.append([f"{group}: {sizes}"])
        for tool, found in tools.items():
            rows.append([f"  {tool}", *_cells(found, columns)])
    return padded_table(rows)


def _cells(found: Mapping[str, Any], columns: Mapping[str, tuple[str, bool]]) -> list[str]:
    """A row of figures as these columns show them."""
    return [cell(found[name], has_interval) for name, has_interval in columns.values()]


def padded_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines: the first column flush left, the others flush right; a row of one cell spans all."""
    full = [row for row in rows if len(row) > 1]
    widths = [max(len(row[at]) for row in full) for at in range(len(full[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=len(row) > 1)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def cell(figure: Mapping[str, float | None], with_interval: bool = True, sign: str = "") -> str:
    """A figure in percent, with its interval in brackets where it has one."""
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None:
        return "-"
    if not with_interval or low is None or high is None:
        return f"{100 * value:{sign}.1f}"
    return f"{100 * value:{sign}.1f} [{100 * low:{sign}.1f} {100 * high:{sign}.1f}]"


def _comparison(report: Mapping[str, Any]) -> str:
    """What the network adds, in points."""
    rows = [[f"{TOOL} less {WITHOUT_NETWORK}, points", *COMPARED]]
    for group, found in report["differences"].items():
        rows.append([f"  {group}", *(cell(found[name], True, "+") for name in COMPARED)])
    return padded_table(rows)
