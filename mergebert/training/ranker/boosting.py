"""Gradient-boosted trees over candidates, trained to make what people committed likely."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.candidate_rows import first_rows, softmax
from mergebert.training.config import RankerConfig
from mergebert.training.ranker.tables import RepositoryFeatures, Table


def boosted_trees(
    data: Table, config: RankerConfig, seed: int, rounds: int | None = None
) -> lightgbm.Booster:
    """Trees whose scores, in a softmax over the rows of a conflict, make the right ones likely."""
    starts = first_rows(data.sizes)

    def objective(scores: NDArray[Any], _: lightgbm.Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
        shares = softmax(scores, data.sizes)
        hits = shares * data.right
        wanted = hits / np.repeat(np.maximum(np.add.reduceat(hits, starts), 1e-12), data.sizes)
        return shares - wanted, np.maximum(shares * (1.0 - shares), 1e-3)

    settings = {
        "objective": objective,
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.leaf_rows,
        "min_sum_hessian_in_leaf": 1.0,
        "feature_fraction": config.feature_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1,
        "lambda_l2": 2.0,
        "max_bin": 63,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(
        data.features, np.zeros(len(data.features)), feature_name=[f"f{at}" for at in range(len(data.names))]
    )
    return lightgbm.train(settings, rows, rounds or config.rounds)


def probabilities_of(booster: lightgbm.Booster, part: RepositoryFeatures) -> NDArray[np.float64]:
    """The probability of every row of a repository."""
    return softmax(np.asarray(booster.predict(part.features, num_threads=1)), part.repository.sizes)
