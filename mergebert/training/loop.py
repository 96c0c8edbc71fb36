"""A training loop that does not know the network: steps, schedule, log, checkpoints that it goes on from."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train, and how the learning rate rises and falls."""

    steps: int
    learning_rate: float
    warm_up: float
    weight_decay: float

    def rate(self, step: int) -> float:
        """The learning rate at a step: linear warm-up, then cosine down to a twentieth."""
        warm = max(1, int(self.warm_up * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@dataclass(frozen=True, slots=True)
class Run:
    """Where a run keeps its checkpoint and its log."""

    folder: Path
    checkpoint_seconds: float

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "checkpoint.pt"

    def log(self, **facts: Any) -> None:
        """Adds a line of facts to log.jsonl and says it."""
        line = json.dumps(facts)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as out:
            out.write(line + "\n")
        print(line, flush=True)


Loss = Callable[[Any], tuple[Tensor, int]]  # a batch -> (mean loss, its size in columns)


def train(
    network: nn.Module, batches: Callable[[int], Iterator[Any]], loss_of: Loss, plan: tuple[Schedule, Run]
) -> None:
    """Trains `network` in place, on from its checkpoint if there is one; `batches(step)` gives the batches from that step on."""
    schedule, run = plan
    optimizer = _optimizer(network, schedule)
    step = _restored(network, optimizer, run)
    network.train()
    started = saved = time.monotonic()
    window: list[float] = []
    columns = 0
    for batch in batches(step):
        if step >= schedule.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss, size = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        columns += size
        window.append(float(loss.detach()))
        if step % 50 == 0 or step == schedule.steps:
            seconds = time.monotonic() - started
            run.log(
                step=step,
                of=schedule.steps,
                loss=round(sum(window) / len(window), 4),
                columns_per_second=round(columns / seconds),
            )
            window = []
        if time.monotonic() - saved > run.checkpoint_seconds:
            _save(network, optimizer, run, step)
            saved = time.monotonic()
    _save(network, optimizer, run, step)


def _optimizer(network: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """Weight decay for matrices only, as is usual for transformers."""
    matrices = [value for value in network.parameters() if value.dim() > 1]
    others = [value for value in network.parameters() if value.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))


def _restored(network: nn.Module, optimizer: torch.optim.Optimizer, run: Run) -> int:
    if not run.checkpoint.exists():
        return 0
    state = torch.load(run.checkpoint, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _save(network: nn.Module, optimizer: torch.optim.Optimizer, run: Run, step: int) -> None:
    draft = run.checkpoint.with_suffix(".tmp")
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, draft)
    os.replace(draft, run.checkpoint)
