"""Trains what `mergebert fuse compare` compares: one small base, and an expert for each of four tasks.

    python fusion/examples/four_tasks/train.py -o out/four-tasks
    mergebert fuse compare out/four-tasks/compare.yaml -o out/four-tasks/comparison

The base learns to fill in masked words, every expert starts from it and learns one task with a head of its own.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification

sys.path.insert(0, str(Path(__file__).resolve().parent))

from evaluation import accuracy
from sentences import LABELS, LONGEST, NUMBER_OF, WORDS, examples

BATCH, MASKED = 64, 0.2
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
  - {{label: average-of-two, merge_method: average, of: [mood, topic]}}
  - label: layer_swap-of-two
    merge_method: layer_swap
    of: [mood, topic]
    models: {{mood: {{role: task}}, topic: {{role: language}}}}
"""


def main() -> None:
    """Trains and writes everything."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--base-steps", type=int, default=1500, help="of the base (1500)")
    parser.add_argument("--steps", type=int, default=400, help="of every expert (400)")
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate of the experts (3e-4)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    out: Path = arguments.output
    torch.manual_seed(arguments.seed)
    sentences, labels = examples(20_000, arguments.seed)
    ids = torch.tensor(sentences)
    base = RobertaForMaskedLM(_config())
    _train(base, arguments.base_steps, 1e-3, lambda rows: _masked_loss(base, ids[rows]), len(ids))
    base.save_pretrained(out / "base")
    for task, names in LABELS.items():
        expert = RobertaForSequenceClassification(_config(num_labels=len(names)))
        expert.config.id2label = dict(enumerate(names))
        expert.roberta.load_state_dict(base.roberta.state_dict())
        wanted = torch.tensor(labels[task])

        def loss(rows: Tensor, expert: Any = expert, wanted: Tensor = wanted) -> Tensor:
            mask = (ids[rows] != NUMBER_OF["<pad>"]).long()
            found: Tensor = expert(input_ids=ids[rows], attention_mask=mask, labels=wanted[rows]).loss
            return found

        _train(expert, arguments.steps, arguments.rate, loss, len(ids))
        expert.save_pretrained(out / "experts" / task)
        print(f"{task}: {accuracy(out / 'experts' / task, task):.3f}", flush=True)
    models = "\n".join(f"  - {{model: experts/{task}, name: {task}}}" for task in LABELS)
    evaluation = json.dumps(str(Path(__file__).resolve().parent / "evaluation.py"))[1:-1]
    text = COMPARISON.format(models=models, evaluation=evaluation)
    (out / "compare.yaml").write_text(text, encoding="utf-8")
    print(f"{out}: trained in {time.perf_counter() - start:.0f} s.")


def _config(**more: Any) -> RobertaConfig:
    return RobertaConfig(
        vocab_size=len(WORDS),
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=LONGEST + 2,
        type_vocab_size=1,
        pad_token_id=NUMBER_OF["<pad>"],
        bos_token_id=NUMBER_OF["<s>"],
        eos_token_id=NUMBER_OF["</s>"],
        **more,
    )


def _masked_loss(model: RobertaForMaskedLM, ids: Tensor) -> Tensor:
    is_word = ids >= len(("<s>", "<pad>", "</s>", "<mask>"))
    chosen = is_word & (torch.rand(ids.shape) < MASKED)
    given = torch.where(chosen, NUMBER_OF["<mask>"], ids)
    mask = (ids != NUMBER_OF["<pad>"]).long()
    loss: Tensor = model(input_ids=given, attention_mask=mask, labels=torch.where(chosen, ids, -100)).loss
    return loss


def _train(model: Any, steps: int, rate: float, loss: Callable[[Tensor], Tensor], count: int) -> None:
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for rows in _batches(steps, count):
        optimiser.zero_grad()
        value = loss(rows)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        plan.step()
    model.eval()


def _batches(steps: int, count: int) -> Iterator[Tensor]:
    for _ in range(steps):
        yield torch.randint(count, (BATCH,))


if __name__ == "__main__":
    main()
