"""Training the classifier: one network a fold, each blind to the repositories of its own fold.

The ranker learns from what a network says of repositories it has not seen; a network's word about its own training
data would be too good. So with two folds each network scores the half it did not learn from, and at run time the
bundle holds their mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.classify import length_buckets, padded
from mergebert.encode import Columns
from mergebert.training.config import TrainConfig
from mergebert.training.dataset import Conflicts
from mergebert.training.loop import Run, Schedule, train
from mergebert.training.model import ColumnsNetwork, is_right, resolution_loss


def train_fold(config: TrainConfig, fold: int, files: Sequence[Path], development: Sequence[Path]) -> None:
    """Trains the network of one fold on `files` and logs how it does on `development`."""
    settings = config.network
    torch.manual_seed(config.seed + fold)
    torch.set_num_threads(settings.threads)
    folder = fold_folder(config, fold)
    folder.mkdir(parents=True, exist_ok=True)
    conflicts = Conflicts(files)
    network = ColumnsNetwork(config.model)
    order = conflicts.chosen(settings.hunks_a_merge, config.seed)
    an_epoch = sum(1 for _ in conflicts.batches(order, settings.batch_columns, config.seed))
    schedule = Schedule(
        max(1, round(settings.epochs * an_epoch)),
        settings.learning_rate,
        settings.warm_up,
        settings.weight_decay,
    )
    run = Run(folder, settings.checkpoint_seconds)
    run.log(
        fold=fold,
        conflicts=len(order),
        steps=schedule.steps,
        parameters=sum(p.numel() for p in network.parameters()),
    )

    def batches(start: int) -> Iterator[list[int]]:
        for epoch in count(start // an_epoch):
            shuffled = conflicts.chosen(settings.hunks_a_merge, config.seed + epoch)
            groups = conflicts.batches(shuffled, settings.batch_columns, config.seed + epoch)
            for at, group in enumerate(groups):
                if epoch > start // an_epoch or at >= start % an_epoch:
                    yield group

    def loss_of(group: list[int]) -> tuple[torch.Tensor, int]:
        ids, kinds, targets = conflicts.tensors(group)
        with torch.autocast("cpu", torch.bfloat16):
            classes, patterns = network(ids, kinds)
        return resolution_loss(classes, patterns, targets).mean(), ids.shape[0] * ids.shape[1]

    train(network, batches, loss_of, (schedule, run))
    loss, accuracy = loss_and_accuracy(network, Conflicts(development), config)
    run.log(fold=fold, development_loss=round(loss, 4), development_accuracy=round(accuracy, 4))


def fold_folder(config: TrainConfig, fold: int) -> Path:
    """Where the network of a fold is kept."""
    return config.workspace / f"network-{fold}"


def trained_network(config: TrainConfig, fold: int) -> ColumnsNetwork:
    """The trained network of a fold, ready to be asked."""
    network = ColumnsNetwork(config.model)
    state = torch.load(Run(fold_folder(config, fold), 0).checkpoint, weights_only=True)
    network.load_state_dict(state["network"])
    return network.eval()


@torch.no_grad()
def loss_and_accuracy(
    network: ColumnsNetwork, conflicts: Conflicts, config: TrainConfig
) -> tuple[float, float]:
    """The mean loss, and the share whose likeliest resolution is right, of conflicts that can be expressed (ten of a merge)."""
    network.eval()
    order = conflicts.chosen(10, config.seed)
    loss = right = 0.0
    for group in conflicts.batches(order, config.network.batch_columns, config.seed):
        ids, kinds, targets = conflicts.tensors(group)
        with torch.autocast("cpu", torch.bfloat16):
            classes, patterns = network(ids, kinds)
        loss += float(resolution_loss(classes, patterns, targets).sum())
        right += float(is_right(classes, patterns, targets).sum())
    return loss / max(1, len(order)), right / max(1, len(order))


@torch.no_grad()
def logits_of(
    network: ColumnsNetwork, ids: Sequence[NDArray[Any]], kinds: Sequence[NDArray[Any]]
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """For each conflict, in groups of like length: its number, its class logits, its pattern logits at every column."""
    for group in length_buckets([len(row) for row in ids], 8192):
        batch, marks = padded([Columns(ids[at], kinds[at], ()) for at in group])
        with torch.autocast("cpu", torch.bfloat16):
            classes, patterns = network(torch.from_numpy(batch), torch.from_numpy(marks))
        for row, at in enumerate(group):
            yield at, classes[row].float().numpy(), patterns[row].float().numpy()
