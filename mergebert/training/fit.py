"""Fitting the two passes of trees, with and without the classifier, and calibrating them on development repositories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mergebert.training.calibrate import Ranked, best_curve, other_curve, risk_curve
from mergebert.training.config import TrainConfig
from mergebert.training.dataset import load
from mergebert.training.pipeline import DEVELOPMENT, TRAIN, Workspace, file_name, prepared_names, write_arrays
from mergebert.training.rank import (
    Floats,
    Part,
    Repository,
    View,
    beliefs_of,
    grown,
    joint_table,
    network_table,
    table,
)

NETWORK, BASELINE = "network", "baseline"


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


def fit_first(config: TrainConfig) -> None:
    """Fits the first pass and keeps its beliefs: out of fold for training repositories, of all trees for development."""
    space = Workspace(config)
    if (space.ranker / "first.txt").exists():
        return
    settings, seed = config.ranker, config.seed
    training = _repositories(config, TRAIN)
    names = tuple(training[0].names)
    parts = [Part(one, one.features, names, np.ones(len(one), bool)) for one in training]
    for fold in range(settings.folds):
        seen = [part for part in parts if fold_of(part.repository.name, settings.folds) != fold]
        booster = grown(table(seen, settings.hunks_a_merge, seed), settings, seed)
        for one in training:
            if fold_of(one.name, settings.folds) == fold:
                write_arrays(
                    _beliefs_path(space, one.name), {"first": beliefs_of(booster, one, one.features)}
                )
        print(f"first pass: fold {fold} of {settings.folds}", flush=True)
    booster = grown(table(parts, settings.hunks_a_merge, seed), settings, seed)
    development = _repositories(config, DEVELOPMENT)
    for one in development:
        write_arrays(_beliefs_path(space, one.name), {"first": beliefs_of(booster, one, one.features)})
    print(
        f"first pass on development: {figures(ranked([(one, _first(space, one)) for one in development], config))}",
        flush=True,
    )
    booster.save_model(space.ranker / "first.txt")


def fit_second(config: TrainConfig, variant: str) -> None:
    """Fits the second pass of a variant, calibrates it on development repositories and writes what was measured there."""
    space = Workspace(config)
    folder = space.ranker / variant
    if (folder / "facts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    settings, seed = config.ranker, config.seed
    training = _repositories(config, TRAIN)
    parts = [_second(space, one, variant, view) for view in (View.MERGE, View.ANSWERS) for one in training]
    booster = grown(table(parts, settings.hunks_a_merge, seed), settings, seed)
    del parts
    development = _repositories(config, DEVELOPMENT)
    rows = [_second(space, one, variant, View.MERGE) for one in development]
    believed = [_believed(booster, part) for part in rows]
    taught = [_believed(booster, _second(space, one, variant, View.ANSWERS)) for one in development]
    alone_in_file = [_believed(booster, _second(space, one, variant, View.FILE)) for one in development]
    outcome = ranked(believed, config)
    everything = ranked([*believed, *alone_in_file], config)  # as `solve` and as the driver see them
    best = best_curve(everything)
    calibration = {"best": best, "other": other_curve(everything), "risk": risk_curve(everything, best)}
    measured = {
        "development": figures(outcome),
        "development, some conflicts answered": figures(ranked(taught, config)),
        "development, one file at a time": figures(ranked(alone_in_file, config)),
    }
    if variant == NETWORK:
        alone = [(part.repository, _network_alone(part)) for part in rows]
        measured["development, network alone"] = figures(ranked(alone, config))
    names = {"first": list(training[0].names), "ranker": list(rows[0].names)}
    booster.save_model(folder / "ranker.txt")
    probe = np.concatenate([part.features[:400] for part in rows])
    write_arrays(folder / "probe.npz", {"rows": probe})
    (folder / "facts.json").write_text(
        json.dumps({"features": names, "calibration": calibration, "metrics": measured}), encoding="utf-8"
    )
    print(f"second pass, {variant}: {measured}", flush=True)


def _believed(booster: lightgbm.Booster, part: Part) -> tuple[Repository, NDArray[np.float64]]:
    """A repository and the probability of each of its rows."""
    return part.repository, beliefs_of(booster, part.repository, part.features)


def _network_alone(part: Part) -> NDArray[np.float64]:
    """The classifier's own belief in every row."""
    return np.nan_to_num(part.features[:, part.names.index("network share")].astype(np.float64))


def fold_of(repository: str, folds: int) -> int:
    """The fold of a repository: the trees that speak of it do not learn from it."""
    return hashlib.sha256(repository.encode()).digest()[0] % folds


def ranked(beliefs: Sequence[tuple[Repository, NDArray[np.float64]]], config: TrainConfig) -> Ranked:
    """The outcome over the counted conflicts of some repositories."""
    probabilities, right, names = [], [], []
    for repository, rows in beliefs:
        ends = np.cumsum(repository.sizes)[:-1]
        kept = repository.counted(config.ranker.hunks_a_merge, config.seed)
        for use, row, hit in zip(kept, np.split(rows, ends), np.split(repository.right, ends), strict=True):
            if use:
                order = np.argsort(-row[:-1], kind="stable")
                probabilities.append(row[:-1][order])
                right.append(hit[:-1][order])
                names.append(repository.name)
    return Ranked(probabilities, right, names)


def figures(outcome: Ranked) -> dict[str, float]:
    """Accuracy at 1 and 3, the ceiling, and the coverage at 90 % and 95 % precision, of all located conflicts."""
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
    return {name: round(value, 4) for name, value in found.items()}


def coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_], precision: float) -> float:
    """The largest share that can be applied, most confident first, with at least this precision."""
    hits = np.cumsum(right[np.argsort(-confidence, kind="stable")])
    counts = np.arange(1, len(hits) + 1)
    enough = np.flatnonzero(hits / counts >= precision)
    return float((enough[-1] + 1) / len(hits)) if len(enough) else 0.0


def _repositories(config: TrainConfig, split: str) -> list[Repository]:
    space = Workspace(config)
    found = [Repository(space.prepared(name)) for name in prepared_names(config, split)]
    for number, one in enumerate(found):
        one.forget_context(config.ranker.context_share if split == TRAIN else 0.0, config.seed + number)
    return found


def _second(space: Workspace, one: Repository, variant: str, view: View) -> Part:
    """The second pass's features of a repository."""
    near, near_names = _joint(space, one, view)
    parts, names = [one.features, near], [*one.names, *near_names]
    if variant == NETWORK:
        said = load(space.logits(one.name))
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


def _joint(space: Workspace, one: Repository, view: View) -> tuple[Floats, tuple[str, ...]]:
    """The joint features of a repository, made once for both variants."""
    path = space.ranker / "joint" / f"{file_name(one.name)}-{view.value}.npz"
    if not path.exists():
        rows, names = joint_table(one, _first(space, one), view, space.config.seed)
        write_arrays(path, {"rows": rows, "names": np.array(names)})
    found = load(path)
    return found["rows"], tuple(map(str, found["names"]))


def _first(space: Workspace, one: Repository) -> NDArray[np.float64]:
    return load(_beliefs_path(space, one.name))["first"]


def _beliefs_path(space: Workspace, name: str) -> Path:
    return space.ranker / "first" / f"{file_name(name)}.npz"
