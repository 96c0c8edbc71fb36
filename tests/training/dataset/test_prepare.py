from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from mergebert.errors import DatasetError
from mergebert.example import GRADES, FileExample
from mergebert.ranking.classifier import Scores, candidate_logs, hunk_scores, log_softmax
from mergebert.ranking.columns import CONFLICT_CLASSES, MAX_COLUMNS, conflict_class
from mergebert.ranking.evidence import FileEvidence
from mergebert.ranking.model_input import ModelInput, model_inputs
from mergebert.ranking.neighbours import kind_of
from mergebert.text.equivalence import LEVELS, strictest_levels
from mergebert.text.patterns import PATTERNS
from mergebert.training.dataset.mined import merges_of
from mergebert.training.dataset.prepare import CONFLICTS_A_MERGE, UNLIKE, capped, file_merge, prepare
from mergebert.training.dataset.prepared import ragged_rows, right_options
from mergebert.training.network.batches import LabelledConflicts, from_step
from mergebert.training.network.model import logsumexp_by_group, way_log_probabilities
from mergebert.training.network.targets import targets_of
from mergebert.training.storage import Arrays, read_arrays
from tests.training.synthetic import example, examples

MINED = examples("own/er", 14)


def subwords(token: str) -> list[int]:
    return [5 + ord(letter) % 90 for letter in token[:3]]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("prepared") / "deep" / "own+er.npz"
    assert prepare(MINED, subwords, target) == sum(len(one.conflicts) for one in MINED)
    assert [file.name for file in target.parent.iterdir()] == ["own+er.npz"]
    return target


@pytest.fixture(scope="module")
def arrays(path: Path) -> Arrays:
    return read_arrays(path)


@pytest.fixture(scope="module")
def known() -> list[tuple[ModelInput, FileExample, int]]:
    """The model input of every conflict, made again, with its example, in the order of the arrays."""
    found = []
    for group in map(capped, merges_of(MINED)):
        for one in group:
            inputs = model_inputs(FileEvidence(file_merge(one)), subwords)
            found += [(conflict, one, at) for at, conflict in enumerate(inputs)]
    return found


def test_every_conflict_is_a_row(arrays: Arrays, known: list[tuple[ModelInput, FileExample, int]]) -> None:
    count = len(known)
    assert count > 20
    for name in ("merge", "file_number", "located", "duplicate"):
        assert len(arrays[name]) == count
    for name in ("ids", "kinds", "heads", "features", "kind_of", "sameness", "class_of"):
        assert len(arrays[f"{name}_sizes"]) == count
        assert arrays[f"{name}_sizes"].sum() == len(arrays[name])


def test_columns_and_features_are_those_of_the_run_time(
    arrays: Arrays, known: list[tuple[ModelInput, FileExample, int]]
) -> None:
    ids, kinds, heads, features = (
        ragged_rows(arrays, name) for name in ("ids", "kinds", "heads", "features")
    )
    names = [str(name) for name in arrays["names"]]
    for row, (one, _, _) in enumerate(known):
        assert np.array_equal(ids[row], one.columns.ids)
        assert np.array_equal(kinds[row], one.columns.kinds)
        assert heads[row].tolist() == list(one.columns.heads)
        assert len(ids[row]) <= MAX_COLUMNS
        wanted = [[values.get(name, np.nan) for name in names] for values in one.features]
        assert np.array_equal(features[row], np.array(wanted, np.float32), equal_nan=True)
        assert set(names) == set(one.features[0])


def test_how_much_each_candidate_is_like_what_people_committed(
    arrays: Arrays, known: list[tuple[ModelInput, FileExample, int]]
) -> None:
    sameness, classes, kinds = (ragged_rows(arrays, name) for name in ("sameness", "class_of", "kind_of"))
    for row, (one, mined, index) in enumerate(known):
        resolution = mined.conflicts[index].resolution
        assert arrays["located"][row] == (resolution is not None)
        assert arrays["duplicate"][row] == mined.conflicts[index].duplicate
        grade = mined.conflicts[index].grade
        assert arrays["grade"][row] == (GRADES.index(grade) if grade else -1)
        assert kinds[row].tolist() == [kind_of(option) for option in one.options]
        assert arrays["cleaned"][row] == mined.is_cleaned
        assert classes[row].tolist() == list(one.classes)
        texts = [option.text for option in one.options]
        levels = (
            [None] * len(texts) if resolution is None else strictest_levels(texts, resolution, one.passage)
        )
        assert [None if at == UNLIKE else LEVELS[at] for at in sameness[row]] == levels


def test_the_network_is_taught_what_it_is_believed_at_run_time(
    path: Path, known: list[tuple[ModelInput, FileExample, int]]
) -> None:
    found, draw = LabelledConflicts([path]), np.random.default_rng(1)
    for at, (one, _, _) in enumerate(known):
        classes = log_softmax(draw.normal(size=len(CONFLICT_CLASSES)))
        columns = draw.normal(size=(len(found.ids[at]), len(PATTERNS))).astype(np.float32)
        scores = Scores(classes, hunk_scores(columns, one.columns.heads))
        chosen = targets_of([found.ways[at]], [found.heads[at]])
        logs = way_log_probabilities(torch.from_numpy(classes)[None], torch.from_numpy(columns)[None], chosen)
        believed = logsumexp_by_group(logs, chosen.option, len(one.options))
        assert np.allclose(believed.numpy(), candidate_logs(scores, one.options), atol=1e-4)


def test_origins_are_kept_for_the_network(
    arrays: Arrays, known: list[tuple[ModelInput, FileExample, int]]
) -> None:
    origins = [origin for one, _, _ in known for option in one.options for origin in option.origins]
    assert arrays["origins"].sum() == len(origins)
    assert arrays["origin_class"].tolist() == list(map(conflict_class, origins))
    for row, origin in zip(ragged_rows(arrays, "origin_patterns"), origins, strict=True):
        assert [PATTERNS[at] for at in row] == (list(origin.patterns) if origin.method == "tokens" else [])


def test_the_same_twice(path: Path, tmp_path: Path) -> None:
    again = [one for merge in merges_of(MINED) for one in merge[::-1]]
    prepare(again, subwords, tmp_path / "again.npz")
    before, after = read_arrays(path), read_arrays(tmp_path / "again.npz")
    assert before.keys() == after.keys()
    assert all(
        np.array_equal(before[name], after[name], equal_nan=before[name].dtype.kind == "f") for name in before
    )


def test_files_of_a_merge_stand_together(arrays: Arrays) -> None:
    assert (np.diff(arrays["merge"]) >= 0).all()
    assert (np.diff(arrays["file_number"]) >= 0).all()
    for file in np.unique(arrays["file_number"]):
        assert len(set(arrays["merge"][arrays["file_number"] == file])) == 1


def test_giant_merges_are_cut_by_whole_files() -> None:
    one = example("own/er", 0)
    many = [replace(one, path=f"{at}.py", conflicts=one.conflicts * 10) for at in range(9)]
    kept = capped(many)
    assert len(kept) == 3
    assert sum(len(file.conflicts) for file in kept) <= CONFLICTS_A_MERGE
    assert capped(many[::-1]) == kept


def test_one_giant_file_is_kept() -> None:
    one = example("own/er", 0)
    giant = replace(one, conflicts=one.conflicts * 100)
    assert capped([giant]) == [giant]


def test_merges_are_those_that_stand_together() -> None:
    one = example("own/er", 0)
    other = replace(one, merge="other")
    assert list(merges_of([one, one, other])) == [[one, one], [other]]


def test_conflicts_to_learn_from(path: Path, arrays: Arrays) -> None:
    found = LabelledConflicts([path, path])
    hit = np.array([row.any() for row in right_options(arrays)])
    usable = arrays["located"] & ~arrays["duplicate"] & hit
    assert found.usable == [*usable, *usable]
    assert 0 < usable.sum() < len(usable)

    chosen = found.chosen(2, seed=1)
    assert chosen == found.chosen(2, seed=1) != found.chosen(2, seed=2)
    assert all(found.usable[at] for at in chosen)
    merges = [found.merge[at] for at in chosen]
    assert max(map(merges.count, merges)) == 2
    assert len(found.chosen(1000, seed=1)) == 2 * usable.sum()

    groups = list(found.batches(chosen, 400, seed=3))
    assert sorted(at for group in groups for at in group) == sorted(chosen)
    assert all(
        len(group) == 1 or len(group) * max(len(found.ids[at]) for at in group) <= 400 for group in groups
    )


def test_batches_go_on_from_any_step_over_the_ends_of_epochs() -> None:
    epochs = [[[0], [1, 2]], [[2], [0], [1]]]

    def epoch(number: int) -> Iterator[list[int]]:
        return iter(epochs[number % 2])

    whole = list(islice(from_step(0, epoch), 7))
    assert whole == list(enumerate([*epochs[0], *epochs[1], *epochs[0]]))
    assert list(islice(from_step(3, epoch), 4)) == whole[3:]


def test_epochs_without_a_batch_are_refused() -> None:
    with pytest.raises(DatasetError, match="no conflict to train on"):
        next(from_step(0, lambda number: iter([])))


def test_tensors_of_a_batch(path: Path) -> None:
    found = LabelledConflicts([path])
    group = found.chosen(9, seed=1)[:6]
    ids, kinds, targets = found.tensors(group)
    length = max(len(found.ids[at]) for at in group)
    assert ids.shape == kinds.shape == (6, length, 3)
    for row, at in enumerate(group):
        size = len(found.ids[at])
        assert np.array_equal(ids[row, :size].numpy(), found.ids[at])
        assert not ids[row, size:].any()
        own = targets.option_row == row
        assert np.array_equal(targets.right[own].numpy(), found.ways[at].right)
        assert np.array_equal(targets.classes[targets.row == row].numpy(), found.ways[at].classes)
        assert targets.right[own].any()
