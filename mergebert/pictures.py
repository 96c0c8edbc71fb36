"""Pictures that come out the same byte for byte, as PNG and SVG; matplotlib is imported when one is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FORMATS = ("png", "svg")
STYLE: dict[Any, Any] = {"svg.hashsalt": "mergebert", "font.size": 9.0}  # without the salt no SVG repeats


def empty_figure(width: float, height: float) -> Any:
    """A figure of this size in inches."""
    # Not pyplot: it would look for a screen and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, stem: Path, dpi: int = 150) -> None:
    """Writes a figure in every format, without the date and the version that would tell two runs apart."""
    for form in FORMATS:
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(stem.with_suffix(f".{form}"), dpi=dpi, metadata=metadata)
