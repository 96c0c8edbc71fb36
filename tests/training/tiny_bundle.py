"""A bundle of a few random trees: it ranks badly, at once, and always the same."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np

from mergebert.ranking.bundle import FIRST, RANKER, write_manifest
from mergebert.training.export.lightgbm_trees import write_trees
from tests.mergebert.ranking.risks import plain_risk

FEATURES = ("like_ours", "keeps_added_ours", "keeps_added", "drops_removed", "is none")
SETTINGS = {"objective": "regression", "num_leaves": 4, "verbose": -1, "num_threads": 1, "seed": 0}


def write_tiny_bundle(folder: Path, *, known: tuple[str, ...] = ()) -> Path:
    """The folder of a new bundle without network that calls `known` its training repositories."""
    rows = np.random.default_rng(0).random((200, len(FEATURES)))
    data = lightgbm.Dataset(rows, 3 * rows[:, 2] - 9 * rows[:, 4] + rows[:, 1], feature_name=list(FEATURES))
    booster = lightgbm.train(SETTINGS, data, num_boost_round=5)
    folder.mkdir(parents=True)
    for name in (FIRST, RANKER):
        write_trees(booster, folder / name, rows)
    line = [[0.0, 0.0], [1.0, 1.0]]
    write_manifest(
        folder,
        {
            "languages": ["java", "python"],
            "features": {"first": FEATURES, "ranker": FEATURES},
            "calibration": {"best": line, "risk": plain_risk((0.1, 1.0, 0.04))},
            "training": {"repositories": {"train": list(known), "development": [], "test": []}},
        },
    )
    return folder
