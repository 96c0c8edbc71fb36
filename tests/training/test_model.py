from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mergebert.encode import CHANGES, CONFLICT_CLASSES, EDITS, MAX_COLUMNS, PAD
from mergebert.patterns import PATTERNS
from mergebert.training.model import (
    REACH,
    ColumnsNetwork,
    ModelConfig,
    Targets,
    is_right,
    resolution_loss,
)

TINY = ModelConfig(vocabulary=40, width=16, layers=2, heads=2, dropout=0.0)
CLASSES, TOKENS = len(CONFLICT_CLASSES), CONFLICT_CLASSES.index("tokens")


def network(**changes: float) -> ColumnsNetwork:
    torch.manual_seed(1)
    made = ColumnsNetwork(replace(TINY, **changes))
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return made.eval()


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    """Random columns of these lengths, padded behind."""
    draw = torch.Generator().manual_seed(2)
    ids = torch.zeros((len(lengths), max(lengths), 3), dtype=torch.long)
    kinds = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(PAD + 1, TINY.vocabulary, (length, 3), generator=draw)
        kinds[row, :length, :2] = torch.randint(0, EDITS, (length, 2), generator=draw)
        kinds[row, :length, 2] = torch.randint(0, CHANGES, (length,), generator=draw)
    return ids, kinds


def test_one_answer_a_conflict_and_one_a_column() -> None:
    classes, patterns = network()(*batch(5, 9))
    assert classes.shape == (2, CLASSES)
    assert patterns.shape == (2, 9, len(PATTERNS))


@torch.no_grad()
def test_padding_changes_no_answer() -> None:
    net = network()
    ids, kinds = batch(5, 30, 12)
    classes, patterns = net(ids, kinds)
    for row, length in enumerate((5, 30, 12)):
        alone, columns = net(ids[row : row + 1, :length], kinds[row : row + 1, :length])
        assert torch.allclose(alone[0], classes[row], atol=1e-5)
        assert torch.allclose(columns[0], patterns[row, :length], atol=1e-5)


@torch.no_grad()
def test_the_longest_conflict_fits() -> None:
    classes, patterns = network()(*batch(MAX_COLUMNS))
    assert torch.isfinite(classes).all() and torch.isfinite(patterns).all()


@torch.no_grad()
def test_the_network_knows_which_side_is_which() -> None:
    net = network()
    ids, kinds = batch(7)
    swapped, _ = net(ids[..., [0, 2, 1]], kinds[..., [1, 0, 2]])
    assert not torch.allclose(net(ids, kinds)[0], swapped, atol=1e-3)


@torch.no_grad()
def test_dropout_is_for_training_alone() -> None:
    net = network(dropout=0.5)
    columns = batch(7)
    assert torch.equal(net(*columns)[0], net(*columns)[0])
    net.train()
    assert not torch.equal(net(*columns)[0], net(*columns)[0])


def targets(classes: list[str], tuples: list[list[int]], heads: list[int], hunks: int = 3) -> Targets:
    """The targets of one conflict."""
    right = torch.tensor([[name in classes for name in CONFLICT_CLASSES]])
    patterns = torch.full((1, 4, hunks), -1)
    for row, chosen in enumerate(tuples):
        patterns[0, row, : len(chosen)] = torch.tensor(chosen)
    exists = torch.tensor([[row < len(tuples) for row in range(4)]])
    padded = torch.tensor([[*heads, *[-1] * (hunks - len(heads))]])
    return Targets(right, exists, patterns.masked_fill(padded[:, None] < 0, -1), padded)


def test_the_loss_sums_over_every_way_that_is_right() -> None:
    torch.manual_seed(3)
    class_logits, hunk_logits = torch.randn(1, CLASSES), torch.randn(1, 8, len(PATTERNS))
    found = resolution_loss(
        class_logits, hunk_logits, targets(["lines:ours", "empty"], [[0, 3], [1, 1]], [2, 6])
    )

    shares, patterns = class_logits[0].softmax(0), hunk_logits[0].softmax(1)
    direct = shares[CONFLICT_CLASSES.index("lines:ours")] + shares[CONFLICT_CLASSES.index("empty")]
    by_tokens = patterns[2, 0] * patterns[6, 3] + patterns[2, 1] * patterns[6, 1]
    assert found.item() == pytest.approx(-torch.log(direct + shares[TOKENS] * by_tokens).item(), abs=1e-5)


def test_a_clean_token_merge_needs_no_pattern() -> None:
    logits = torch.randn(1, CLASSES)
    found = resolution_loss(logits, torch.randn(1, 4, 9), targets([], [[]], []))
    assert found.item() == pytest.approx(-logits[0].log_softmax(0)[TOKENS].item(), abs=1e-5)


def test_smoothing_makes_certainty_cost() -> None:
    logits, patterns, chosen = torch.randn(1, CLASSES), torch.randn(1, 4, 9), targets(["lines:ours"], [], [])
    plain = resolution_loss(logits, patterns, chosen)
    smooth = resolution_loss(logits, patterns, chosen, smoothing=0.1)
    assert smooth.item() == pytest.approx(
        0.9 * plain.item() - 0.1 * logits[0].log_softmax(0).mean().item(), abs=1e-5
    )
    sure = torch.zeros(1, CLASSES)
    sure[0, CONFLICT_CLASSES.index("lines:ours")] = 40.0
    assert resolution_loss(sure, patterns, chosen, smoothing=0.1) > resolution_loss(
        sure / 10, patterns, chosen, smoothing=0.1
    )


def test_a_column_sees_its_neighbours_before_the_first_layer() -> None:
    net = network(layers=0)
    ids, kinds = batch(20)
    changed = ids.clone()
    changed[0, 10] = 5 + (changed[0, 10] % 7)
    moved = (net.states(ids, kinds) - net.states(changed, kinds)).abs().sum(-1)[0]
    assert (moved > 1e-6).nonzero().flatten().tolist() == list(range(10 - REACH, 10 + REACH + 1))


def test_hunks_that_were_cut_off_cost_nothing() -> None:
    logits, patterns = torch.randn(1, CLASSES), torch.randn(1, 4, 9)
    cut = resolution_loss(logits, patterns, targets([], [[2, 5]], [1]))
    whole = resolution_loss(logits, patterns, targets([], [[2]], [1]))
    assert cut.item() == pytest.approx(whole.item(), abs=1e-6)


def test_the_loss_falls_to_nothing_when_the_network_is_sure_and_right() -> None:
    logits, patterns = torch.zeros(1, CLASSES), torch.zeros(1, 4, 9)
    logits[0, TOKENS] = patterns[0, 1, 4] = 40.0
    chosen = targets([], [[4]], [1])
    assert resolution_loss(logits, patterns, chosen).item() == pytest.approx(0.0, abs=1e-5)
    assert is_right(logits, patterns, chosen).tolist() == [True]
    assert is_right(logits, patterns, targets([], [[3]], [1])).tolist() == [False]
    assert is_right(logits, patterns, targets(["lines:ours"], [], [])).tolist() == [False]


def test_every_part_of_the_network_learns() -> None:
    net = network().train()
    ids, kinds = batch(6, 9)
    one = targets(["lines:ours"], [[0, 1]], [1, 3])
    both = Targets(
        *(torch.cat([value, value]) for value in (one.class_right, one.tuple_right, one.patterns, one.heads))
    )
    resolution_loss(*net(ids, kinds), both).mean().backward()
    for name, value in net.named_parameters():
        assert value.grad is not None and torch.isfinite(value.grad).all(), name
        assert value.grad.abs().sum() > 0 or name.endswith("attention_in.bias"), name
