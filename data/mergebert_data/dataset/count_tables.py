"""Counts as Markdown tables, and with their share of all."""

from __future__ import annotations

from collections.abc import Mapping

from mergebert.markdown import markdown_table


def share_table(title: str, counts: Mapping[str, int], digits: int = 1) -> str:
    """A Markdown table of counts of hunks, each with its share of all."""
    total = sum(counts.values())
    rows = [(name, f"{n}", f"{n / total:.{digits}%}") for name, n in counts.items()]
    return markdown_table((title, "hunks", "share"), rows)


def with_share(part: int, whole: int) -> str:
    """A count and its share of a whole, if there is a whole."""
    return f"{part} ({part / whole:.1%})" if whole else f"{part}"
