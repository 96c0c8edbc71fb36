"""Trains what `mergebert fuse compare` compares: one small base, and an expert for each of four tasks.

    python fusion/examples/four_tasks/train.py -o out/four-tasks
    mergebert fuse compare out/four-tasks/compare.yaml -o out/four-tasks/comparison

The base learns all four tasks at once, on familiar sentences only. Every expert starts from it and learns one task on all
sentences: a head of its own first, then everything.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import RobertaConfig, RobertaForSequenceClassification

sys.path.insert(0, str(Path(__file__).resolve().parent))

from evaluation import accuracy
from sentences import LABELS, LONGEST, NUMBER_OF, WORDS, examples

BATCH, SENTENCES = 64, 20_000
COMPARISON = """\
base_model: base
models:
{models}
evaluate: {evaluation}:accuracy
policy: {{heads: separate}}
also:
  - {{label: base, merge_method: task_arithmetic, parameters: {{lambda: 0.0}}}}
  - {{label: task_arithmetic-0.3, merge_method: task_arithmetic, parameters: {{lambda: 0.3}}}}
  - {{label: task_arithmetic-0.5, merge_method: task_arithmetic, parameters: {{lambda: 0.5}}}}
  - {{label: ties-sum-0.4, merge_method: ties, parameters: {{normalize: false, lambda: 0.4}}}}
  - {{label: ties-1.5, merge_method: ties, parameters: {{lambda: 1.5}}}}
  - {{label: ties-half, merge_method: ties, parameters: {{density: 0.5, lambda: 1.5}}}}
  - {{label: dare_linear-0.4, merge_method: dare_linear, parameters: {{density: 0.5, lambda: 0.4}}}}
  - {{label: consensus-0.4, merge_method: consensus, parameters: {{lambda: 0.4}}}}
  - {{label: slerp-of-two, merge_method: slerp, of: [mood, topic]}}
  - {{label: nuslerp-of-two, merge_method: nuslerp, of: [mood, topic]}}
  - {{label: average-of-two, merge_method: average, of: [mood, topic]}}
  - label: layer_swap-of-two
    merge_method: layer_swap
    of: [mood, topic]
    parameters: {{bottom: 1, top: 0, transition_bottom: 0}}
    models: {{mood: {{role: task}}, topic: {{role: language}}}}
"""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast something is trained."""

    steps: int
    rate: float


HEAD = Schedule(60, 2e-3)


def main() -> None:
    """Trains and writes everything."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--base-steps", type=int, default=600, help="of the base (600)")
    parser.add_argument("--steps", type=int, default=250, help="of every expert (250)")
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate of the experts (3e-4)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    out: Path = arguments.output
    torch.set_num_threads(1)  # the networks are small, and sums do not depend on the number of cores then
    torch.manual_seed(arguments.seed)
    sentences, labels = examples(SENTENCES, arguments.seed)
    ids = torch.tensor(sentences)
    base = _base(Schedule(arguments.base_steps, 1e-3), arguments.seed + 1)
    base.save_pretrained(out / "base")
    for task in LABELS:
        expert = _expert(base, task)
        wanted = torch.tensor(labels[task])

        def loss(rows: Tensor, expert: Any = expert, wanted: Tensor = wanted) -> Tensor:
            return functional.cross_entropy(_logits(expert, ids[rows]), wanted[rows])

        expert.roberta.requires_grad_(False)
        _train(expert, HEAD, loss)
        expert.roberta.requires_grad_(True)
        _train(expert, Schedule(arguments.steps, arguments.rate), loss)
        expert.save_pretrained(out / "experts" / task)
        print(f"{task}: {accuracy(out / 'experts' / task, task):.3f}", flush=True)
    models = "\n".join(f"  - {{model: experts/{task}, name: {task}}}" for task in LABELS)
    evaluation = json.dumps(str(Path(__file__).resolve().parent / "evaluation.py"))[1:-1]
    text = COMPARISON.format(models=models, evaluation=evaluation)
    (out / "compare.yaml").write_text(text, encoding="utf-8")


def _base(schedule: Schedule, seed: int) -> RobertaForSequenceClassification:
    """One head for all four tasks; experts get heads of their own."""
    sentences, labels = examples(SENTENCES, seed, is_familiar=True)
    ids, sizes = torch.tensor(sentences), [len(names) for names in LABELS.values()]
    wanted = torch.tensor([labels[task] for task in LABELS])  # [tasks, sentences]
    base = RobertaForSequenceClassification(_config(num_labels=sum(sizes)))

    def loss(rows: Tensor) -> Tensor:
        parts = zip(_logits(base, ids[rows]).split(sizes, dim=-1), wanted[:, rows], strict=True)
        return torch.stack([functional.cross_entropy(scores, own) for scores, own in parts]).sum()

    _train(base, schedule, loss)
    return base


def _expert(base: RobertaForSequenceClassification, task: str) -> RobertaForSequenceClassification:
    names = LABELS[task]
    expert = RobertaForSequenceClassification(_config(num_labels=len(names)))
    expert.config.id2label = dict(enumerate(names))
    expert.roberta.load_state_dict(base.roberta.state_dict())
    return expert


def _logits(model: RobertaForSequenceClassification, ids: Tensor) -> Tensor:
    found: Tensor = model(input_ids=ids, attention_mask=(ids != NUMBER_OF["<pad>"]).long()).logits
    return found


def _config(**more: Any) -> RobertaConfig:
    return RobertaConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LONGEST + 2,
        type_vocab_size=1,
        initializer_range=0.1,  # from the usual 0.02, one task was still at chance after 1000 steps
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=NUMBER_OF["<pad>"],
        bos_token_id=NUMBER_OF["<s>"],
        eos_token_id=NUMBER_OF["</s>"],
        **more,
    )


def _train(model: Any, schedule: Schedule, loss: Callable[[Tensor], Tensor]) -> None:
    model.train()
    start = time.perf_counter()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=schedule.rate, weight_decay=0.01, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.rate, total_steps=schedule.steps, pct_start=0.1
    )
    for _ in range(schedule.steps):
        optimiser.zero_grad()
        value = loss(torch.randint(SENTENCES, (BATCH,)))
        value.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        scheduler.step()
    model.eval()
    seconds = time.perf_counter() - start
    print(f"{schedule.steps} steps in {seconds:.0f} s, last loss {float(value.detach()):.3f}", flush=True)


if __name__ == "__main__":
    main()
