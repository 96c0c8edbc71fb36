"""The `columns` network: one transformer over the joint three-way alignment of a conflict.

Position i holds the subwords that base, ours and theirs have at place i, summed through separate projections, plus
how each side edited the base there and what kind of hunk it is. One pass instead of MergeBERT's four, and ours and
theirs attend to each other. Two heads: how the whole conflict is resolved, and the pattern of each disputed hunk,
read off at its first column.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebert.ranking.columns import CHANGE_TYPES, CONFLICT_CLASSES, EDIT_TYPES, MAX_COLUMNS, PAD
from mergebert.text.patterns import PATTERNS
from mergebert.training.config import ModelConfig
from mergebert.training.network.targets import Targets

REACH = 3  # columns on either side that are mixed into a column before the first layer
HEADS = ("conflict_head.", "hunk_head.")  # the parameters that only labels can train


class TransformerLayer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.dropout
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention_in = nn.Linear(config.width, 3 * config.width)
        self.attention_out = nn.Linear(config.width, config.width)
        self.feed_norm = nn.LayerNorm(config.width)
        self.feed_in = nn.Linear(config.width, 4 * config.width)
        self.feed_out = nn.Linear(4 * config.width, config.width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """The states [batch, length, width] after one layer; `mask` [batch, 1, 1, length] is added to the scores."""
        batch, length, width = states.shape
        packed = self.attention_in(self.attention_norm(states))  # [batch, length, 3 * width]
        query, key, value = packed.view(batch, length, 3, self.heads, width // self.heads).permute(
            2, 0, 3, 1, 4
        )
        # Written out, because the fused kernel's backward pass takes a third of a training step on the CPU.
        # [batch, heads, length, length]
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1) + mask
        seen = functional.softmax(scores, dim=-1) @ value
        states = states + self._drop(self.attention_out(seen.transpose(1, 2).reshape(batch, length, width)))
        return states + self._drop(self.feed_out(functional.gelu(self.feed_in(self.feed_norm(states)))))

    def _drop(self, states: Tensor) -> Tensor:
        return functional.dropout(states, self.dropout, self.training)


class ColumnsNetwork(nn.Module):
    """Columns in, logits of the conflict classes [batch, classes] and of the patterns at each column [batch, length, 9] out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width, padding_idx=PAD)
        self.sides = nn.ModuleList(nn.Linear(config.width, config.width, bias=False) for _ in range(3))
        self.edit_ours = nn.Embedding(len(EDIT_TYPES), config.width)
        self.edit_theirs = nn.Embedding(len(EDIT_TYPES), config.width)
        self.changes = nn.Embedding(len(CHANGE_TYPES), config.width)
        self.places = nn.Embedding(MAX_COLUMNS, config.width)
        self.near = nn.Parameter(torch.empty(2 * REACH + 1, config.width))
        self.blocks = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.conflict_head = nn.Linear(2 * config.width, len(CONFLICT_CLASSES))
        self.hunk_head = nn.Linear(config.width, len(PATTERNS))
        self.apply(_initialised)
        for weight in self.sides.parameters():
            # Or places and edits, which are not projected, would drown the words at first.
            nn.init.normal_(weight, std=config.width**-0.5)
        nn.init.normal_(self.near, std=0.3)

    def states(self, ids: Tensor, kinds: Tensor) -> Tensor:
        """What the layers make of each column, [batch, length, width]; `ids` and `kinds` are [batch, length, 3] integers,
        padded with PAD; see mergebert.ranking.columns."""
        present = ids[:, :, 0] != PAD  # [batch, length]
        states = self.places(torch.arange(ids.shape[1], device=ids.device))[None]
        for side, project in enumerate(self.sides):
            states = states + project(self.words(ids[:, :, side]))
        states = (
            states
            + self.edit_ours(kinds[:, :, 0])
            + self.edit_theirs(kinds[:, :, 1])
            + self.changes(kinds[:, :, 2])
        )
        states = self._mixed(states * present[:, :, None])
        states = functional.dropout(states, self.config.dropout, self.training)
        mask = torch.where(present, 0.0, -1e4)[:, None, None, :].to(states.dtype)
        for block in self.blocks:
            states = block(states, mask)
        normed: Tensor = self.norm(states)
        return normed

    def _mixed(self, states: Tensor) -> Tensor:
        """Each column with a weighted sum of the columns around it: what stands beside it need not be searched for."""
        # Sums of shifted columns and no convolution, which int8 could not run.
        wide = functional.pad(states, (0, 0, REACH, REACH))
        for at, weight in enumerate(self.near):
            states = states + weight * wide[:, at : at - 2 * REACH or None]
        return states

    def forward(self, ids: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """`ids` and `kinds` are [batch, length, 3] integers, padded with PAD; see mergebert.ranking.columns."""
        states = self.states(ids, kinds)
        weights = (ids[:, :, 0] != PAD).to(states.dtype)[:, :, None]
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        whole = functional.dropout(
            torch.cat([states[:, 0], mean], dim=-1), self.config.dropout, self.training
        )
        return self.conflict_head(whole), self.hunk_head(states)


def _initialised(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def way_log_probabilities(conflict_logits: Tensor, hunk_logits: Tensor, targets: Targets) -> Tensor:
    """The log probability of each way to make a candidate; [ways]."""
    classes = functional.log_softmax(conflict_logits.float(), dim=-1)  # [batch, classes]
    patterns = functional.log_softmax(hunk_logits[targets.row[targets.way], targets.column].float(), dim=-1)
    logs = classes[targets.row, targets.classes] + targets.prior
    return logs.index_add(0, targets.way, patterns.gather(1, targets.pattern[:, None])[:, 0])


def resolution_loss(conflict_logits: Tensor, hunk_logits: Tensor, targets: Targets) -> Tensor:
    """The negative log likelihood of the candidates people committed, normalised over all candidates; [batch].

    The probability of a candidate sums over every way to make it, as at run time.
    """
    logs, count = way_log_probabilities(conflict_logits, hunk_logits, targets), len(conflict_logits)
    hits = logs.masked_fill(~targets.right[targets.option], -1e9)
    return logsumexp_by_group(logs, targets.row, count) - logsumexp_by_group(hits, targets.row, count)


def is_right(conflict_logits: Tensor, hunk_logits: Tensor, targets: Targets) -> Tensor:
    """Whether the likeliest candidate is what people committed; [batch]."""
    logs = logsumexp_by_group(
        way_log_probabilities(conflict_logits, hunk_logits, targets), targets.option, len(targets.right)
    )
    start = logs.new_full((len(conflict_logits),), -torch.inf)
    best = start.scatter_reduce(0, targets.option_row, logs, "amax")
    hits = targets.right & (logs >= best[targets.option_row])
    return best.new_zeros(len(best)).index_add(0, targets.option_row, hits.to(best.dtype)) > 0


def logsumexp_by_group(logs: Tensor, group: Tensor, count: int) -> Tensor:
    """The log of the sum of the exponentials of each group; [count]."""
    top = logs.new_full((count,), -torch.inf).scatter_reduce(0, group, logs.detach(), "amax")
    sums = torch.zeros_like(top).index_add(0, group, (logs - top[group]).exp())
    return top + sums.log()
