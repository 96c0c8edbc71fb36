from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mergebert.example import FileExample
from mergebert.ranking.candidate_rows import softmax
from mergebert.ranking.classifier import (
    CLASSIFIER_FEATURES,
    Scores,
    candidate_logs,
    classifier_features,
    hunk_scores,
)
from mergebert.ranking.columns import CONFLICT_CLASSES, conflict_class
from mergebert.ranking.evidence import FileEvidence
from mergebert.ranking.history_features import CONTEXT_FEATURES, HISTORY_FEATURES
from mergebert.ranking.model_input import ModelInput, model_inputs
from mergebert.ranking.neighbours import NEIGHBOUR_FEATURES, Prediction, kind_of, neighbour_features
from mergebert.text.candidates import Candidate
from mergebert.text.equivalence import LEVELS, Level
from mergebert.text.patterns import PATTERNS, PRIOR
from mergebert.training.config import RankerConfig
from mergebert.training.dataset.mined import merges_of
from mergebert.training.dataset.prepare import capped, file_merge, prepare
from mergebert.training.dataset.prepared import PreparedRepository
from mergebert.training.ranker.boosting import boosted_trees, probabilities_of
from mergebert.training.ranker.ranked_conflicts import by_class
from mergebert.training.ranker.tables import (
    MergeScope,
    Table,
    classifier_table,
    drawn_conflicts,
    first_pass,
    neighbour_table,
    table,
)
from tests.training.synthetic import examples

MINED = examples("own/er", 12)
TINY = RankerConfig(rounds=3, leaves=4, leaf_rows=5)


def pieces(token: str) -> tuple[int, ...]:
    return (5 + len(token),)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("prepared") / "own+er.npz"
    # One conflict has so many hunks that some are cut off from the columns.
    long = replace(
        MINED[0], path="long.py", conflicted=_long(), conflicts=MINED[0].conflicts[:1], merge="long"
    )
    prepare([*MINED, long], pieces, target)
    return target


def _long() -> str:
    sides = ["".join(f"{name}{at} same{at}\n" for at in range(90)) for name in "obt"]
    return f"<<<<<<< ours\n{sides[0]}||||||| base\n{sides[1]}=======\n{sides[2]}>>>>>>> theirs\n"


@pytest.fixture(scope="module")
def known() -> list[tuple[ModelInput, FileExample]]:
    long = replace(
        MINED[0], path="long.py", conflicted=_long(), conflicts=MINED[0].conflicts[:1], merge="long"
    )
    groups = map(capped, merges_of([*MINED, long]))
    files = [one for group in groups for one in group]
    return [(found, one) for one in files for found in model_inputs(FileEvidence(file_merge(one)), pieces)]


@pytest.fixture
def repository(path: Path) -> PreparedRepository:
    return PreparedRepository(path)


def test_a_repository_is_what_was_prepared(
    repository: PreparedRepository, known: list[tuple[ModelInput, FileExample]]
) -> None:
    assert repository.name == "own/er"
    assert len(repository) == len(known)
    assert repository.sizes.tolist() == [len(one.options) + 1 for one, _ in known]
    assert len(repository.features) == len(repository.right) == repository.sizes.sum()
    rows = np.split(repository.right, np.cumsum(repository.sizes)[:-1])
    for row, located in zip(rows, repository.located, strict=True):
        assert not located or row.any()
        assert not row[-1] or not row[:-1].any()


def test_at_most_some_of_a_merge_count(repository: PreparedRepository) -> None:
    kept = repository.counted(1, seed=0)
    assert kept.any() and not (kept & ~repository.located).any()
    assert max(np.bincount(repository.merge[kept])) == 1
    assert (kept == repository.counted(1, seed=0)).all()
    assert (repository.counted(1000, seed=0) == repository.located).all()


def test_context_is_forgotten_by_whole_merges(repository: PreparedRepository) -> None:
    known = [
        [repository.names.index(name) for name in names]
        for names in (CONTEXT_FEATURES, ("ours_superseded", "ours_file_commits"))
    ]
    assert not any(np.isnan(repository.features[:, columns]).any() for columns in known)
    repository.forget_context(0.5, seed=1)
    merges = np.repeat(repository.merge, repository.sizes)
    forgotten = [np.isnan(repository.features[:, columns]) for columns in known]
    for gone in forgotten:
        assert gone.any() and not gone.all()
        for merge in np.unique(merges):
            assert len(np.unique(gone[merges == merge])) == 1
    assert (forgotten[0][:, 0] != forgotten[1][:, 0]).any()  # either may be known alone
    repository.forget_context(0.0, seed=1)
    for names in (CONTEXT_FEATURES, HISTORY_FEATURES):
        columns = [repository.names.index(name) for name in names]
        assert np.isnan(repository.features[:, columns]).all()


def logits_for(known: Sequence[tuple[ModelInput, FileExample]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """What a network might answer for each conflict: class logits, and pattern logits at every column."""
    draw = np.random.default_rng(5)
    return [
        (
            draw.normal(size=len(CONFLICT_CLASSES)).astype(np.float32) * 3,
            draw.normal(size=(len(one.columns.ids), len(PATTERNS))).astype(np.float32) * 3,
        )
        for one, _ in known
    ]


def has_repeated_class(option: Candidate) -> bool:
    """Whether several ways that are no token merges share a class of the network, which is to be counted once."""
    classes = [conflict_class(origin) for origin in option.origins if origin.method != "tokens"]
    return len(set(classes)) < len(classes)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum())


def test_the_network_says_in_training_what_it_says_at_run_time(
    repository: PreparedRepository, known: list[tuple[ModelInput, FileExample]]
) -> None:
    answers = logits_for(known)
    heads = [np.array(one.columns.heads, np.int16) for one, _ in known]
    assert any((row < 0).any() for row in heads)
    options = [option for one, _ in known for option in one.options]
    assert any(has_repeated_class(option) for option in options)
    hunks = [hunk_scores(patterns, row) for (_, patterns), row in zip(answers, heads, strict=True)]

    scores = {"classes": np.stack([classes for classes, _ in answers]), "hunks": np.concatenate(hunks)}
    rows = classifier_table(repository, scores)

    assert rows.shape[1] == len(CLASSIFIER_FEATURES)
    parts = np.split(rows, np.cumsum(repository.sizes)[:-1])
    for part, (one, _), (classes, _), own in zip(parts, known, answers, hunks, strict=True):
        logs = candidate_logs(Scores(log_softmax(classes), own), one.options)
        assert np.isnan(part[-1]).all()
        assert part[:-1] == pytest.approx(classifier_features(logs, [len(logs)])[:-1], abs=2e-4)


def test_hunks_that_were_cut_off_get_the_prior() -> None:
    patterns = np.arange(27, dtype=np.float32).reshape(3, 9)
    found = hunk_scores(patterns, np.array([2, -1]))
    assert np.exp(found[0]).sum() == pytest.approx(1.0)
    assert np.exp(found[1]) == pytest.approx(list(PRIOR.values()))
    assert hunk_scores(patterns, np.array([], np.int16)).shape == (0, 9)


def neighbours_by_hand(
    repository: PreparedRepository,
    known: Sequence[tuple[ModelInput, FileExample]],
    first: np.ndarray,
    scope: MergeScope,
) -> list[np.ndarray]:
    """The neighbour features as the resolver works them out: for each merge, or each file, on its own."""
    rows = np.split(first, np.cumsum(repository.sizes)[:-1])
    groups = [one.merge if scope is MergeScope.MERGE else one.path for _, one in known]
    found: list[np.ndarray] = []
    for group in dict.fromkeys(groups):
        members = [at for at, other in enumerate(groups) if other == group]
        files = [known[at][1].path for at in members]
        kinds = [np.array([kind_of(option) for option in known[at][0].options]) for at in members]
        predictions = [
            Prediction(files.index(path), own, rows[at][:-1])
            for at, path, own in zip(members, files, kinds, strict=True)
        ]
        found += neighbour_features(predictions)
    return found


@pytest.mark.parametrize("scope", [MergeScope.MERGE, MergeScope.FILE])
def test_neighbours_say_in_training_what_they_say_at_run_time(
    repository: PreparedRepository, known: list[tuple[ModelInput, FileExample]], scope: MergeScope
) -> None:
    draw = np.random.default_rng(3)
    first = softmax(draw.normal(size=repository.sizes.sum()), repository.sizes)

    rows = neighbour_table(repository, first, scope, seed=0)

    wanted = neighbours_by_hand(repository, known, first, scope)
    assert rows.shape[1] == len(NEIGHBOUR_FEATURES)
    assert np.array_equal(rows, np.concatenate(wanted), equal_nan=True)


def test_answers_are_drawn_by_chance(repository: PreparedRepository) -> None:
    first = np.concatenate([np.full(size, 1 / size) for size in repository.sizes])
    plain = neighbour_table(repository, first, MergeScope.MERGE, seed=0)
    taught = neighbour_table(repository, first, MergeScope.ANSWERS, seed=0)
    again = neighbour_table(repository, first, MergeScope.ANSWERS, seed=0)
    assert np.array_equal(taught, again, equal_nan=True)
    known = NEIGHBOUR_FEATURES.index("answers_known")
    assert plain[:, known].max() == 0.0 < np.nanmax(taught[:, known])


def test_neighbour_rows_stand_in_the_order_of_the_repository(repository: PreparedRepository) -> None:
    """Conflicts of two merges that take turns get the rows of two merges one behind the other."""
    count = len(repository)
    repository.merge = np.arange(count) % 2
    first = np.concatenate([np.full(size, 1 / size) for size in repository.sizes])
    rows = neighbour_table(repository, first, MergeScope.MERGE, 0)

    order = np.argsort(repository.merge, kind="stable")
    starts = np.cumsum(repository.sizes)[:-1]
    right = np.split(repository.right, starts)
    repository.right = np.concatenate([right[at] for at in order])
    repository.kinds = [repository.kinds[at] for at in order]
    for name in ("merge", "file", "sizes"):
        setattr(repository, name, getattr(repository, name)[order])
    first = np.concatenate([np.full(size, 1 / size) for size in repository.sizes])
    wanted = neighbour_table(repository, first, MergeScope.MERGE, 0)

    parts = np.split(rows, starts)
    assert np.array_equal(np.concatenate([parts[at] for at in order]), wanted, equal_nan=True)


def test_trees_learn_what_people_choose() -> None:
    """The right row is the one with the largest first feature; the second is noise."""
    draw = np.random.default_rng(1)
    features = draw.random((900, 2)).astype(np.float32)
    sizes = np.full(300, 3, np.int32)
    right = (features[:, 0].reshape(-1, 3).argmax(1)[:, None] == np.arange(3)).ravel()
    data = Table(features, right, sizes, ("a", "b"))
    config = RankerConfig(rounds=8, leaves=8, leaf_rows=5, feature_share=1.0, learning_rate=0.3)

    booster = boosted_trees(data, config, seed=0)
    scores = np.asarray(booster.predict(features)).reshape(-1, 3)

    assert (scores.argmax(1) == features[:, 0].reshape(-1, 3).argmax(1)).mean() > 0.9
    assert np.array_equal(booster.predict(features), boosted_trees(data, config, seed=0).predict(features))


def test_a_table_holds_the_conflicts_that_count(repository: PreparedRepository) -> None:
    part = first_pass(repository)
    kept = repository.counted(1, 0)
    first = np.flatnonzero(kept)[0]
    config = replace(TINY, hunks_a_merge=1)
    chosen = drawn_conflicts([repository], config, seed=0)
    data = table([part, replace(part, use=np.arange(len(repository)) == first)], chosen)
    assert data.sizes.tolist() == [*repository.sizes[kept], repository.sizes[first]]
    assert len(data.features) == len(data.right) == data.sizes.sum()
    starts = np.concatenate([[0], np.cumsum(data.sizes)[:-1]])
    assert np.add.reduceat(data.right, starts).min() >= 1

    booster = boosted_trees(data, TINY, seed=0, rounds=2)
    assert booster.num_trees() == 2
    probabilities = probabilities_of(booster, part)
    starts = np.concatenate([[0], np.cumsum(repository.sizes)[:-1]])
    assert np.add.reduceat(probabilities, starts) == pytest.approx(np.ones(len(repository)))


def test_a_candidate_is_right_where_it_is_the_same_code(path: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(path))
    at = int(np.flatnonzero(arrays["located"] & ~arrays["duplicate"])[0])
    start = int(np.cumsum(arrays["sameness_sizes"])[at] - arrays["sameness_sizes"][at])
    arrays["sameness"][start : start + 4] = [
        LEVELS.index(level) for level in (Level.ORDER, Level.CODE, Level.SPACE, Level.BYTES)
    ]
    np.savez(tmp_path / "own+er.npz", **arrays)
    repository = PreparedRepository(tmp_path / "own+er.npz")
    rows = np.split(repository.right, np.cumsum(repository.sizes)[:-1])
    assert rows[at][:4].tolist() == [False, True, True, True]
    assert not rows[at][-1]


def test_what_is_thrown_away_is_not_learnt_from(path: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(path))
    arrays["cleaned"][arrays["file_number"] % 2 == 0] = False
    np.savez(tmp_path / "own+er.npz", **arrays)
    repository = PreparedRepository(tmp_path / "own+er.npz")
    kept = repository.counted(1000, seed=0, is_cleaned=True)
    assert kept.any() and (repository.file[kept] % 2 == 1).all()
    assert (repository.counted(1000, seed=0) == repository.located).all()


def test_classes_of_candidates_have_the_sum_of_their_probabilities() -> None:
    totals, firsts = by_class(np.array([0.1, 0.3, 0.2, 0.25]), np.array([0, 1, 0, 2]))
    assert totals == pytest.approx([0.3, 0.3, 0.25])
    assert firsts.tolist() == [2, 1, 3]


def test_kinds_are_kept(repository: PreparedRepository, known: list[tuple[ModelInput, FileExample]]) -> None:
    def kinds(options: Sequence[Candidate]) -> list[int]:
        return [kind_of(option) for option in options]

    assert [row.tolist() for row in repository.kinds] == [kinds(one.options) for one, _ in known]
