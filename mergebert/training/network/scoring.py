"""The classifier's scores of prepared repositories, kept for the ranker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.ranking.classifier import hunk_scores, length_buckets, log_softmax, padded
from mergebert.ranking.columns import CONFLICT_CLASSES, Columns
from mergebert.text.patterns import PATTERNS
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.prepared import Floats, PreparedRepository, ragged_rows
from mergebert.training.network.loop import device, half_precision
from mergebert.training.network.model import ColumnsNetwork
from mergebert.training.storage import Arrays

BATCH_COLUMNS = 8192


def conflicts_to_score(
    repository: PreparedRepository, config: TrainConfig, grades: Sequence[str]
) -> NDArray[np.bool_]:
    """The conflicts of a repository that train a ranker or count in a figure over some of the grades."""
    chosen = [repository.counted(config.ranker.hunks_a_merge, config.seed, one) for one in grades]
    return np.asarray(np.logical_or.reduce(chosen))


def scores_of(networks: Sequence[Any], arrays: Arrays, asked: NDArray[np.bool_]) -> Arrays:
    """The mean scores of some networks for a repository: `classes` [conflicts, classes], `hunks` [all hunks, 9].

    Conflicts that are not asked for get uniform scores: that costs nothing, and they are most of a large merge.
    """
    ids, kinds, heads = (ragged_rows(arrays, part) for part in ("ids", "kinds", "heads"))
    classes = np.zeros((len(ids), len(CONFLICT_CLASSES)), np.float32)
    hunks = [np.zeros((len(places), len(PATTERNS)), np.float32) for places in heads]
    wanted = np.flatnonzero(asked)
    for network in networks:
        columns = ([ids[at] for at in wanted], [kinds[at] for at in wanted])
        for number, own, patterns in logits_of(network, *columns):
            at = wanted[number]
            classes[at] += log_softmax(own) / len(networks)
            hunks[at] += hunk_scores(patterns, heads[at]) / len(networks)
    hunks = [normalised(rows, places) for rows, places in zip(hunks, heads, strict=True)]
    return {"classes": classes, "hunks": np.concatenate(hunks)}


@torch.no_grad()
def logits_of(
    network: ColumnsNetwork, ids: Sequence[NDArray[Any]], kinds: Sequence[NDArray[Any]]
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """For each conflict, in groups of like length: its number, its class logits, its pattern logits at every column."""
    for group in length_buckets([len(row) for row in ids], BATCH_COLUMNS):
        batch, marks = padded([Columns(ids[at], kinds[at], ()) for at in group])
        with half_precision(device()):
            classes, patterns = network(*(torch.from_numpy(part).to(device()) for part in (batch, marks)))
        for row, at in enumerate(group):
            yield at, classes[row].float().cpu().numpy(), patterns[row].float().cpu().numpy()


def normalised(rows: Floats, heads: NDArray[Any]) -> Floats:
    """Means of log probabilities as log probabilities again, as the classifier of a bundle gives them; the prior as it is."""
    sums = np.log(np.exp(rows).sum(axis=-1, keepdims=True))
    return np.asarray(np.where((heads >= 0)[:, None], rows - sums, rows), np.float32)
