"""Fitting the two passes of trees, with and without the classifier, and calibrating them on development repositories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mergebert.atomic import Draft
from mergebert.ranking.classifier import CLASSIFIER_FEATURES
from mergebert.ranking.neighbours import NEIGHBOUR_FEATURES
from mergebert.strict_json import json_in, write_json
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.mined import DEVELOPMENT, TRAIN
from mergebert.training.dataset.prepared import (
    EVERY_GRADE,
    SURE_GRADES,
    Floats,
    PreparedRepository,
    prepared_names,
)
from mergebert.training.evaluation.metrics import summary
from mergebert.training.processes import in_processes
from mergebert.training.ranker.boosting import boosted_trees, probabilities_of
from mergebert.training.ranker.calibration import best_curve, measured_risk
from mergebert.training.ranker.ranked_conflicts import ranked_conflicts
from mergebert.training.ranker.tables import (
    MergeScope,
    RepositoryFeatures,
    drawn_conflicts,
    first_pass,
    second_pass,
    table,
)
from mergebert.training.storage import read_arrays, write_arrays
from mergebert.training.workspace import Workspace

NETWORK, BASELINE = "network", "baseline"


@dataclass(frozen=True, slots=True)
class FittedRanker:
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
        return dict(json_in(self.folder / "facts.json"))


def fit_rankers(config: TrainConfig, jobs: int) -> None:
    """Fits both passes in both variants, several fits side by side; each uses one thread and a copy of its table."""
    in_processes(fit_first, [(config, fold) for fold in (None, *range(config.ranker.folds))], jobs)
    in_processes(fit_second, [(config, variant) for variant in (NETWORK, BASELINE)], jobs)


def fit_first(config: TrainConfig, fold: int | None) -> None:
    """Fits the first pass without the repositories of a fold and keeps its probabilities for those; with no fold it
    learns from all training repositories and ranks development ones."""
    space = Workspace(config)
    target = space.ranker / ("first.txt" if fold is None else f"first-{fold}.txt")
    if target.exists():
        return
    folds = tree_folds(prepared_names(config, TRAIN), config.ranker.folds)
    training = (one for one in prepared_repositories(config, TRAIN) if folds[one.name] != fold)
    data = table(map(first_pass, training), training_conflicts(config))
    booster = boosted_trees(data, config.ranker, config.seed)
    for one in prepared_repositories(config, DEVELOPMENT if fold is None else TRAIN):
        if fold is None or folds[one.name] == fold:
            write_arrays(space.first_pass(one.name), {"first": probabilities_of(booster, first_pass(one))})
    with Draft(target) as draft:
        booster.save_model(draft)


def fit_second(config: TrainConfig, variant: str) -> None:
    """Fits the second pass of a variant, calibrates it on development repositories and writes what was measured there."""
    space = Workspace(config)
    folder = space.ranker / variant
    if (folder / "facts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    chosen = training_conflicts(config)
    scopes = (MergeScope.MERGE, MergeScope.ANSWERS)
    training = prepared_repositories(config, TRAIN)
    data = table((_features(space, one, variant, scope) for one in training for scope in scopes), chosen)
    booster = boosted_trees(data, config.ranker, config.seed)
    calibration, metrics, probe = _on_development(space, booster, variant)
    booster.save_model(folder / "ranker.txt")
    write_arrays(folder / "probe.npz", {"rows": probe})
    second = {*NEIGHBOUR_FEATURES, *CLASSIFIER_FEATURES}
    facts = {
        "features": {
            "first": [name for name in data.names if name not in second],
            "ranker": list(data.names),
        },
        "taught": int(sum(kept.sum() for kept in chosen.values())),
        "calibration": calibration,
        "metrics": metrics,
    }
    write_json(folder / "facts.json", facts)
    print(f"second pass, {variant}: {metrics}", flush=True)


def training_conflicts(config: TrainConfig) -> dict[str, NDArray[np.bool_]]:
    """Which conflicts of each training repository the trees of a run learn from."""
    return drawn_conflicts(prepared_repositories(config, TRAIN), config.ranker, config.seed, config.grades)


def _on_development(
    space: Workspace, booster: lightgbm.Booster, variant: str
) -> tuple[dict[str, Any], dict[str, Any], Floats]:
    """The calibration on development repositories, the figures there, and some rows to prove an export with."""
    config = space.config
    repositories = list(prepared_repositories(config, DEVELOPMENT))
    merges = [_features(space, one, variant, MergeScope.MERGE) for one in repositories]

    def seen(scope: MergeScope) -> list[tuple[PreparedRepository, NDArray[np.float64]]]:
        parts = (
            merges
            if scope is MergeScope.MERGE
            else (_features(space, one, variant, scope) for one in repositories)
        )
        return [(part.repository, probabilities_of(booster, part)) for part in parts]

    def figures(
        found: Iterable[tuple[PreparedRepository, NDArray[np.float64]]],
        grades: str = EVERY_GRADE,
        is_cleaned: bool = True,
    ) -> Any:
        return summary(ranked_conflicts(found, config, grades, is_cleaned).outcomes())

    whole, alone = seen(MergeScope.MERGE), seen(MergeScope.FILE)
    both = ranked_conflicts([*whole, *alone], config)  # as `solve` and as the driver see them
    best = best_curve(both)
    calibration = {"best": best, "risk": asdict(measured_risk(both, best))}
    metrics = {
        "development, first pass": figures((one, _first_pass(space, one)) for one in repositories),
        "development": figures(whole),
        "development, strict labels": figures(whole, is_cleaned=False),
        "development, surely located": figures(whole, SURE_GRADES),
        "development, some conflicts answered": figures(seen(MergeScope.ANSWERS)),
        "development, one file at a time": figures(alone),
    }
    if variant == NETWORK:
        shares = (part.features[:, part.names.index("network share")].astype(np.float64) for part in merges)
        metrics["development, network alone"] = figures(
            zip(repositories, map(np.nan_to_num, shares), strict=True)
        )
    return calibration, metrics, np.concatenate([part.features[:400] for part in merges])


def tree_folds(repositories: Sequence[str], folds: int) -> dict[str, int]:
    """The fold of each repository, dealt out in an order of hashes: the trees that rank its conflicts do not learn from it."""
    order = sorted(repositories, key=lambda name: hashlib.sha256(name.encode()).digest())
    return {name: at % folds for at, name in enumerate(order)}


def prepared_repositories(config: TrainConfig, split: str) -> Iterator[PreparedRepository]:
    """The prepared repositories of a split, one after the other; those of training forget the context of some merges,
    all others that of every merge."""
    space = Workspace(config)
    for number, name in enumerate(prepared_names(config, split)):
        one = PreparedRepository(space.prepared(name))
        one.forget_context(config.ranker.context_share if split == TRAIN else 0.0, config.seed + number)
        yield one


def _features(
    space: Workspace, one: PreparedRepository, variant: str, scope: MergeScope
) -> RepositoryFeatures:
    """The features of the second pass from what lies in the workspace."""
    scores = read_arrays(space.logits(one.name)) if variant == NETWORK else None
    return second_pass(one, _first_pass(space, one), scores, scope, space.config.seed)


def _first_pass(space: Workspace, one: PreparedRepository) -> NDArray[np.float64]:
    """The first pass's probabilities for a repository that it has not learnt from."""
    return read_arrays(space.first_pass(one.name))["first"]
