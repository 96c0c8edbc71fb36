"""Fitting the two passes of trees, with and without the classifier, and calibrating them on development repositories."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.classifier import CLASSIFIER_FEATURES
from mergebert.ranking.neighbours import NEIGHBOUR_FEATURES
from mergebert.training.calibrate import Ranked, best_curve, other_curve, risk_curve
from mergebert.training.config import TrainConfig
from mergebert.training.dataset import EVERY_GRADE, SURE_GRADES
from mergebert.training.files import Arrays, read_arrays, replacing, write_arrays, write_json
from mergebert.training.pipeline import DEVELOPMENT, TRAIN, Workspace, file_name, prepared_names
from mergebert.training.rank import (
    Floats,
    Part,
    Repository,
    View,
    beliefs_of,
    drawn_conflicts,
    grown,
    joint_table,
    network_table,
    table,
)

NETWORK, BASELINE = "network", "baseline"
TOP = (0.02, 0.05, 0.1)  # shares of the conflicts, the most confident first


@dataclass(frozen=True, slots=True)
class Fitted:
    """One variant of the ranker as it lies in the workspace."""

    folder: Path

    @property
    def first(self) -> lightgbm.Booster:
        """The trees of the first pass."""
        return lightgbm.Booster(model_file=self.folder.parent / "first.txt")

    @property
    def ranker(self) -> lightgbm.Booster:
        """The trees of the second pass."""
        return lightgbm.Booster(model_file=self.folder / "ranker.txt")

    @property
    def facts(self) -> dict[str, Any]:
        """Feature names, calibration and development figures."""
        return dict(json.loads((self.folder / "facts.json").read_text(encoding="utf-8")))


def fit_rankers(config: TrainConfig, jobs: int) -> None:
    """Fits both passes in both variants, several fits side by side; each uses one thread and a copy of its table."""
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        pool.starmap(fit_first, [(config, fold) for fold in (None, *range(config.ranker.folds))], chunksize=1)
        pool.starmap(fit_second, [(config, variant) for variant in (NETWORK, BASELINE)], chunksize=1)


def fit_first(config: TrainConfig, fold: int | None) -> None:
    """Fits the first pass without the repositories of a fold and keeps what it believes of those; with no fold it
    learns from all training repositories and speaks of development ones."""
    space = Workspace(config)
    target = space.ranker / ("first.txt" if fold is None else f"first-{fold}.txt")
    if target.exists():
        return
    folds = tree_folds(prepared_names(config, TRAIN), config.ranker.folds)
    training = (one for one in repositories_of(config, TRAIN) if folds[one.name] != fold)
    parts = (Part(one, one.features, tuple(one.names), np.ones(len(one), bool)) for one in training)
    booster = grown(table(parts, taught_conflicts(config)), config.ranker, config.seed)
    for one in repositories_of(config, DEVELOPMENT if fold is None else TRAIN):
        if fold is None or folds[one.name] == fold:
            write_arrays(beliefs_path(space, one.name), {"first": beliefs_of(booster, one, one.features)})
    with replacing(target) as draft:
        booster.save_model(draft)


def fit_second(config: TrainConfig, variant: str) -> None:
    """Fits the second pass of a variant, calibrates it on development repositories and writes what was measured there."""
    space = Workspace(config)
    folder = space.ranker / variant
    if (folder / "facts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    chosen = taught_conflicts(config)
    views = (View.MERGE, View.ANSWERS)
    parts = (_part(space, one, variant, view) for one in repositories_of(config, TRAIN) for view in views)
    data = table(parts, chosen)
    booster = grown(data, config.ranker, config.seed)
    calibration, measured, probe = _judged(space, booster, variant)
    booster.save_model(folder / "ranker.txt")
    write_arrays(folder / "probe.npz", {"rows": probe})
    first = (
        len(data.names) - len(NEIGHBOUR_FEATURES) - (len(CLASSIFIER_FEATURES) if variant == NETWORK else 0)
    )
    facts = {
        "features": {"first": list(data.names[:first]), "ranker": list(data.names)},
        "taught": int(sum(kept.sum() for kept in chosen.values())),
        "calibration": calibration,
        "metrics": measured,
    }
    write_json(folder / "facts.json", facts)
    print(f"second pass, {variant}: {measured}", flush=True)


def taught_conflicts(config: TrainConfig) -> dict[str, NDArray[np.bool_]]:
    """Which conflicts of each training repository teach the trees of a run."""
    return drawn_conflicts(repositories_of(config, TRAIN), config.ranker, config.seed, config.grades)


def _judged(
    space: Workspace, booster: lightgbm.Booster, variant: str
) -> tuple[dict[str, Any], dict[str, Any], Floats]:
    """The calibration on development repositories, the figures there, and some rows to prove an export with."""
    config = space.config
    development = list(repositories_of(config, DEVELOPMENT))
    rows = [_part(space, one, variant, View.MERGE) for one in development]
    believed = [_believed(booster, part) for part in rows]
    taught = [_believed(booster, _part(space, one, variant, View.ANSWERS)) for one in development]
    alone_in_file = [_believed(booster, _part(space, one, variant, View.FILE)) for one in development]
    everything = ranked([*believed, *alone_in_file], config)  # as `solve` and as the driver see them
    best = best_curve(everything)
    calibration = {"best": best, "other": other_curve(everything), "risk": risk_curve(everything, best)}
    first = [(one, first_beliefs(space, one)) for one in development]
    measured = {
        "development, first pass": figures(ranked(first, config)),
        "development": figures(ranked(believed, config)),
        "development, surely located": figures(ranked(believed, config, SURE_GRADES)),
        "development, some conflicts answered": figures(ranked(taught, config)),
        "development, one file at a time": figures(ranked(alone_in_file, config)),
    }
    if variant == NETWORK:
        alone = [(part.repository, _network_alone(part)) for part in rows]
        measured["development, network alone"] = figures(ranked(alone, config))
    return calibration, measured, np.concatenate([part.features[:400] for part in rows])


def _believed(booster: lightgbm.Booster, part: Part) -> tuple[Repository, NDArray[np.float64]]:
    """A repository and the probability of each of its rows."""
    return part.repository, beliefs_of(booster, part.repository, part.features)


def _network_alone(part: Part) -> NDArray[np.float64]:
    """The classifier's own belief in every row."""
    return np.nan_to_num(part.features[:, part.names.index("network share")].astype(np.float64))


def tree_folds(repositories: Sequence[str], folds: int) -> dict[str, int]:
    """The fold of each repository, dealt out in an order drawn by hash: the trees that speak of it do not learn from it."""
    order = sorted(repositories, key=lambda name: hashlib.sha256(name.encode()).digest())
    return {name: at % folds for at, name in enumerate(order)}


def ranked(
    believed: Sequence[tuple[Repository, NDArray[np.float64]]], config: TrainConfig, grades: str = EVERY_GRADE
) -> Ranked:
    """The outcome over the counted conflicts of some repositories, those whose location is of one of `grades`."""
    probabilities, right, names, numbers = [], [], [], []
    for repository, beliefs in believed:
        ends = np.cumsum(repository.sizes)[:-1]
        rows, hits = np.split(beliefs, ends), np.split(repository.right, ends)
        for at in np.flatnonzero(repository.counted(config.ranker.hunks_a_merge, config.seed, grades)):
            order = np.argsort(-rows[at][:-1], kind="stable")
            probabilities.append(rows[at][:-1][order])
            right.append(hits[at][:-1][order])
            names.append(repository.name)
            numbers.append(int(at))
    return Ranked(probabilities, right, names, numbers)


def figures(outcome: Ranked) -> dict[str, float]:
    """Accuracy at 1 and 3, the ceiling, the coverage at 90 % and 95 % precision, of all located conflicts, and the
    precision of the most confident ones."""
    top3 = np.mean([bool(row[:3].any()) for row in outcome.right])
    ceiling = np.mean([bool(row.any()) for row in outcome.right])
    found = {
        "conflicts": len(outcome.right),
        "accuracy@1": float(outcome.is_right.mean()),
        "accuracy@3": float(top3),
        "ceiling": float(ceiling),
    }
    for precision in (0.9, 0.95):
        found[f"coverage at {precision:.0%}"] = coverage(outcome.best, outcome.is_right, precision)
    hits = outcome.is_right[np.argsort(-outcome.best, kind="stable")]
    for share in TOP:
        found[f"precision of the top {share:.0%}"] = float(hits[: max(1, round(share * len(hits)))].mean())
    return {name: round(value, 4) for name, value in found.items()}


def coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_], precision: float) -> float:
    """The largest share that can be applied, most confident first, with at least this precision."""
    hits = np.cumsum(right[np.argsort(-confidence, kind="stable")])
    counts = np.arange(1, len(hits) + 1)
    enough = np.flatnonzero(hits / counts >= precision)
    return float((enough[-1] + 1) / len(hits)) if len(enough) else 0.0


def repositories_of(config: TrainConfig, split: str) -> Iterator[Repository]:
    """The repositories of a split as the ranker sees them, one after the other; of the merges taught, some without
    their context."""
    space = Workspace(config)
    for number, name in enumerate(prepared_names(config, split)):
        one = Repository(space.prepared(name))
        one.forget_context(config.ranker.context_share if split == TRAIN else 0.0, config.seed + number)
        yield one


def _part(space: Workspace, one: Repository, variant: str, view: View) -> Part:
    """The second pass's features of a repository of this workspace."""
    said = read_arrays(space.logits(one.name)) if variant == NETWORK else None
    return second_part(one, first_beliefs(space, one), said, view, space.config.seed)


def second_part(
    one: Repository, first: NDArray[np.float64], said: Arrays | None, view: View, seed: int
) -> Part:
    """The second pass's features of a repository, from what the first pass believes of it and, where it is asked, what
    the classifier says."""
    near, near_names = joint_table(one, first, view, seed)
    parts, names = [one.features, near], [*one.names, *near_names]
    if said is not None:
        ends = np.cumsum(one.arrays["heads_sizes"])[:-1]
        voice, voice_names = network_table(
            one, list(zip(said["classes"], np.split(said["hunks"], ends), strict=True))
        )
        parts.append(voice)
        names += voice_names
    features = np.concatenate(parts, axis=1)
    # Without an answer in the merge the answered copy of a conflict would only repeat it.
    known = features[np.cumsum(one.sizes) - one.sizes, names.index("answers_known")] > 0
    return Part(one, features, tuple(names), known if view is View.ANSWERS else np.ones(len(one), bool))


def first_beliefs(space: Workspace, one: Repository) -> NDArray[np.float64]:
    """What the first pass believes of every row of a repository that it has not learnt from."""
    return read_arrays(beliefs_path(space, one.name))["first"]


def beliefs_path(space: Workspace, name: str) -> Path:
    """Where they are kept."""
    return space.ranker / "first" / f"{file_name(name)}.npz"
