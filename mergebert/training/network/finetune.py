"""Training the classifier on labelled conflicts: one network a fold, on the repositories of the other folds.

The scores of a network on its own training data would be too good for the ranker to learn from. So with two folds each
network scores the half it did not learn from, and the bundle holds their mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from mergebert.errors import InputError
from mergebert.training.config import TrainConfig
from mergebert.training.network.batches import LabelledConflicts, from_step
from mergebert.training.network.loop import Schedule, TrainingRun, Validation, device, half_precision, train
from mergebert.training.network.model import HEADS, ColumnsNetwork, is_right, resolution_loss
from mergebert.training.network.pretrain import pretrained_encoder, pretraining_run
from mergebert.training.workspace import Workspace

VALIDATED = 3000  # conflicts of development repositories in every validation
VALIDATED_A_MERGE = 10


def train_fold(config: TrainConfig, fold: int, files: Sequence[Path], development: Sequence[Path]) -> None:
    """Trains the network of one fold on `files`, from the pretrained encoder where there is one, and keeps the weights
    that did best on a sample of `development`."""
    settings, run = config.network, network_run(config, fold)
    if run.is_finished:
        return
    torch.manual_seed(config.seed + fold)
    torch.set_num_threads(settings.threads)
    run.folder.mkdir(parents=True, exist_ok=True)
    conflicts, unseen = LabelledConflicts(files, config.grades), LabelledConflicts(development)
    network = initial_network(config).to(device())
    sample = unseen.chosen(VALIDATED_A_MERGE, config.seed)[:VALIDATED]

    def epoch(number: int) -> Iterator[list[int]]:
        order = conflicts.chosen(settings.hunks_a_merge, config.seed + number)
        return conflicts.batches(order, settings.batch_columns, config.seed + number)

    def loss_of(numbered: tuple[int, list[int]]) -> tuple[torch.Tensor, int]:
        ids, kinds, targets = conflicts.tensors(numbered[1], device())
        with half_precision(device()):
            classes, patterns = network(ids, kinds)
        loss = resolution_loss(classes, patterns, targets).mean()
        return loss, ids.shape[0] * ids.shape[1]

    def validation_loss() -> float:
        loss, accuracy = loss_and_accuracy(network, unseen, sample, settings.batch_columns)
        run.log(fold=fold, development_loss=round(loss, 4), development_accuracy=round(accuracy, 4))
        return loss

    an_epoch = sum(1 for _ in epoch(0))
    schedule = _schedule(config, an_epoch)
    run.log(
        fold=fold, conflicts=len(conflicts.chosen(settings.hunks_a_merge, config.seed)), steps=schedule.steps
    )
    check = Validation(validation_loss, max(1, an_epoch // settings.checks_an_epoch), settings.patience)
    train(network, lambda start: from_step(start, epoch), loss_of, (schedule, run), check)


def _schedule(config: TrainConfig, an_epoch: int) -> Schedule:
    settings = config.network
    is_pretrained = pretraining_run(config).checkpoint.exists()
    return Schedule(
        max(1, round(settings.epochs * an_epoch)),
        settings.learning_rate,
        settings.warm_up,
        settings.weight_decay,
        (*((head, 1.0) for head in HEADS), ("", settings.encoder_rate if is_pretrained else 1.0)),
    )


def initial_network(config: TrainConfig) -> ColumnsNetwork:
    """The network as training starts: the pretrained encoder, where there is one, under new heads."""
    network = ColumnsNetwork(config.model)
    encoder = pretrained_encoder(config)
    if encoder is not None:
        try:
            network.load_state_dict(network.state_dict() | encoder)
        except RuntimeError as error:
            raise InputError(
                "The pretrained encoder is of another shape than `[model]` says; pretrain again."
            ) from error
    return network


def network_run(config: TrainConfig, fold: int) -> TrainingRun:
    """The run that trains the network of a fold."""
    return TrainingRun(Workspace(config).network(fold), config.network.checkpoint_seconds)


def trained_networks(config: TrainConfig, device: torch.device | None = None) -> list[ColumnsNetwork]:
    """The trained networks of all folds, ready to score on a device; on the CPU by default."""
    networks = [ColumnsNetwork(config.model) for _ in range(config.folds)]
    for fold, network in enumerate(networks):
        network.load_state_dict(network_run(config, fold).weights())
    return [network.eval().to(device or "cpu") for network in networks]


@torch.no_grad()
def loss_and_accuracy(
    network: ColumnsNetwork, conflicts: LabelledConflicts, order: Sequence[int], columns: int
) -> tuple[float, float]:
    """The mean loss over the conflicts at `order`, and the share of them whose likeliest resolution is right."""
    loss = right = 0.0
    for group in conflicts.batches(order, columns, 0):
        ids, kinds, targets = conflicts.tensors(group, device())
        with half_precision(device()):
            classes, patterns = network(ids, kinds)
        loss += float(resolution_loss(classes, patterns, targets).sum())
        right += float(is_right(classes, patterns, targets).sum())
    return loss / max(1, len(order)), right / max(1, len(order))
