"""A whole training run in miniature: mined files in, a bundle out that the resolver loads and ranks with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mergebert.errors import DatasetError
from mergebert.ranking.bundle import MODEL, TOKENIZER, load_bundle
from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolver import Resolver
from mergebert.text.candidates import candidates
from mergebert.text.languages import language_of
from mergebert.text.markers import parse
from mergebert.tiers import ErrorBudgets
from mergebert.training import cli
from mergebert.training.config import TrainConfig, load_config
from mergebert.training.dataset.mined import DEVELOPMENT, TEST, TRAIN, examples_of, merges_of
from mergebert.training.dataset.prepare import capped
from mergebert.training.dataset.prepared import PreparedRepository, prepared_names
from mergebert.training.export import bundle as bundle_export
from mergebert.training.export import onnx_network
from mergebert.training.ranker import fit
from mergebert.training.ranker.fit import BASELINE, NETWORK, tree_folds
from mergebert.training.ranker.tables import MergeScope
from mergebert.training.storage import read_arrays
from mergebert.training.workspace import Workspace
from tests.training.synthetic import examples
from tests.training.tiny_run import CONFIG, FILES, TABLE, asked, train


@pytest.fixture(scope="module")
def config(finished_run: Path) -> Path:
    """The configuration of a finished run."""
    return finished_run


@pytest.fixture(scope="module")
def settings(config: Path) -> TrainConfig:
    return load_config(config)


@pytest.fixture(scope="module")
def bundle(config: Path) -> Path:
    """The bundle of that run."""
    output = config.parent / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_network, "QUANTISED_AGREEMENT", 0.5)  # two epochs leave a network undecided
        assert cli.run_export(asked(cli.add_export_arguments, str(config), "-o", str(output))) == 0
    return output


def file_merges(repository: str) -> list[list[FileMerge]]:
    """The files of each merge of a repository as the driver meets them: nothing known of the merge itself."""
    groups = map(capped, merges_of(examples(repository, FILES)))
    return [[FileMerge(one.path, parse(one.conflicted), one.stages) for one in group] for group in groups]


def test_a_run_leaves_what_its_stages_promise(settings: TrainConfig) -> None:
    space = Workspace(settings)
    assert space.tokenizer.exists()
    assert prepared_names(settings, TRAIN) == sorted(TABLE[TRAIN])
    assert prepared_names(settings, DEVELOPMENT) == sorted(TABLE[DEVELOPMENT])
    assert prepared_names(settings, TEST) == []
    for name in (*TABLE[TRAIN], *TABLE[DEVELOPMENT]):
        arrays, said = read_arrays(space.prepared(name)), read_arrays(space.logits(name))
        assert len(said["classes"]) == len(arrays["merge"])
        assert len(said["hunks"]) == len(arrays["heads"])
    for fold in range(2):
        lines = (settings.workspace / f"network-{fold}" / "log.jsonl").read_text().strip().split("\n")
        steps = [json.loads(line) for line in lines]
        assert steps[0]["conflicts"] > 0 and any("loss" in line for line in steps)
    for variant in (NETWORK, BASELINE):
        facts = json.loads((space.ranker / variant / "facts.json").read_text())
        assert {"features", "calibration", "metrics"} <= facts.keys()


def test_the_test_split_is_never_read(settings: TrainConfig) -> None:
    """But for the learning curve, which keeps what it reads to itself."""
    made = [path for path in settings.workspace.rglob("*") if "own+test" in path.name]
    assert [path for path in made if path.parent.parent != settings.workspace / "curve"] == []


def test_examples_are_read_by_repository(settings: TrainConfig) -> None:
    wanted = {*TABLE[DEVELOPMENT], TABLE[TRAIN][0]}
    found = {name: list(ones) for name, ones in examples_of(settings.examples, wanted)}
    assert found.keys() == wanted
    assert all(found[name] == examples(name, FILES) for name in wanted)


def test_what_is_there_is_not_made_again(config: Path, settings: TrainConfig) -> None:
    stages = ("tokenizer", "score", "ranker")
    before = {path: path.stat().st_mtime_ns for path in settings.workspace.rglob("*") if path.is_file()}
    train(config, *stages)
    after = {path: path.stat().st_mtime_ns for path in settings.workspace.rglob("*") if path.is_file()}
    assert after == before


def test_the_bundle_is_whole_and_says_where_it_comes_from(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.has_classifier
    manifest = loaded.facts
    assert set(manifest["files"]) == {MODEL, TOKENIZER, "first.safetensors", "ranker.safetensors"}
    assert manifest["training"]["repositories"] == {split: sorted(names) for split, names in TABLE.items()}
    assert manifest["training"]["seed"] == 3
    assert manifest["export"]["float_difference"] < 1e-3
    assert max(manifest["export"][name] for name in ("first", "ranker")) < 1e-4


def test_the_resolver_ranks_with_it(bundle: Path) -> None:
    resolver = Resolver.load(bundle)
    for files in file_merges("own/test"):
        ranked = resolver.rank(files, budgets=ErrorBudgets(0.3))
        again = resolver.rank(
            files, budgets=ErrorBudgets(0.3), answers={(0, 0): files[0].merged.conflicts[0].sides.theirs}
        )
        for file, conflicts, taught in zip(files, ranked, again, strict=True):
            assert len(conflicts) == len(taught) == len(file.merged.conflicts)
            for one in conflicts:
                options = candidates(one.conflict, language_of(file.path))
                assert {resolution.text for resolution in one.resolutions} == {
                    option.text for option in options
                }
                assert all(0 <= resolution.confidence <= 1 for resolution in one.resolutions)


def test_the_baseline_has_no_network(config: Path) -> None:
    output = config.parent / "baseline"
    arguments = asked(cli.add_export_arguments, str(config), "-o", str(output), "--without-network")
    assert cli.run_export(arguments) == 0
    assert not load_bundle(output).has_classifier
    assert Resolver.load(output).rank(file_merges("own/test")[0])


def rows_at_run_time(bundle: Path, repository: str) -> list[np.ndarray]:
    """What the ranker is shown of each conflict of a repository."""
    resolver = Resolver.load(bundle)
    shown: list[np.ndarray] = []
    answer = resolver.ranker.probabilities

    def watched(rows: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
        shown.append(rows)
        return answer(rows, sizes)

    resolver.ranker.probabilities = watched  # type: ignore[method-assign]
    for files in file_merges(repository):
        resolver.rank(files)
    return shown


def test_the_ranker_sees_at_run_time_what_it_was_calibrated_on(bundle: Path, settings: TrainConfig) -> None:
    """The features of training, joint ones and the network's included, row by row and name by name."""
    trained = read_arrays(Workspace(settings).ranker / NETWORK / "probe.npz")["rows"]
    names = list(load_bundle(bundle).manifest.features.ranker)
    wanted = np.concatenate(
        [rows for name in sorted(TABLE[DEVELOPMENT]) for rows in rows_at_run_time(bundle, name)]
    )

    assert trained.shape == wanted.shape
    for at, name in enumerate(names):
        # The network is int8 at run time and bfloat16 in training.
        allowed = 0.2 if name.startswith("network") else 1e-4
        if name not in ("network log", "network rank"):
            assert trained[:, at] == pytest.approx(wanted[:, at], abs=allowed, nan_ok=True), name


def test_the_answered_copy_of_a_conflict_is_used_only_where_something_is_answered(
    settings: TrainConfig,
) -> None:
    space = Workspace(settings)
    one = PreparedRepository(space.prepared(TABLE[TRAIN][0]))
    parts = {view: fit._features(space, one, NETWORK, view) for view in MergeScope}
    answers = parts[MergeScope.ANSWERS]
    known = answers.features[np.cumsum(one.sizes) - one.sizes, answers.names.index("answers_known")] > 0
    assert known.any() and not known.all()
    assert (answers.use == known).all()
    assert parts[MergeScope.MERGE].use.all() and parts[MergeScope.FILE].use.all()


def test_a_bundle_replaces_the_one_before_it_only_when_it_is_whole(
    config: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    monkeypatch.setattr(onnx_network, "FLOAT_TOLERANCE", -1.0)
    with pytest.raises(Exception, match="was not exported"):
        cli.run_export(asked(cli.add_export_arguments, str(config), "-o", str(bundle)))
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert not [path for path in bundle.parent.iterdir() if path.name.startswith("tmp")]


def test_a_bundle_that_cannot_take_its_place_leaves_the_one_before_it(
    config: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    moves: list[Path] = []

    def fails_once(source: Path, target: Path) -> None:
        moves.append(Path(target))
        if len(moves) == 2:
            raise OSError("no room")
        Path(source).rename(target)

    monkeypatch.setattr(bundle_export, "os", SimpleNamespace(replace=fails_once))
    draft = bundle.with_name("draft")
    draft.mkdir()
    with pytest.raises(OSError, match="no room"):
        bundle_export._replace(draft, bundle)
    assert moves == [bundle.with_name("old"), bundle, bundle]
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_trees_speak_of_repositories_they_have_not_seen(settings: TrainConfig) -> None:
    folds = tree_folds(TABLE[TRAIN], 2)
    assert folds.keys() == set(TABLE[TRAIN])
    assert sorted(folds.values()) == [0, 0, 1, 1]
    assert tree_folds(TABLE[TRAIN][::-1], 2) == folds
    asked = Workspace(settings).ranker / "first"
    assert len(list(asked.iterdir())) == len(TABLE[TRAIN]) + len(TABLE[DEVELOPMENT])


def test_data_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(CONFIG.format(folder=tmp_path))
    with pytest.raises(DatasetError, match="mergebert mine"):
        train(tmp_path / "tiny.toml", "tokenizer")
