"""Learning curves: what more repositories bring, measured on test repositories.

Each share of the training repositories is a run of its own, in a folder of the workspace, with the tokenizer and the
arrays of the whole run. So is the pretrained encoder: pretraining needs no labels, and who has few labelled merges still
has all the code. This is the one place that prepares test repositories, in a folder that no other stage reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.markdown import markdown_table
from mergebert.strict_json import json_in, write_json
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.mined import TEST, TRAIN, repositories_of
from mergebert.training.dataset.prepared import EVERY_GRADE, PreparedRepository, prepared_names
from mergebert.training.dataset.stages import prepare_repositories
from mergebert.training.evaluation.metrics import Outcome, differences, figures
from mergebert.training.evaluation.report import cell
from mergebert.training.network.finetune import trained_networks
from mergebert.training.network.loop import device
from mergebert.training.network.scoring import conflicts_to_score, scores_of
from mergebert.training.network.stages import score_all, train_networks
from mergebert.training.processes import dealt, in_processes
from mergebert.training.ranker.boosting import probabilities_of
from mergebert.training.ranker.fit import BASELINE, NETWORK, FittedRanker, fit_rankers
from mergebert.training.ranker.ranked_conflicts import ranked_conflicts
from mergebert.training.ranker.tables import MergeScope, first_pass, second_pass
from mergebert.training.storage import Arrays
from mergebert.training.workspace import Workspace

SHOWN = ("accuracy@1", "accuracy@3", "coverage at 90%", "coverage at 95%")
ALONE, WITH_NETWORK, ADDED = "ranker alone", "with network", "what the network adds"
LINES = {ALONE: BASELINE, WITH_NETWORK: NETWORK}

Point = dict[str, Any]


def learning_curve(config: TrainConfig, shares: Sequence[Fraction], jobs: int) -> list[Point]:
    """The points of the curve, smallest share first; what earlier calls left behind is not made again."""
    prepare_tests(config, jobs)
    return [_kept_point(config, share, jobs) for share in sorted(set(shares))]


def config_of(config: TrainConfig, share: Fraction) -> TrainConfig:
    """The run that learns from a share of the training repositories; the whole run for all of them."""
    if share == 1:
        return config
    folder = Workspace(config).curve / _name(share)
    return replace(config, workspace=folder, shared=Workspace(config).shared, repositories=float(share))


def prepare_tests(config: TrainConfig, jobs: int) -> None:
    """Describes the conflicts of test repositories."""
    space, names = Workspace(config), repositories_of(config.examples, TEST)
    prepare_repositories(config, {name: space.tested(name) for name in names}, jobs)


def _name(share: Fraction) -> str:
    return f"{share.numerator}-{share.denominator}"


def _kept_point(config: TrainConfig, share: Fraction, jobs: int) -> Point:
    path = Workspace(config).curve / f"point-{_name(share)}.json"
    if not path.exists():
        run = config_of(config, share)
        train_networks(run)
        score_all(run, jobs)
        fit_rankers(run, jobs)
        files = [Workspace(config).tested(name) for name in repositories_of(config.examples, TEST)]
        outcomes = _outcomes(run, files, jobs)
        write_json(path, _point(run, share, outcomes))
    return dict(json_in(path))


def _point(run: TrainConfig, share: Fraction, outcomes: Mapping[str, Sequence[Outcome]]) -> Point:
    """A point of the curve as plain values: what was learnt from, and the figures of each line with their intervals."""
    found = {line: figures(rows, run.seed) for line, rows in outcomes.items()}
    found[ADDED] = differences(outcomes[WITH_NETWORK], outcomes[ALONE], run.seed)
    return {
        "share": str(share),
        "repositories": len(prepared_names(run, TRAIN)),
        "conflicts taught": FittedRanker(Workspace(run).ranker / BASELINE).facts["taught"],
        "test repositories": len({one.repository for one in outcomes[ALONE]}),
        "test conflicts": len(outcomes[ALONE]),
        "figures": {line: {name: asdict(values[name]) for name in SHOWN} for line, values in found.items()},
    }


def _outcomes(run: TrainConfig, files: Sequence[Path], jobs: int) -> dict[str, list[Outcome]]:
    """What the two rankers of a run make of the located conflicts of test repositories, at most ten of a merge, each
    merge seen whole and nothing known of its ages and authors."""
    parts = in_processes(_outcomes_of, [(run, part) for part in dealt(files, jobs)], jobs)
    found = {path: lines for part in parts for path, lines in part.items()}
    return {line: [one for path in files for one in found[path][line]] for line in LINES}


def _outcomes_of(run: TrainConfig, files: Sequence[Path]) -> dict[Path, dict[str, list[Outcome]]]:
    torch.set_num_threads(1)
    networks = trained_networks(run, device())
    ranker = Workspace(run).ranker
    trees = {line: FittedRanker(ranker / variant).ranker for line, variant in LINES.items()}
    first = FittedRanker(ranker / BASELINE).first

    def outcomes(
        one: PreparedRepository, probabilities: NDArray[np.float64], scores: Arrays | None
    ) -> list[Outcome]:
        line = ALONE if scores is None else WITH_NETWORK
        part = second_pass(one, probabilities, scores, MergeScope.MERGE, run.seed)
        return ranked_conflicts([(one, probabilities_of(trees[line], part))], run).outcomes()

    found = {}
    for path in files:
        one = PreparedRepository(path)
        one.forget_context(0.0, run.seed)
        probabilities = probabilities_of(first, first_pass(one))
        scores = scores_of(networks, one.arrays, conflicts_to_score(one, run, (EVERY_GRADE,)))
        found[path] = {
            ALONE: outcomes(one, probabilities, None),
            WITH_NETWORK: outcomes(one, probabilities, scores),
        }
    return found


def markdown(points: Sequence[Point]) -> str:
    """The curve as a table of percentages with 95 % intervals over repositories."""
    rows = []
    for point in points:
        first = [point["share"], str(point["repositories"]), str(point["conflicts taught"])]
        for line, found in point["figures"].items():
            sign = "+" if line == ADDED else ""
            rows.append([*first, line, *(cell(found[name], sign=sign) for name in SHOWN)])
            first = ["", "", ""]
    return markdown_table(["share", "repositories", "conflicts", "", *SHOWN], rows, left=(3,))


def write_curve(config: TrainConfig, shares: Sequence[Fraction], jobs: int) -> None:
    """Prints the table and writes curve.md, curve.json and the picture into the workspace."""
    from mergebert.training.evaluation.plots import draw_curve

    points = learning_curve(config, shares, jobs)
    folder = Workspace(config).curve
    write_json(folder / "curve.json", points)
    (folder / "curve.md").write_text(markdown(points) + "\n", encoding="utf-8")
    draw_curve(points, {name: [ALONE, WITH_NETWORK] for name in SHOWN}, folder)
    print(markdown(points))
