"""Learning curves: what more repositories bring, measured on test repositories.

Each share of the training repositories is a run of its own, in a folder of the workspace, with the tokenizer and the
arrays of the whole run. So is the pretrained encoder: pretraining needs no labels, and who has few labelled merges still
has all the code. This is the one place that prepares test repositories, in a folder that no other stage reads.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.training.config import TrainConfig
from mergebert.training.dataset import EVERY_GRADE
from mergebert.training.files import write_json
from mergebert.training.fit import BASELINE, NETWORK, Fitted, fit_rankers, second_part
from mergebert.training.loop import device
from mergebert.training.metrics import Outcome, differences, figures
from mergebert.training.network import trained_network
from mergebert.training.pipeline import (
    TEST,
    TRAIN,
    file_name,
    needed,
    prepare_repositories,
    prepared_names,
    repository_splits,
    score_all,
    scores_of,
    train_networks,
)
from mergebert.training.rank import Repository, View, beliefs_of

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
    folder = curve_folder(config) / _name(share)
    return replace(config, workspace=folder, shared=config.source, repositories=float(share))


def curve_folder(config: TrainConfig) -> Path:
    """Where everything of the curve lies."""
    return config.workspace / "curve"


def prepare_tests(config: TrainConfig, jobs: int) -> None:
    """Describes the conflicts of test repositories."""
    prepare_repositories(config, {name: tested(config, name) for name in _test_names(config)}, jobs)


def tested(config: TrainConfig, repository: str) -> Path:
    """The arrays of a test repository."""
    return curve_folder(config) / "test" / f"{file_name(repository)}.npz"


def _test_names(config: TrainConfig) -> list[str]:
    return sorted(name for name, part in repository_splits(config.examples).items() if part == TEST)


def _name(share: Fraction) -> str:
    return f"{share.numerator}-{share.denominator}"


def _kept_point(config: TrainConfig, share: Fraction, jobs: int) -> Point:
    path = curve_folder(config) / f"point-{_name(share)}.json"
    if not path.exists():
        run = config_of(config, share)
        train_networks(run)
        score_all(run, jobs)
        fit_rankers(run, jobs)
        outcomes = _outcomes(run, [tested(config, name) for name in _test_names(config)], jobs)
        write_json(path, _point(run, share, outcomes))
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _point(run: TrainConfig, share: Fraction, outcomes: Mapping[str, Sequence[Outcome]]) -> Point:
    """A point of the curve as plain values: what was learnt from, and the figures of each line with their intervals."""
    found = {line: figures(rows, run.seed) for line, rows in outcomes.items()}
    found[ADDED] = differences(outcomes[WITH_NETWORK], outcomes[ALONE], run.seed)
    return {
        "share": str(share),
        "repositories": len(prepared_names(run, TRAIN)),
        "conflicts taught": Fitted(run.workspace / "ranker" / BASELINE).facts["taught"],
        "test repositories": len({one.repository for one in outcomes[ALONE]}),
        "test conflicts": len(outcomes[ALONE]),
        "figures": {line: {name: asdict(values[name]) for name in SHOWN} for line, values in found.items()},
    }


def _outcomes(run: TrainConfig, files: Sequence[Path], jobs: int) -> dict[str, list[Outcome]]:
    """What the two rankers of a run make of the located conflicts of test repositories, at most ten of a merge, each
    merge seen whole and nothing known of its ages and authors."""
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        parts = pool.starmap(_outcomes_of, [(run, path) for path in files], chunksize=1)
    return {line: [one for part in parts for one in part[line]] for line in LINES}


def _outcomes_of(run: TrainConfig, path: Path) -> dict[str, list[Outcome]]:
    torch.set_num_threads(1)
    networks = [trained_network(run, fold).to(device()) for fold in range(run.folds)]
    fitted = {line: Fitted(run.workspace / "ranker" / variant) for line, variant in LINES.items()}
    one = Repository(path)
    one.forget_context(0.0, run.seed)
    beliefs = beliefs_of(fitted[ALONE].first, one, one.features)
    said = scores_of(networks, one.arrays, needed(one, run, (EVERY_GRADE,)))
    found: dict[str, list[Outcome]] = {}
    for line, voice in ((ALONE, None), (WITH_NETWORK, said)):
        part = second_part(one, beliefs, voice, View.MERGE, run.seed)
        found[line] = _judged(run, one, beliefs_of(fitted[line].ranker, one, part.features))
    return found


def _judged(run: TrainConfig, one: Repository, beliefs: NDArray[np.float64]) -> list[Outcome]:
    ends = np.cumsum(one.sizes)[:-1]
    rows, right = np.split(beliefs, ends), np.split(one.right, ends)
    found = []
    for at in np.flatnonzero(one.counted(run.ranker.hunks_a_merge, run.seed)):
        order = np.argsort(-rows[at][:-1], kind="stable")
        hits = tuple(right[at][:-1][order].tolist())
        found.append(Outcome(one.name, str(one.merge[at]), "", hits, confidence=float(rows[at][order[0]])))
    return found


def markdown(points: Sequence[Point]) -> str:
    """The curve as a table of percentages with 95 % intervals over repositories."""
    head = ["share", "repositories", "conflicts", "", *SHOWN]
    rows = [head, ["---:"] * 3 + ["---"] + ["---:"] * len(SHOWN)]
    for point in points:
        known = [point["share"], str(point["repositories"]), str(point["conflicts taught"])]
        for line, found in point["figures"].items():
            sign = "+" if line == ADDED else ""
            rows.append([*known, line, *(_cell(found[name], sign) for name in SHOWN)])
            known = ["", "", ""]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_curve(config: TrainConfig, shares: Sequence[Fraction], jobs: int) -> None:
    """Prints the table and writes curve.md, curve.json and the picture into the workspace."""
    from mergebert.training.pictures import draw_curve

    points = learning_curve(config, shares, jobs)
    folder = curve_folder(config)
    write_json(folder / "curve.json", points)
    (folder / "curve.md").write_text(markdown(points) + "\n", encoding="utf-8")
    draw_curve(points, {name: [ALONE, WITH_NETWORK] for name in SHOWN}, folder)
    print(markdown(points))


def _cell(figure: Mapping[str, float | None], sign: str) -> str:
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "-" if value is None else f"{100 * value:{sign}.1f}"
    return f"{100 * value:{sign}.1f} [{100 * low:{sign}.1f} {100 * high:{sign}.1f}]"
