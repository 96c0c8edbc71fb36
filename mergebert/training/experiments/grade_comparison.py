"""What training on surely located resolutions alone does to the ranker's confidence.

The ranker without the network is fitted with each choice of grades, always from the same number of conflicts, and
measured on development repositories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mergebert.markdown import markdown_table
from mergebert.strict_json import write_json
from mergebert.training.config import TrainConfig
from mergebert.training.processes import in_processes
from mergebert.training.ranker.fit import BASELINE, FittedRanker, fit_first, fit_second, training_conflicts
from mergebert.training.workspace import Workspace

CHOICES = ("a", "ab", "abc", "abcd")
FOLDS = 2  # of the first pass: enough to compare
SUBSETS = {"development, surely located": "grades a and b", "development": "all"}
SHOWN = (
    "conflicts",
    "accuracy@1",
    "precision of the top 2%",
    "precision of the top 5%",
    "precision of the top 10%",
    "coverage at 90%",
    "coverage at 95%",
)

GradeFigures = Mapping[
    str, Mapping[str, Mapping[str, float | None]]
]  # choice of grades -> judged on -> figure


def compared_grades(config: TrainConfig, jobs: int) -> GradeFigures:
    """The figures of the ranker for each choice of grades that is possible."""
    whole = replace(config, ranker=replace(config.ranker, hunks=0))
    masks = {choice: training_conflicts(replace(whole, grades=choice)) for choice in CHOICES}
    sizes = {choice: int(sum(kept.sum() for kept in found.values())) for choice, found in masks.items()}
    possible = {choice: size for choice, size in sizes.items() if size}
    limits = [config.ranker.hunks] if config.ranker.hunks else []
    hunks = min([*possible.values(), *limits], default=0)
    runs = {choice: _run(config, choice, hunks) for choice in possible}
    in_processes(fit_first, [(run, fold) for run in runs.values() for fold in (None, *range(FOLDS))], jobs)
    in_processes(fit_second, [(run, BASELINE) for run in runs.values()], jobs)
    return {choice: _figures(run) for choice, run in runs.items()}


def _run(config: TrainConfig, grades: str, hunks: int) -> TrainConfig:
    ranker = replace(config.ranker, hunks=hunks, folds=FOLDS)
    space = Workspace(config)
    return replace(config, workspace=space.grades / grades, shared=space.shared, grades=grades, ranker=ranker)


def _figures(run: TrainConfig) -> dict[str, dict[str, Any]]:
    measured = FittedRanker(Workspace(run).ranker / BASELINE).facts["metrics"]
    return {name: measured[subset] for subset, name in SUBSETS.items()}


def markdown(measured: GradeFigures) -> str:
    """The comparison as a table of percentages."""
    rows = [
        [choice, subset, str(found["conflicts"]), *(_percent(found[name]) for name in SHOWN[1:])]
        for choice, subsets in measured.items()
        for subset, found in subsets.items()
    ]
    return markdown_table(["trained on", "judged on", *SHOWN], rows, left=(0, 1))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def write_comparison(config: TrainConfig, jobs: int) -> None:
    """Prints the table and writes the figures to grades.json in the workspace."""
    measured = compared_grades(config, jobs)
    write_json(Workspace(config).grades / "grades.json", measured)
    print(markdown(measured))
