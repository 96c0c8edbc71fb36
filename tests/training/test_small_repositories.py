from __future__ import annotations

from pathlib import Path

import numpy as np

from mergebert.encode import CONFLICT_CLASSES
from mergebert.patterns import PRIOR
from mergebert.training.dataset import Conflicts
from mergebert.training.prepare import _Arrays
from mergebert.training.rank import normalised

PRIOR_LOG = np.log(np.array(list(PRIOR.values()), np.float32))


def test_a_repository_without_any_conflict_that_tokens_resolve_is_read(tmp_path: Path) -> None:
    arrays = _Arrays(names=("one",))
    right = np.zeros(len(CONFLICT_CLASSES), bool)
    right[0] = True
    row = {
        "merge": 0, "grade": 0, "duplicate": False, "class_right": right, "tuples": 0,
        "ids": np.ones((3, 3), np.int16), "kinds": np.zeros((3, 3), np.int8), "heads": np.zeros(0, np.int16),
    }  # fmt: skip
    for name, value in row.items():
        arrays.rows[name].append(value)
    arrays.rows["tuple_patterns"] += []
    arrays.write(tmp_path / "tiny.npz")

    conflicts = Conflicts([tmp_path / "tiny.npz"])

    assert conflicts.chosen(10, 0) == [0]


def test_the_mean_of_two_networks_is_a_probability_again_and_the_prior_stays() -> None:
    rows = np.stack([np.log(np.full(9, 0.05, np.float32)), PRIOR_LOG])

    found = normalised(rows, np.array([4, -1]))

    assert np.isclose(np.exp(found[0]).sum(), 1.0)
    assert (found[1] == PRIOR_LOG).all()
    assert normalised(np.zeros((0, 9), np.float32), np.zeros(0, np.int16)).shape == (0, 9)
