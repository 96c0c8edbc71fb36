"""A training loop that does not know the network: steps, schedule, log, validation, checkpoints that it goes on from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mergebert.atomic import Draft
from mergebert.strict_json import json_text

LOG_STEPS = 50


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train, and how the learning rate rises and falls.

    `factors` multiply the rate of parameters whose names begin so.
    """

    steps: int
    learning_rate: float
    warm_up: float
    weight_decay: float
    factors: tuple[tuple[str, float], ...] = ()

    def rate(self, step: int) -> float:
        """The learning rate at a step: linear warm-up, then cosine down to a twentieth."""
        warm = max(1, int(self.warm_up * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def factor(self, name: str) -> float:
        """What the rate of a parameter is multiplied by."""
        return next((factor for prefix, factor in self.factors if name.startswith(prefix)), 1.0)


@dataclass(frozen=True, slots=True)
class Validation:
    """Early stopping: the `loss` on unseen data every so many steps; the weights with the least are kept, and training
    ends when `patience` validations in a row bring none less (0: never)."""

    loss: Callable[[], float]
    steps: int
    patience: int


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """Where a run keeps its checkpoint and its log."""

    folder: Path
    checkpoint_seconds: float

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "checkpoint.pt"

    @property
    def best(self) -> Path:
        """The weights that did best on unseen data, where a run is validated."""
        return self.folder / "best.pt"

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.checkpoint.exists() and bool(_read(self.checkpoint)["finished"])

    def weights(self) -> dict[str, Tensor]:
        """The weights to use: the best ones where the run was validated, else the newest."""
        path = self.best if self.best.exists() else self.checkpoint
        found: dict[str, Tensor] = _read(path)["network"]
        return found

    def newest(self) -> dict[str, Tensor]:
        """The weights of the newest checkpoint, finished or not."""
        found: dict[str, Tensor] = _read(self.checkpoint)["network"]
        return found

    def log(self, **facts: Any) -> None:
        """Adds a line of facts to log.jsonl and prints it; a mean over nothing, or of what diverged, is null."""
        nothing = {
            name: None for name, fact in facts.items() if isinstance(fact, float) and not math.isfinite(fact)
        }
        line = json_text(facts | nothing)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as out:
            out.write(line + "\n")
        print(line, flush=True)


Loss = Callable[[Any], tuple[Tensor, int]]  # a batch -> (mean loss, its size in columns)


def device() -> torch.device:
    """Where networks are trained: on a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Matrix products in bfloat16: on a CPU that has it, four times as fast."""
    return torch.autocast(device.type, torch.bfloat16)


@dataclass
class _RunState:
    """How far a run has come."""

    step: int = 0
    best: float = math.inf
    waited: int = 0  # validations since the best one
    losses: list[float] = field(default_factory=list)
    columns: int = 0
    started: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)


def train(
    network: nn.Module,
    batches: Callable[[int], Iterator[Any]],
    loss_of: Loss,
    plan: tuple[Schedule, TrainingRun],
    validation: Validation | None = None,
) -> None:
    """Trains `network` in place, on from its checkpoint if there is one; `batches(step)` gives the batches from that step on."""
    schedule, run = plan
    optimizer = _optimizer(network, schedule)
    state = _restored(network, optimizer, run)
    network.train()
    for batch in batches(state.step):
        if state.step >= schedule.steps or _is_over(state, validation):
            break
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(state.step) * group["factor"]
        loss, size = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        state.columns += size
        state.losses.append(float(loss.detach()))
        if state.step % LOG_STEPS == 0 or state.step == schedule.steps:
            _log(run, schedule, state)
        if validation and (state.step % validation.steps == 0 or state.step == schedule.steps):
            _validate(network, validation, run, state)
        if time.monotonic() - state.saved > run.checkpoint_seconds:
            _save(network, optimizer, run, state)
    _save(network, optimizer, run, state, finished=True)


def _is_over(state: _RunState, validation: Validation | None) -> bool:
    return validation is not None and 0 < validation.patience <= state.waited


def _log(run: TrainingRun, schedule: Schedule, state: _RunState) -> None:
    run.log(
        step=state.step,
        of=schedule.steps,
        loss=round(sum(state.losses) / len(state.losses), 4),
        columns_per_second=round(state.columns / (time.monotonic() - state.started)),
    )
    state.losses = []


def _validate(network: nn.Module, validation: Validation, run: TrainingRun, state: _RunState) -> None:
    """Measures the network on unseen data and keeps its weights if they are the best so far."""
    network.eval()
    loss = validation.loss()
    network.train()
    state.waited += 1
    if loss < state.best:
        state.best, state.waited = loss, 0
        _write({"network": network.state_dict(), "step": state.step, "loss": loss}, run.best)


def _optimizer(network: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """Weight decay for matrices only, as is usual for transformers; a group for each factor of the rate."""
    kinds: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, value in network.named_parameters():
        kinds.setdefault((value.dim() > 1, schedule.factor(name)), []).append(value)
    groups = [
        {"params": values, "weight_decay": schedule.weight_decay if matrix else 0.0, "factor": factor}
        for (matrix, factor), values in kinds.items()
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98), fused=True)


def _restored(network: nn.Module, optimizer: torch.optim.Optimizer, run: TrainingRun) -> _RunState:
    if not run.checkpoint.exists():
        return _RunState()
    state = _read(run.checkpoint)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    if torch.cuda.is_available() and len(state["random on GPU"]):
        torch.cuda.set_rng_state(state["random on GPU"])
    return _RunState(int(state["step"]), float(state["best"]), int(state["waited"]))


def _save(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: TrainingRun,
    state: _RunState,
    finished: bool = False,
) -> None:
    saved = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random on GPU": torch.cuda.get_rng_state() if torch.cuda.is_available() else torch.empty(0),
        "step": state.step,
        "best": state.best,
        "waited": state.waited,
        "finished": finished,
    }
    _write(saved, run.checkpoint)
    state.saved = time.monotonic()


def _read(path: Path) -> dict[str, Any]:
    """A state as it was written, wherever that was trained."""
    found: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return found


def _write(state: dict[str, Any], path: Path) -> None:
    with Draft(path) as draft:
        torch.save(state, draft)
