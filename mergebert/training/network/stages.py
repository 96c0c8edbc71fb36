"""The stages `pretrain`, `network` and `score`; what is already in the workspace is not made again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mergebert.errors import DatasetError
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.mined import DEVELOPMENT, TRAIN
from mergebert.training.dataset.prepared import EVERY_GRADE, SURE_GRADES, PreparedRepository, prepared_names
from mergebert.training.network.finetune import train_fold, trained_networks
from mergebert.training.network.loop import device
from mergebert.training.network.pretrain import pretrain
from mergebert.training.network.scoring import conflicts_to_score, scores_of
from mergebert.training.processes import dealt, in_processes
from mergebert.training.storage import write_arrays
from mergebert.training.workspace import Workspace


def pretrain_encoder(config: TrainConfig) -> None:
    """Pretrains the encoder on all that training repositories hold, labelled or not."""
    space = Workspace(config)
    conflicts, clean = (
        [place(name) for name in prepared_names(config, TRAIN)] for place in (space.prepared, space.clean)
    )
    development = [space.prepared(name) for name in prepared_names(config, DEVELOPMENT)]
    pretrain(config, [*conflicts, *(path for path in clean if path.exists())], development)


def train_networks(config: TrainConfig) -> None:
    """Trains the classifier of every fold, side by side."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_train_one, args=(config, fold)) for fold in range(config.folds)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise DatasetError("A network could not be trained; see what it printed above.")


def network_folds(config: TrainConfig) -> Mapping[str, int]:
    """The fold of each training repository, by size, so that all networks learn from about as much."""
    space, weights = Workspace(config), [0] * config.folds
    sizes = {name: _count(space.prepared(name)) for name in prepared_names(config, TRAIN)}
    folds: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        folds[name] = weights.index(min(weights))
        weights[folds[name]] += sizes[name]
    return folds


def _count(prepared: Path) -> int:
    """How many conflicts a prepared repository has; of its arrays one is read."""
    with np.load(prepared) as arrays:
        return len(arrays["merge"])


def _train_one(config: TrainConfig, fold: int) -> None:
    space = Workspace(config)
    folds = network_folds(config)
    own = [space.prepared(name) for name, of in sorted(folds.items()) if of != fold]
    train_fold(config, fold, own, [space.prepared(name) for name in prepared_names(config, DEVELOPMENT)])


def score_all(config: TrainConfig, jobs: int) -> None:
    """Scores each training repository by the network that has not seen it, each development one by the mean of all."""
    space, folds = Workspace(config), network_folds(config)
    networks_of = {name: [fold] for name, fold in folds.items()}
    networks_of |= {name: list(range(config.folds)) for name in prepared_names(config, DEVELOPMENT)}
    todo = [(name, own) for name, own in networks_of.items() if not space.logits(name).exists()]
    in_processes(_score_some, [(config, part) for part in dealt(todo, jobs)], jobs)


def _score_some(config: TrainConfig, todo: Sequence[tuple[str, Sequence[int]]]) -> None:
    torch.set_num_threads(1)
    space, networks = Workspace(config), trained_networks(config, device())
    for name, own in todo:
        one = PreparedRepository(space.prepared(name))
        asked = conflicts_to_score(one, config, (config.grades, EVERY_GRADE, SURE_GRADES))
        write_arrays(space.logits(name), scores_of([networks[fold] for fold in own], one.arrays, asked))
