"""Masked-token pretraining of the encoder: it learns code and its changes from merges that nobody labelled.

Every conflict of a training repository is read, located or not, and windows of files that both sides changed and git
merged without conflict. Subwords are masked (mergebert.training.network.masking) and predicted from the rest of the columns.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebert.ranking.columns import GAP, PAD, START
from mergebert.training.config import ModelConfig, TrainConfig
from mergebert.training.network.batches import EncodedColumns, from_step
from mergebert.training.network.loop import Schedule, TrainingRun, Validation, device, half_precision, train
from mergebert.training.network.masking import MASK, SIDES, masked
from mergebert.training.network.model import HEADS, ColumnsNetwork
from mergebert.training.storage import read_arrays
from mergebert.training.workspace import Workspace

VALIDATED = 1500  # conflicts of development repositories in every validation
VALIDATIONS_AN_EPOCH = 2
COUNTED = 20_000  # windows whose subwords are counted before training


class MaskedNetwork(nn.Module):
    """The encoder under a head that predicts a masked subword of a side from the state of its column."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = ColumnsNetwork(config)
        self.tell = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(SIDES))
        self.norm = nn.LayerNorm(config.width)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(self, ids: Tensor, kinds: Tensor, asked: Tensor) -> Tensor:
        """Logits over the vocabulary [places, vocabulary] where `asked` [batch, length, 3] is true, side by side: all
        places of base, then of ours, then of theirs. Nothing is worked out elsewhere: that is most of the cost."""
        states = self.encoder.states(ids, kinds)
        hidden = [functional.gelu(tell(states[asked[:, :, side]])) for side, tell in enumerate(self.tell)]
        logits: Tensor = functional.linear(self.norm(torch.cat(hidden)), self.encoder.words.weight, self.bias)
        return logits


def masked_subwords(ids: Tensor, asked: Tensor) -> Tensor:
    """The subwords to predict, in the order of MaskedNetwork's logits."""
    return torch.cat([ids[:, :, side][asked[:, :, side]] for side in range(SIDES)])


@dataclass(frozen=True, slots=True)
class Batch:
    """Columns with subwords hidden, as tensors."""

    ids: Tensor
    kinds: Tensor
    asked: Tensor
    masked_subwords: Tensor
    changed: Tensor  # of each place asked, whether its column's sides differ

    @property
    def size(self) -> int:
        """Columns, padding included."""
        return self.ids.shape[0] * self.ids.shape[1]


def batch_of(encoded: EncodedColumns, group: Sequence[int], share: float, seed: Sequence[int]) -> Batch:
    """A batch with subwords hidden by chance."""
    ids, kinds = encoded.padded(group)
    found = masked(ids, share, np.random.default_rng(list(seed)))
    asked = torch.from_numpy(found.asked)
    changed = torch.from_numpy(np.repeat(found.changed[:, :, None], SIDES, axis=2))
    parts = (
        torch.from_numpy(found.ids),
        torch.from_numpy(kinds),
        asked,
        masked_subwords(torch.from_numpy(ids), asked),
        masked_subwords(changed, asked),
    )
    return Batch(*(part.to(device()) for part in parts))


def pretrain(config: TrainConfig, files: Sequence[Path], development: Sequence[Path]) -> None:
    """Pretrains the encoder on `files`, on from its checkpoint, and logs loss and accuracy on `development`."""
    settings, run = config.pretrain, pretraining_run(config)
    if run.is_finished:
        return
    torch.manual_seed(config.seed)
    torch.set_num_threads(settings.threads)
    run.folder.mkdir(parents=True, exist_ok=True)
    encoded, unseen = _encoded(files), _encoded(development)
    network = _initial_network(config, encoded)

    def epoch(number: int) -> Iterator[list[int]]:
        order = list(range(len(encoded.ids)))
        random.Random(config.seed + number).shuffle(order)
        return encoded.batches(order, settings.batch_columns, config.seed + number)

    def loss_of(numbered: tuple[int, list[int]]) -> tuple[Tensor, int]:
        number, group = numbered
        batch = batch_of(encoded, group, settings.mask_share, (config.seed, number))
        with half_precision(device()):
            logits = network(batch.ids, batch.kinds, batch.asked)
        return functional.cross_entropy(logits.float(), batch.masked_subwords), batch.size

    def validation_loss() -> float:
        figures = masked_metrics(network, unseen, config)
        run.log(**{f"development {name}": round(value, 4) for name, value in figures.items()})
        return figures["loss"]

    an_epoch = sum(1 for _ in epoch(0))
    steps = max(1, round(settings.epochs * an_epoch))
    run.log(windows=len(encoded.ids), columns=sum(map(len, encoded.ids)), steps=steps)
    schedule = Schedule(steps, settings.learning_rate, settings.warm_up, settings.weight_decay)
    check = Validation(validation_loss, max(1, an_epoch // VALIDATIONS_AN_EPOCH), patience=0)
    train(network, lambda start: from_step(start, epoch), loss_of, (schedule, run), check)


def _initial_network(config: TrainConfig, encoded: EncodedColumns) -> MaskedNetwork:
    """The network as pretraining starts: as another pretraining left it, or new."""
    settings = config.pretrain
    network = MaskedNetwork(replace(config.model, dropout=settings.dropout))
    if settings.start:
        network.load_state_dict(TrainingRun(Path(settings.start), 0).newest())
    else:
        # How common a subword is would otherwise be the first thing to be learnt, in hundreds of steps.
        network.bias.data = log_frequencies(encoded, config.model.vocabulary)
    return network.to(device())


def pretraining_run(config: TrainConfig) -> TrainingRun:
    """The run that pretrains the encoder."""
    return TrainingRun(Workspace(config).pretrained, config.pretrain.checkpoint_seconds)


def pretrained_encoder(config: TrainConfig) -> dict[str, Tensor] | None:
    """The weights of the pretrained encoder without its heads; None where there is none."""
    run = pretraining_run(config)
    if not run.checkpoint.exists():
        return None
    weights = {
        name.removeprefix("encoder."): value
        for name, value in run.newest().items()
        if name.startswith("encoder.")
    }
    return {name: value for name, value in weights.items() if not name.startswith(HEADS)}


def log_frequencies(encoded: EncodedColumns, vocabulary: int) -> Tensor:
    """The log frequency of each subword in a sample of the windows, with add-one smoothing."""
    some = encoded.ids[:: max(1, len(encoded.ids) // COUNTED)]
    counts = 1.0 + np.bincount(np.concatenate([row.ravel() for row in some]), minlength=vocabulary)
    counts[[PAD, GAP, START, MASK]] = 1.0  # never asked for
    return torch.from_numpy(np.log(counts / counts.sum())).float()


@torch.no_grad()
def masked_metrics(network: MaskedNetwork, encoded: EncodedColumns, config: TrainConfig) -> dict[str, float]:
    """The mean loss and the accuracy over hidden subwords, the same ones every time; also of columns whose sides
    differ ("changed") and of the others."""
    settings = config.pretrain
    order = list(range(len(encoded.ids)))
    random.Random(config.seed).shuffle(order)
    losses, hits, changed = [], [], []
    for number, group in enumerate(encoded.batches(order[:VALIDATED], settings.batch_columns, config.seed)):
        batch = batch_of(encoded, group, settings.mask_share, (config.seed, 0, number))
        with half_precision(device()):
            logits = network(batch.ids, batch.kinds, batch.asked)
        losses.append(functional.cross_entropy(logits.float(), batch.masked_subwords, reduction="none").cpu())
        hits.append((logits.argmax(-1) == batch.masked_subwords).cpu())
        changed.append(batch.changed.cpu())
    loss, hit, differ = torch.cat(losses), torch.cat(hits).float(), torch.cat(changed)
    return {
        "loss": float(loss.mean()),
        "accuracy": float(hit.mean()),
        "loss, changed": float(loss[differ].mean()),
        "accuracy, changed": float(hit[differ].mean()),
        "loss, unchanged": float(loss[~differ].mean()),
        "accuracy, unchanged": float(hit[~differ].mean()),
    }


def _encoded(files: Sequence[Path]) -> EncodedColumns:
    encoded = EncodedColumns()
    for path in files:
        encoded.add(read_arrays(path))
    return encoded
