"""The pictures of a dataset card: conflicts per language and split, patterns and grades per language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mergebert.errors import MergebertError
from mergebert.example import GRADES
from mergebert.pictures import STYLE, empty_figure, save_figure
from mergebert_data.dataset.agreement import NOT_LOCATED
from mergebert_data.dataset.card_counts import CardCounts
from mergebert_data.dataset.splits import SPLITS
from mergebert_data.dataset.statistics import NO_CANDIDATE

STEMS = ("splits", "patterns", "grades")
_STYLE = {**STYLE, "svg.fonttype": "none"}  # text stays text, to be searched and read aloud
_NAMED = 9  # patterns with a colour of their own
_OTHERS = "another candidate"
# Tableau 10 as Vega has it; grey for what is no pattern.
_COLOURS = ["#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#eeca3b", "#b279a2", "#ff9da6", "#9d755d"]
_LIGHT, _PALE = "#bab0ac", "#dcdcdc"
# The paler the less sure; doubted ones stand out.
_GRADE_COLOURS = ("#1f4e79", "#4c78a8", "#9ecae9", "#f2a65a")


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart: a horizontal bar a language, stacked of parts with their colours and counts."""

    title: str
    unit: str
    parts: Mapping[str, str]
    counts: Mapping[str, Mapping[str, int]]
    is_share: bool


def draw(figures: CardCounts, folder: Path) -> list[Path]:
    """Writes each picture as PNG and SVG and gives back the PNGs; MergebertError where matplotlib is missing."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MergebertError(
            "Pictures need matplotlib: pip install matplotlib, or leave them out with --no-pictures."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    charts = (_split_chart(figures), _pattern_chart(figures), _grade_chart(figures))
    with matplotlib.rc_context(_STYLE):
        for stem, chart in zip(STEMS, charts, strict=True):
            save_figure(_bars(chart, figures.languages), folder / stem)
    return [folder / f"{stem}.png" for stem in STEMS]


def _split_chart(figures: CardCounts) -> Chart:
    parts = dict(zip(SPLITS, _COLOURS, strict=False))
    return Chart("Conflicts per language and split", "conflicts", parts, figures.splits, is_share=False)


def _pattern_chart(figures: CardCounts) -> Chart:
    total = sum(figures.patterns.values(), Counter[str]())
    named = [name for name, _ in total.most_common() if name != NO_CANDIDATE][:_NAMED]
    parts = dict(zip(named, _COLOURS, strict=False)) | {_OTHERS: _LIGHT, NO_CANDIDATE: _PALE}
    counts = {
        language: Counter({name: of_language[name] for name in (*named, NO_CANDIDATE)})
        + Counter({_OTHERS: sum(n for name, n in of_language.items() if name not in parts)})
        for language, of_language in figures.patterns.items()
    }
    title = "What people made of a conflict (first pattern that makes the resolution)"
    return Chart(title, "share of located conflicts, each content once", parts, counts, is_share=True)


def _grade_chart(figures: CardCounts) -> Chart:
    named = {grade: f"grade {grade}" for grade in GRADES}
    parts = dict(zip(named.values(), _GRADE_COLOURS, strict=True)) | {NOT_LOCATED: _PALE}
    counts = {
        language: {named.get(grade, grade): count for grade, count in of_language.items()}
        for language, of_language in figures.grades.items()
    }
    return Chart("How surely resolutions are located", "share of conflicts", parts, counts, is_share=True)


def _bars(chart: Chart, languages: Sequence[str]) -> Any:
    from matplotlib.ticker import PercentFormatter, StrMethodFormatter

    shown = [name for name in languages if sum(chart.counts.get(name, {}).values())]
    figure = empty_figure(7.6, 1.6 + 0.28 * len(shown))
    axes = figure.subplots()
    left = [0.0] * len(shown)
    for part, colour in chart.parts.items():
        widths = [_width(chart, language, part) for language in shown]
        if any(widths):
            axes.barh(shown, widths, left=left, color=colour, label=part, height=0.72)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel=chart.unit, xlim=(0, 1) if chart.is_share else None)
    axes.set_title(chart.title, loc="left", fontsize=10, fontweight="bold")
    axes.xaxis.set_major_formatter(PercentFormatter(1) if chart.is_share else StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=5 if len(chart.parts) <= 5 else 4, frameon=False)
    return figure


def _width(chart: Chart, language: str, part: str) -> float:
    counts = chart.counts.get(language, {})
    return counts.get(part, 0) / (sum(counts.values()) if chart.is_share else 1)
