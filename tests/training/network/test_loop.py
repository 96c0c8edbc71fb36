from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mergebert.training.network.loop import Schedule, TrainingRun, Validation, device, train

PLAN = Schedule(steps=60, learning_rate=0.05, warm_up=0.1, weight_decay=0.01)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def batches(start: int) -> Iterator[int]:
    """The numbers of the batches, from a step on."""
    return count(start)


def loss_of(net: nn.Module, until: int = 10**9) -> Callable[[int], tuple[Tensor, int]]:
    """A loss of a batch that depends on its number alone; the power fails at batch `until`."""

    def loss(number: int) -> tuple[Tensor, int]:
        if number >= until:
            raise KeyboardInterrupt
        rows = torch.randn((16, 3), generator=torch.Generator().manual_seed(number))
        return ((net(rows)[:, 0] - rows.sum(1)) ** 2).mean(), 48

    return loss


def weights(net: nn.Module) -> Tensor:
    return torch.cat([value.detach().flatten() for value in net.parameters()])


def lines(run: TrainingRun) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().strip().split("\n")]


def test_training_lowers_the_loss_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, run = network(), TrainingRun(tmp_path, 1000.0)
    before = loss_of(net)(999)[0].item()
    train(net, batches, loss_of(net), (PLAN, run))
    assert loss_of(net)(999)[0].item() < before / 2
    assert [line["step"] for line in lines(run)] == [50, 60]
    assert all(
        line["of"] == 60 and line["loss"] >= 0 and line["columns_per_second"] > 0 for line in lines(run)
    )
    assert '"step": 60' in capsys.readouterr().out
    assert run.checkpoint.exists()


def test_a_figure_that_is_no_number_is_null(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path, 1000.0)
    run.log(step=1, loss=float("nan"), other=float("inf"))
    assert lines(run) == [{"step": 1, "loss": None, "other": None}]


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = network()
    train(whole, batches, loss_of(whole), (PLAN, _run(tmp_path / "whole")))

    run = _run(tmp_path / "cut", checkpoint_seconds=0.0)
    first = network()
    with pytest.raises(KeyboardInterrupt):
        train(first, batches, loss_of(first, until=23), (PLAN, run))
    assert torch.load(run.checkpoint, weights_only=True)["step"] == 23

    asked: list[int] = []

    def watched(start: int) -> Iterator[int]:
        asked.append(start)
        return batches(start)

    second = network()
    train(second, watched, loss_of(second), (PLAN, run))
    assert asked == [23]
    assert torch.allclose(weights(second), weights(whole), atol=1e-6)


def test_a_finished_run_is_not_trained_further(tmp_path: Path) -> None:
    run, net = _run(tmp_path), network()
    train(net, batches, loss_of(net), (PLAN, run))
    again = network()
    train(again, batches, loss_of(again, until=0), (PLAN, run))
    assert torch.equal(weights(again), weights(net))


def test_a_torn_checkpoint_never_stands_in_the_place_of_a_whole_one(tmp_path: Path) -> None:
    run, net = _run(tmp_path, checkpoint_seconds=0.0), network()
    train(net, batches, loss_of(net), (PLAN, run))
    assert {file.name for file in tmp_path.iterdir()} == {"checkpoint.pt", "log.jsonl"}


def test_batches_may_run_out(tmp_path: Path) -> None:
    run, net = _run(tmp_path), network()
    train(net, lambda start: iter(range(start, 7)), loss_of(net), (PLAN, run))
    assert torch.load(run.checkpoint, weights_only=True)["step"] == 7


def checked(losses: list[float]) -> Callable[[], float]:
    """Says one loss after the other, whatever the network does."""
    left = iter(losses)
    return lambda: next(left)


def test_the_weights_that_did_best_are_kept(tmp_path: Path) -> None:
    run, net = _run(tmp_path), network()
    seen: list[Tensor] = []

    def look() -> float:
        seen.append(weights(net))
        assert not net.training
        return [0.5, 0.2, 0.4, 0.3][len(seen) - 1]

    train(net, batches, loss_of(net), (PLAN, run), Validation(look, steps=15, patience=0))
    assert len(seen) == 4
    best = network()
    best.load_state_dict(run.weights())
    assert torch.equal(weights(best), seen[1])
    assert torch.load(run.best, weights_only=True)["step"] == 30
    assert run.is_finished and net.training


def test_training_ends_when_nothing_is_gained(tmp_path: Path) -> None:
    run, net = _run(tmp_path), network()
    losses = [0.9, 0.5, 0.6, 0.7, 0.1]
    train(net, batches, loss_of(net), (PLAN, run), Validation(checked(losses), steps=10, patience=2))
    assert torch.load(run.checkpoint, weights_only=True)["step"] == 40
    assert torch.load(run.best, weights_only=True)["step"] == 20
    assert run.is_finished


def test_patience_outlives_an_interruption(tmp_path: Path) -> None:
    run, net = _run(tmp_path, checkpoint_seconds=0.0), network()
    check = Validation(checked([0.5, 0.6]), steps=10, patience=2)
    with pytest.raises(KeyboardInterrupt):
        train(net, batches, loss_of(net, until=25), (PLAN, run), check)
    assert not run.is_finished
    again = network()
    train(again, batches, loss_of(again), (PLAN, run), Validation(checked([0.55, 0.1]), steps=10, patience=2))
    assert torch.load(run.checkpoint, weights_only=True)["step"] == 30
    assert torch.load(run.best, weights_only=True)["loss"] == 0.5


def test_a_run_that_was_never_checked_has_its_newest_weights(tmp_path: Path) -> None:
    run, net = _run(tmp_path), network()
    train(net, batches, loss_of(net), (PLAN, run))
    assert not run.best.exists()
    assert all(torch.equal(run.weights()[name], value) for name, value in net.state_dict().items())


def test_parameters_learn_at_their_own_rate(tmp_path: Path) -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    plan = Schedule(20, 0.05, 0.1, 0.0, (("0.", 0.0), ("", 0.5)))
    assert plan.factor("0.weight") == 0.0 and plan.factor("2.bias") == 0.5 and PLAN.factor("0.weight") == 1.0
    train(net, batches, loss_of(net), (plan, _run(tmp_path)))
    same = {name for name, value in net.state_dict().items() if torch.equal(value, before[name])}
    assert same == {"0.weight", "0.bias"}


def test_chance_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Dropout draws after an interruption what it would have drawn without one."""

    def noisy(net: nn.Module, until: int = 10**9) -> Callable[[int], tuple[Tensor, int]]:
        plain = loss_of(net, until)
        return lambda number: (plain(number)[0] * (1 + torch.rand(())), 48)

    whole, cut, rest = network(), network(), network()
    torch.manual_seed(7)
    train(whole, batches, noisy(whole), (PLAN, _run(tmp_path / "whole")))
    run = _run(tmp_path / "cut", checkpoint_seconds=0.0)
    torch.manual_seed(7)
    with pytest.raises(KeyboardInterrupt):
        train(cut, batches, noisy(cut, until=31), (PLAN, run))
    torch.manual_seed(8)
    train(rest, batches, noisy(rest), (PLAN, run))
    assert torch.allclose(weights(rest), weights(whole), atol=1e-6)


def test_a_gpu_is_used_where_there_is_one() -> None:
    assert device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_rate_rises_and_falls() -> None:
    rates = [PLAN.rate(step) for step in range(PLAN.steps + 5)]
    assert rates[:6] == pytest.approx([0.05 * (step + 1) / 6 for step in range(6)])
    assert max(rates) == pytest.approx(0.05)
    assert all(one >= other for one, other in pairwise(rates[5:]))
    assert rates[-1] == pytest.approx(0.05 * 0.05)
    assert Schedule(1, 0.1, 0.0, 0.0).rate(0) == 0.1


def _run(folder: Path, checkpoint_seconds: float = 1000.0) -> TrainingRun:
    folder.mkdir(exist_ok=True)
    return TrainingRun(folder, checkpoint_seconds)
