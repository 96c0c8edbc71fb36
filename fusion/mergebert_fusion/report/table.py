"""The outcome of a comparison: its rows, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """How one way of merging does."""

    label: str
    method: str
    scores: Mapping[str, float]
    normalised: Mapping[str, float]  # by the score of the expert of each task
    seconds: float
    peak: int  # bytes beyond the program itself
    restored: bool  # whether every task was scored on its own model, restored from the fusion

    @property
    def mean(self) -> float:
        """The mean of the normalised scores."""
        return sum(self.normalised.values()) / len(self.normalised)

    @property
    def worst(self) -> str:
        """The task that suffers most."""
        return min(self.normalised, key=lambda task: self.normalised[task])


def table(
    rows: Sequence[Row], experts: Mapping[str, float], left_out: Mapping[str, str], *, with_costs: bool = True
) -> Iterator[str]:
    """The comparison as a Markdown table: normalised scores, best mean first."""
    costs = " seconds | peak MB |" if with_costs else ""
    yield f"| method | {' | '.join(experts)} | mean | worst |{costs}"
    yield f"|---|{'---:|' * (len(experts) + 1)}---|{'---:|---:|' if with_costs else ''}"
    alone = " | ".join(f"{score:.4g}" for score in experts.values())
    yield f"| experts, each on its own task | {alone} | 100.0% | |{' | |' if with_costs else ''}"
    for row in rows:
        shares = (
            f"{row.normalised[task]:.1%} ({row.scores[task]:.4g})" if task in row.scores else ""
            for task in experts
        )
        worst = f"{row.worst} {row.normalised[row.worst]:.1%}"
        costs = f" {row.seconds:.2f} | {row.peak / 1e6:.0f} |" if with_costs else ""
        yield f"| {row.label} | {' | '.join(shares)} | {row.mean:.1%} | {worst} |{costs}"
    if left_out:
        yield ""
        yield from (f"Left out: {name}, which {why}." for name, why in left_out.items())
