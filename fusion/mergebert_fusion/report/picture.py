"""The picture of a comparison: one line a method, a dot a task, a bar for the mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mergebert.pictures import STYLE, empty_figure, save_figure
from mergebert_fusion.report.table import Row


def draw(rows: Sequence[Row], folder: Path, *, with_costs: bool = True) -> None:
    """Writes comparison.png and comparison.svg."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        save_figure(_figure(rows, with_costs), folder / "comparison", dpi=144)


def _figure(rows: Sequence[Row], with_costs: bool) -> Any:
    figure = empty_figure(8.6, 0.9 + 0.24 * len(rows))
    scores, *costs = figure.subplots(
        1, 1 + with_costs, sharey=True, squeeze=False, width_ratios=(3, 1)[: 1 + with_costs]
    )[0]
    positions = range(len(rows))
    scores.barh(positions, [100 * row.mean for row in rows], color="0.88")
    for task in dict.fromkeys(task for row in rows for task in row.normalised):
        points = [(100 * row.normalised[task], y) for y, row in enumerate(rows) if task in row.normalised]
        scores.plot(*zip(*points, strict=True), "o", markersize=4, label=task)
    scores.axvline(100, color="0.4", linewidth=0.8)
    scores.set(
        yticks=positions,
        yticklabels=[row.label for row in rows],
        xlabel="score, % of the expert's; bar: mean",
    )
    scores.margins(y=0.01)
    scores.invert_yaxis()
    scores.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for axes in costs:
        axes.barh(positions, [row.seconds for row in rows], color="0.7")
        axes.set(xlabel="seconds to fuse")
    return figure
