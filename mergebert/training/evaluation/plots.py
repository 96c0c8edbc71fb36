"""Plots: reliability, risk against coverage, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mergebert.pictures import STYLE, empty_figure, save_figure
from mergebert.training.evaluation.metrics import Outcome, figures, reliability, risk_coverage
from mergebert.training.evaluation.outcomes import GIT, ranking_tools


def draw(outcomes: Mapping[str, Sequence[Outcome]], folder: Path) -> None:
    """Writes reliability.png, risk-coverage.png and the same as SVG."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        save_figure(_reliability(outcomes), folder / "reliability")
        save_figure(_risk_coverage(outcomes), folder / "risk-coverage")


def draw_curve(points: Sequence[Mapping[str, Any]], lines: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Writes curve.png and curve.svg: a panel for each figure, in it a line with intervals for each of its tools."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        save_figure(_curve(points, lines), folder / "curve")


def _curve(points: Sequence[Mapping[str, Any]], lines: Mapping[str, Sequence[str]]) -> Any:
    figure = empty_figure(7.6, 5.6)
    panels = figure.subplots(-(-len(lines) // 2), 2, squeeze=False).ravel()
    counts = [point["conflicts taught"] for point in points]
    for axes, (name, tools) in zip(panels, lines.items(), strict=False):
        for shift, tool in enumerate(tools):
            found = [point["figures"][tool][name] for point in points]
            # Beside each other, not one on the other.
            places = [count * (1 + 0.03 * shift) for count in counts]
            axes.errorbar(places, _percent(found, "value"), _bars(found), label=tool, marker="o", capsize=2)
        axes.set(xscale="log", title=f"{name}, %", xlabel="conflicts learnt from, thousands")
        axes.set_xticks(counts, [f"{count / 1000:.1f}" for count in counts])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.25)
    panels[0].legend(loc="lower right", frameon=False)
    return figure


def _percent(found: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    return [100 * (one[name] or 0.0) for one in found]


def _bars(found: Sequence[Mapping[str, float | None]]) -> list[list[float]]:
    """How far the interval of each value reaches below and above it."""
    reach = [
        (
            max(0.0, (one["value"] or 0.0) - (one["low"] if one["low"] is not None else one["value"] or 0.0)),
            max(0.0, (one["high"] or one["value"] or 0.0) - (one["value"] or 0.0)),
        )
        for one in found
    ]
    return [[100 * below for below, _ in reach], [100 * above for _, above in reach]]


def _axes(x: str, y: str, title: str) -> tuple[Any, Any]:
    figure = empty_figure(5.2, 4.4)
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.grid(alpha=0.25)
    return figure, axes


def _reliability(outcomes: Mapping[str, Sequence[Outcome]]) -> Any:
    figure, axes = _axes(
        "confidence of the best candidate", "share that is right", "Is the confidence honest?"
    )
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label="honest")
    for tool in ranking_tools(outcomes):
        bins = reliability(outcomes[tool])
        error = figures(outcomes[tool], resamples=0)["calibration error"].value or 0.0
        label = f"{tool} (mean gap {100 * error:.1f} points)"
        axes.plot(
            [one.confidence for one in bins],
            [one.accuracy for one in bins],
            marker="o",
            markersize=3,
            label=label,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", frameon=False)
    return figure


def _risk_coverage(outcomes: Mapping[str, Sequence[Outcome]]) -> Any:
    figure, axes = _axes(
        "share of all conflicts applied", "share of those that is wrong", "What applying more risks"
    )
    for tool in ranking_tools(outcomes):
        coverage, error = risk_coverage(outcomes[tool])
        (line,) = axes.plot(coverage, error, linewidth=1.2, label=tool)
        _mark(axes, outcomes[tool], {"color": line.get_color(), "marker": "o", "label": "what it applies"})
    for tool, marker in zip(sorted(set(outcomes) - {*ranking_tools(outcomes), GIT}), "s^D", strict=False):
        _mark(axes, outcomes[tool], {"color": "grey", "marker": marker, "label": tool})
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _mark(axes: Any, outcomes: Sequence[Outcome], look: Mapping[str, Any]) -> None:
    """A point for what a tool applies."""
    found = figures(outcomes, resamples=0)
    coverage, precision = found["coverage"].value, found["precision"].value
    if coverage is not None and precision is not None:
        axes.plot([coverage], [1 - precision], linestyle="none", **look)
