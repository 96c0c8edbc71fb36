"""Scores a checkpoint on one of the four tasks: the share of unseen sentences that it labels rightly."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sentences import NUMBER_OF, examples

SEED, COUNT = 99, 2000


def accuracy(folder: Path, task: str) -> float:
    """The share of right labels."""
    from transformers import RobertaForSequenceClassification

    model = RobertaForSequenceClassification.from_pretrained(folder).eval()
    sentences, labels = examples(COUNT, SEED)
    ids, wanted = torch.tensor(sentences), torch.tensor(labels[task])
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=(ids != NUMBER_OF["<pad>"]).long()).logits
    return float((logits.argmax(-1) == wanted).float().mean())
