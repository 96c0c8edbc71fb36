from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from mergebert.errors import InputError
from mergebert.ranking.columns import GAP, PAD, START
from mergebert.training.config import ModelConfig, TrainConfig, load_config
from mergebert.training.dataset.mined import TRAIN
from mergebert.training.network.batches import EncodedColumns
from mergebert.training.network.finetune import initial_network
from mergebert.training.network.loop import TrainingRun
from mergebert.training.network.masking import MASK
from mergebert.training.network.model import HEADS, ColumnsNetwork
from mergebert.training.network.pretrain import (
    MaskedNetwork,
    batch_of,
    log_frequencies,
    masked_metrics,
    pretrained_encoder,
    pretraining_run,
)
from mergebert.training.network.stages import pretrain_encoder
from mergebert.training.storage import read_arrays
from mergebert.training.workspace import Workspace
from tests.training.tiny_run import TABLE

TINY = ModelConfig(vocabulary=320, width=16, layers=1, heads=2, dropout=0.0)


@pytest.fixture
def settings(finished_run: Path) -> TrainConfig:
    return load_config(finished_run)


@pytest.fixture
def encoded(settings: TrainConfig) -> EncodedColumns:
    found = EncodedColumns()
    found.add(read_arrays(Workspace(settings).prepared(TABLE[TRAIN][0])))
    return found


def test_the_mask_is_no_subword(encoded: EncodedColumns) -> None:
    assert not any((row == MASK).any() for row in encoded.ids)


def test_what_was_seen_before_is_left_out(settings: TrainConfig) -> None:
    arrays = read_arrays(Workspace(settings).prepared(TABLE[TRAIN][0]))
    arrays["duplicate"][:] = False
    arrays["duplicate"][1] = True
    found = EncodedColumns()
    found.add(arrays)
    assert len(found.ids) == len(arrays["duplicate"]) - 1


@torch.no_grad()
def test_logits_are_worked_out_where_they_are_asked_for_and_nowhere_else(encoded: EncodedColumns) -> None:
    torch.manual_seed(0)
    network = MaskedNetwork(TINY).eval()
    batch = batch_of(encoded, range(5), 0.3, (0, 1))
    logits = network(batch.ids, batch.kinds, batch.asked)
    assert logits.shape == (int(batch.asked.sum()), TINY.vocabulary)

    ids, _ = encoded.padded(range(5))
    states = network.encoder.states(batch.ids, batch.kinds)
    at = 0
    for side in range(3):
        for row, column in batch.asked[:, :, side].nonzero():
            state = network.norm(functional.gelu(network.tell[side](states[row, column])))
            by_hand = network.encoder.words.weight @ state + network.bias
            assert torch.allclose(logits[at], by_hand, atol=1e-4)
            assert batch.masked_subwords[at] == ids[row, column, side]
            assert batch.changed[at] == (len(set(ids[row, column])) > 1)
            at += 1
    assert at == len(logits)


def test_pretraining_learns_to_tell_what_is_hidden(encoded: EncodedColumns, settings: TrainConfig) -> None:
    torch.manual_seed(0)
    network = MaskedNetwork(TINY)
    before = masked_metrics(network.eval(), encoded, settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(40):
        batch = batch_of(encoded, range(len(encoded.ids)), 0.3, (0, step))
        loss = functional.cross_entropy(network(batch.ids, batch.kinds, batch.asked), batch.masked_subwords)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = masked_metrics(network.eval(), encoded, settings)
    assert after["loss"] < 0.6 * before["loss"]
    assert after["accuracy"] > before["accuracy"] + 0.2
    assert masked_metrics(network, encoded, settings) == after
    assert min(after["loss, changed"], after["loss, unchanged"]) < after["loss"]


@torch.no_grad()
def test_how_common_a_subword_is_need_not_be_learnt(encoded: EncodedColumns, settings: TrainConfig) -> None:
    shares = log_frequencies(encoded, TINY.vocabulary).exp()
    assert shares.sum().item() == pytest.approx(1.0, abs=1e-5)
    ids = np.concatenate(encoded.ids).ravel()
    subwords = ids[~np.isin(ids, (PAD, GAP, START))]
    common = np.bincount(subwords).argmax()
    assert shares.argmax() == common
    torch.manual_seed(0)
    network = MaskedNetwork(TINY).eval()
    before = masked_metrics(network, encoded, settings)
    network.bias.data = shares.log()
    assert masked_metrics(network, encoded, settings)["loss"] < 0.8 * before["loss"]


def test_a_run_logs_how_it_does_on_development_repositories(settings: TrainConfig) -> None:
    run = pretraining_run(settings)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().strip().split("\n")]
    trained = sum(len(read_arrays(Workspace(settings).prepared(name))["merge"]) for name in TABLE[TRAIN])
    fresh = sum(
        int((~read_arrays(Workspace(settings).prepared(name))["duplicate"]).sum()) for name in TABLE[TRAIN]
    )
    clean = sum(len(read_arrays(Workspace(settings).clean(name))["ids_sizes"]) for name in TABLE[TRAIN])
    assert clean > 0
    assert lines[0]["windows"] == fresh + clean < trained + clean
    checks = [line for line in lines if "development loss" in line]
    assert len(checks) >= 2
    assert checks[-1]["development loss"] < checks[0]["development loss"]
    assert {"development accuracy, changed", "development accuracy, unchanged"} <= checks[0].keys()
    assert run.is_finished


def test_a_finished_pretraining_is_not_taken_up_again(settings: TrainConfig) -> None:
    run = pretraining_run(settings)
    before = run.checkpoint.stat().st_mtime_ns
    pretrain_encoder(settings)
    assert run.checkpoint.stat().st_mtime_ns == before


def test_another_run_goes_on_from_it(settings: TrainConfig, tmp_path: Path) -> None:
    """On new data, with the same tokenizer: nothing is learnt twice."""
    folder = pretraining_run(settings).folder
    follower = replace(
        settings,
        workspace=tmp_path,
        pretrain=replace(settings.pretrain, start=str(folder), learning_rate=0.0),
    )
    for folder in ("prepared", "clean"):
        (tmp_path / folder).symlink_to(settings.workspace / folder)
    pretrain_encoder(follower)
    ours, theirs = pretraining_run(follower).newest(), pretraining_run(settings).newest()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_network_starts_from_the_pretrained_encoder_under_new_heads(
    settings: TrainConfig, tmp_path: Path
) -> None:
    encoder = pretrained_encoder(settings)
    assert encoder is not None
    assert not any(name.startswith(HEADS) for name in encoder)
    started = initial_network(settings).state_dict()
    assert all(torch.equal(started[name], encoder[name]) for name in encoder)
    assert started.keys() - encoder.keys() == {name for name in started if name.startswith(HEADS)}

    assert pretrained_encoder(replace(settings, workspace=tmp_path)) is None
    torch.manual_seed(1)
    plain = ColumnsNetwork(settings.model).state_dict()
    torch.manual_seed(1)
    bare = initial_network(replace(settings, workspace=tmp_path)).state_dict()
    assert all(torch.equal(bare[name], plain[name]) for name in plain)


def test_an_encoder_of_another_shape_is_refused(settings: TrainConfig) -> None:
    wider = replace(settings, model=replace(settings.model, width=32))
    with pytest.raises(InputError, match="pretrain again"):
        initial_network(wider)


def test_the_newest_encoder_is_used(settings: TrainConfig, tmp_path: Path) -> None:
    """Nothing is learnt by heart in few passes, so what was learnt last is never worse."""
    run = pretraining_run(settings)
    newest, encoder = torch.load(run.checkpoint, weights_only=True)["network"], pretrained_encoder(settings)
    assert encoder is not None
    assert all(torch.equal(encoder[name], newest[f"encoder.{name}"]) for name in encoder)
    assert TrainingRun(tmp_path, 0).is_finished is False


def test_hidden_subwords_change_with_the_step(encoded: EncodedColumns) -> None:
    one, two = (batch_of(encoded, range(4), 0.3, (0, step)).asked.numpy() for step in (1, 2))
    assert not np.array_equal(one, two)
