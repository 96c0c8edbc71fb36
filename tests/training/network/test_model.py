from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mergebert.ranking.classifier import PRIOR_LOG
from mergebert.ranking.columns import CHANGE_TYPES, CONFLICT_CLASSES, EDIT_TYPES, MAX_COLUMNS, PAD
from mergebert.text.patterns import PATTERNS
from mergebert.training.config import ModelConfig
from mergebert.training.network.model import (
    REACH,
    ColumnsNetwork,
    is_right,
    resolution_loss,
    way_log_probabilities,
)
from mergebert.training.network.targets import Targets, Ways, targets_of

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
        kinds[row, :length, :2] = torch.randint(0, len(EDIT_TYPES), (length, 2), generator=draw)
        kinds[row, :length, 2] = torch.randint(0, len(CHANGE_TYPES), (length,), generator=draw)
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


OURS, MIXED = CONFLICT_CLASSES.index("lines:ours"), CONFLICT_CLASSES.index("line merge:mixed")
Way = int | tuple[int, ...]  # a class, or the patterns of the class `tokens`


def conflict(candidates: Sequence[Sequence[Way]], right: Sequence[int]) -> Ways:
    """A conflict with these ways to make each candidate, and which candidates people committed."""
    ways = [(at, way) for at, made in enumerate(candidates) for way in made]
    chosen = [() if isinstance(way, int) else way for _, way in ways]
    return Ways(
        np.array([at for at, _ in ways]),
        np.array([way if isinstance(way, int) else TOKENS for _, way in ways], np.int8),
        np.array([pattern for patterns in chosen for pattern in patterns], np.int8),
        np.array([len(patterns) for patterns in chosen], np.int32),
        np.isin(np.arange(len(candidates)), right),
    )


def targets(*conflicts: Ways, heads: Sequence[Sequence[int]] = ((),)) -> Targets:
    return targets_of(conflicts, [np.array(one, np.int16) for one in heads])


def test_the_loss_sums_over_every_way_to_make_what_is_right() -> None:
    torch.manual_seed(3)
    class_logits, hunk_logits = torch.randn(1, CLASSES), torch.randn(1, 8, len(PATTERNS))
    candidates = [[OURS, (0, 3)], [(1, 1)], [(2, 2), MIXED]]
    found = resolution_loss(class_logits, hunk_logits, targets(conflict(candidates, [0, 1]), heads=[[2, 6]]))

    shares, patterns = class_logits[0].softmax(0), hunk_logits[0].softmax(1)
    by_tokens = [
        shares[TOKENS] * patterns[2, one] * patterns[6, two] for one, two in ((0, 3), (1, 1), (2, 2))
    ]
    right = shares[OURS] + by_tokens[0] + by_tokens[1]
    wanted = -torch.log(right / (right + by_tokens[2] + shares[MIXED]))
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)


def test_a_class_of_many_candidates_is_no_safe_bet() -> None:
    logits = torch.full((1, CLASSES), -20.0)
    logits[0, MIXED] = 20.0
    mixed = conflict([[MIXED], [MIXED], [MIXED], [MIXED]], [2])
    assert resolution_loss(logits, torch.zeros(1, 1, 9), targets(mixed)).item() == pytest.approx(np.log(4))


def test_conflicts_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(4)
    class_logits, hunk_logits = torch.randn(2, CLASSES), torch.randn(2, 8, len(PATTERNS))
    one, other = conflict([[(4, 5)], [OURS]], [0]), conflict([[(7,), MIXED], [OURS], [3]], [1])
    together = resolution_loss(class_logits, hunk_logits, targets(one, other, heads=[[0, 3], [5]]))
    apart = [
        resolution_loss(class_logits[at : at + 1], hunk_logits[at : at + 1], targets(ways, heads=[heads]))
        for at, (ways, heads) in enumerate(((one, [0, 3]), (other, [5])))
    ]
    assert torch.allclose(together, torch.cat(apart))


def test_a_clean_token_merge_needs_no_pattern() -> None:
    logits = torch.randn(1, CLASSES)
    found = way_log_probabilities(logits, torch.randn(1, 4, 9), targets(conflict([[()]], [0])))
    assert found.item() == pytest.approx(logits[0].log_softmax(0)[TOKENS].item(), abs=1e-5)


def test_a_column_sees_its_neighbours_before_the_first_layer() -> None:
    net = network(layers=0)
    ids, kinds = batch(20)
    changed = ids.clone()
    changed[0, 10] = 5 + (changed[0, 10] % 7)
    moved = (net.states(ids, kinds) - net.states(changed, kinds)).abs().sum(-1)[0]
    assert (moved > 1e-6).nonzero().flatten().tolist() == list(range(10 - REACH, 10 + REACH + 1))


def test_hunks_that_were_cut_off_are_told_by_the_prior() -> None:
    logits, patterns = torch.randn(1, CLASSES), torch.randn(1, 4, 9)
    cut = way_log_probabilities(logits, patterns, targets(conflict([[(2, 5)]], [0]), heads=[[1, -1]]))
    whole = way_log_probabilities(logits, patterns, targets(conflict([[(2,)]], [0]), heads=[[1]]))
    assert cut.item() == pytest.approx(whole.item() + PRIOR_LOG[5], abs=1e-5)


def test_the_loss_falls_to_nothing_when_the_network_is_sure_and_right() -> None:
    logits, patterns = torch.zeros(1, CLASSES), torch.zeros(1, 4, 9)
    logits[0, TOKENS] = patterns[0, 1, 4] = 40.0
    candidates = [[(4,)], [(3,)], [OURS]]
    chosen = [targets(conflict(candidates, [at]), heads=[[1]]) for at in range(3)]
    assert resolution_loss(logits, patterns, chosen[0]).item() == pytest.approx(0.0, abs=1e-5)
    assert [is_right(logits, patterns, one).tolist() for one in chosen] == [[True], [False], [False]]


def test_every_part_of_the_network_learns() -> None:
    net = network().train()
    ids, kinds = batch(6, 9)
    one = conflict([[OURS, (0, 1)], [(2, 3)], [MIXED]], [0])
    resolution_loss(*net(ids, kinds), targets(one, one, heads=[[1, 3], [1, 3]])).mean().backward()
    for name, value in net.named_parameters():
        assert value.grad is not None and torch.isfinite(value.grad).all(), name
        assert value.grad.abs().sum() > 0 or name.endswith("attention_in.bias"), name
