from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mergebert.example import GRADES
from mergebert.training import cli
from mergebert.training.config import TrainConfig, load_config
from mergebert.training.dataset.mined import TRAIN
from mergebert.training.dataset.prepared import PreparedRepository, located
from mergebert.training.experiments.grade_comparison import SHOWN, SUBSETS, markdown
from mergebert.training.network.batches import LabelledConflicts
from mergebert.training.ranker.fit import BASELINE, FittedRanker
from mergebert.training.ranker.tables import drawn_conflicts, first_pass, table
from mergebert.training.storage import read_arrays
from mergebert.training.workspace import Workspace
from tests.training.tiny_run import TABLE, asked


@pytest.fixture(scope="module")
def settings(finished_run: Path) -> TrainConfig:
    return load_config(finished_run)


@pytest.fixture(scope="module")
def prepared(settings: TrainConfig) -> Path:
    return Workspace(settings).prepared(TABLE[TRAIN][0])


@pytest.mark.parametrize("grades", ["a", "bc", "abcd"])
def test_network_and_ranker_learn_from_the_grades_that_are_wanted(grades: str, prepared: Path) -> None:
    arrays = read_arrays(prepared)
    wanted = np.array([at >= 0 and GRADES[at] in grades for at in arrays["grade"]]) & ~arrays["duplicate"]
    assert np.array_equal(located(arrays, grades), wanted)
    conflicts = LabelledConflicts([prepared], grades)
    assert wanted.any()
    assert {at for at, usable in enumerate(conflicts.usable) if usable} <= set(np.flatnonzero(wanted))
    one = PreparedRepository(prepared)
    assert np.array_equal(one.counted(1000, 0, grades), wanted)


def test_a_limit_on_the_hunks_draws_the_same_ones_in_every_view(
    prepared: Path, settings: TrainConfig
) -> None:
    one = PreparedRepository(prepared)
    part = first_pass(one)
    few = table([part, part], drawn_conflicts([one], replace(settings.ranker, hunks=3), seed=0))
    assert len(few.sizes) == 6
    assert few.sizes[:3].tolist() == few.sizes[3:].tolist()
    assert np.array_equal(
        few.features[: few.sizes[:3].sum()], few.features[few.sizes[:3].sum() :], equal_nan=True
    )
    plenty = table([part], drawn_conflicts([one], replace(settings.ranker, hunks=10**6), seed=0))
    assert len(plenty.sizes) == one.counted(settings.ranker.hunks_a_merge, 0).sum()


def test_choices_of_grades_are_compared_over_as_many_conflicts(
    finished_run: Path, settings: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_train(asked(cli.add_train_arguments, str(finished_run), "--jobs", "1", "--grades")) == 0
    measured = json.loads((settings.workspace / "grades" / "grades.json").read_text())
    assert list(measured) == ["a", "ab", "abc", "abcd"]
    for views in measured.values():
        assert views.keys() == set(SUBSETS.values())
        assert views["grades a and b"]["conflicts"] < views["all"]["conflicts"]
        assert all(set(SHOWN) <= found.keys() for found in views.values())
    assert capsys.readouterr().out.endswith(markdown(measured) + "\n")
    assert len(markdown(measured).split("\n")) == 2 + 2 * len(measured)
    for choice in measured:
        fitted = FittedRanker(settings.workspace / "grades" / choice / "ranker" / BASELINE)
        assert fitted.facts["taught"] == min(_count_located(settings, one) for one in measured) > 0


def _count_located(settings: TrainConfig, grades: str) -> int:
    ones = [PreparedRepository(Workspace(settings).prepared(name)) for name in TABLE[TRAIN]]
    return sum(int(one.counted(settings.ranker.hunks_a_merge, settings.seed, grades).sum()) for one in ones)


def test_a_figure_over_no_conflicts_is_a_dash() -> None:
    found = {**dict.fromkeys(SHOWN), "conflicts": 0}
    assert markdown({"a": {"all": found}}).endswith("| a | all | 0 |" + " - |" * (len(SHOWN) - 1))
