"""A learning curve in miniature, on top of the run that the other tests look at."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mergebert.repository_names import repository_name
from mergebert.training import cli
from mergebert.training.config import TrainConfig, load_config
from mergebert.training.dataset.mined import DEVELOPMENT, TEST, TRAIN
from mergebert.training.dataset.prepared import PreparedRepository, prepared_names
from mergebert.training.experiments import learning_curve
from mergebert.training.experiments.learning_curve import (
    ADDED,
    ALONE,
    SHOWN,
    WITH_NETWORK,
    config_of,
    markdown,
)
from mergebert.training.storage import read_arrays
from mergebert.training.workspace import Workspace
from tests.training.tiny_run import TABLE, asked


@pytest.fixture(scope="module")
def settings(finished_run: Path) -> TrainConfig:
    return load_config(finished_run)


@pytest.fixture(scope="module")
def points(finished_run: Path, settings: TrainConfig) -> list[dict[str, Any]]:
    """The points of a curve over half of the repositories and all of them."""
    arguments = asked(cli.add_train_arguments, str(finished_run), "--jobs", "1", "--curve", "1", "1/2")
    assert cli.run_train(arguments) == 0
    return json.loads((Workspace(settings).curve / "curve.json").read_text())


@pytest.mark.slow
def test_a_point_for_each_share(points: list[dict[str, Any]], settings: TrainConfig) -> None:
    assert [point["share"] for point in points] == ["1/2", "1"]
    assert [point["repositories"] for point in points] == [2, 4]
    assert 0 < points[0]["conflicts taught"] < points[1]["conflicts taught"]
    for point in points:
        assert point["test repositories"] == len(TABLE[TEST])
        assert point["figures"].keys() == {ALONE, WITH_NETWORK, ADDED}
        for found in point["figures"].values():
            assert found.keys() == set(SHOWN)
            assert all(one["low"] <= one["value"] <= one["high"] for one in found.values())


@pytest.mark.slow
def test_every_located_test_conflict_is_counted(points: list[dict[str, Any]], settings: TrainConfig) -> None:
    ones = [PreparedRepository(Workspace(settings).tested(name)) for name in TABLE[TEST]]
    assert points[0]["test conflicts"] == sum(int(one.counted(10, settings.seed).sum()) for one in ones)


@pytest.mark.slow
def test_a_share_learns_from_its_own_repositories_with_what_all_share(
    points: list[dict[str, Any]], settings: TrainConfig
) -> None:
    half = config_of(settings, Fraction(1, 2))
    assert set(prepared_names(half, TRAIN)) < set(prepared_names(settings, TRAIN))
    assert prepared_names(half, DEVELOPMENT) == prepared_names(settings, DEVELOPMENT)
    assert Workspace(half).tokenizer == Workspace(settings).tokenizer
    known = {repository_name(path.stem) for path in (half.workspace / "logits").iterdir()}
    assert known == {*prepared_names(half, TRAIN), *TABLE[DEVELOPMENT]}
    assert not (half.workspace / "pretrained").exists() and not (half.workspace / "prepared").exists()
    assert config_of(settings, Fraction(1)) is settings


@pytest.mark.slow
def test_test_repositories_are_read_for_the_curve_alone(
    points: list[dict[str, Any]], settings: TrainConfig
) -> None:
    assert prepared_names(settings, TEST) == []
    made = {path for path in settings.workspace.rglob("*") if path.name.startswith("own+test")}
    assert made == {Workspace(settings).tested(name) for name in TABLE[TEST]}
    assert all(len(read_arrays(path)["merge"]) for path in made)


@pytest.mark.slow
def test_a_curve_is_not_drawn_again(
    finished_run: Path, points: list[dict[str, Any]], settings: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curve, "train_networks", None)
    assert learning_curve.learning_curve(settings, [Fraction(1, 2), Fraction(1)], 1) == points


@pytest.mark.slow
def test_the_curve_is_shown_as_table_and_picture(points: list[dict[str, Any]], settings: TrainConfig) -> None:
    table = (Workspace(settings).curve / "curve.md").read_text()
    assert table == markdown(points) + "\n"
    lines = table.strip().split("\n")
    assert len(lines) == 2 + 3 * len(points)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| 1/2 | 2 |")
    assert all((Workspace(settings).curve / f"curve.{form}").stat().st_size > 5000 for form in ("png", "svg"))


@pytest.mark.parametrize("text", ["0", "2", "1/0", "half", "1.5"])
def test_a_share_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked(cli.add_train_arguments, "tiny.toml", "--curve", text)
    assert "is not a share" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "two"])
def test_no_processes_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked(cli.add_train_arguments, "tiny.toml", "--jobs", text)
    assert "is not a whole number above 0" in capsys.readouterr().err
