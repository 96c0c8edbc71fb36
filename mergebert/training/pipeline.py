"""The stages of a training run, each resumable: what is already in the workspace is not made again.

workspace/tokenizer.json        subwords
workspace/prepared/*.npz        examples as arrays, one file a repository
workspace/pretrained/           checkpoints and logs of the encoder pretrained on unlabelled merges
workspace/network-<fold>/       checkpoints and logs of the classifier
workspace/logits/*.npz          what the classifier says of repositories it did not learn from
workspace/ranker/               trees, calibration and figures, with and without the classifier
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mergebert.errors import DatasetError, InputError
from mergebert.example import CLEAN, CONFLICT, FileExample, example_from_json
from mergebert.ranking.classifier import hunk_scores, log_softmax
from mergebert.ranking.columns import CONFLICT_CLASSES
from mergebert.ranking.subwords import SubwordTokenizer
from mergebert.text.patterns import PATTERNS
from mergebert.training.config import TrainConfig
from mergebert.training.dataset import EVERY_GRADE, SURE_GRADES, splits
from mergebert.training.files import Arrays, write_arrays
from mergebert.training.loop import device
from mergebert.training.network import logits_of, train_fold, trained_network
from mergebert.training.prepare import prepare
from mergebert.training.pretrain import pretrain
from mergebert.training.rank import Repository, normalised
from mergebert.training.shares import drawn, main_languages
from mergebert.training.subwords import save, trained_tokenizer
from mergebert.training.windows import prepare_clean

TRAIN, DEVELOPMENT, TEST = "train", "development", "test"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The files of a run."""

    config: TrainConfig

    @property
    def tokenizer(self) -> Path:
        """The subword vocabulary."""
        return self.config.source / "tokenizer.json"

    def prepared(self, repository: str) -> Path:
        """The arrays of a repository."""
        return self.config.source / "prepared" / f"{file_name(repository)}.npz"

    def clean(self, repository: str) -> Path:
        """The windows of a repository's cleanly merged files."""
        return self.prepared(repository).with_suffix(".clean.npz")

    def logits(self, repository: str) -> Path:
        """What the classifier says of a repository."""
        return self.config.workspace / "logits" / f"{file_name(repository)}.npz"

    @property
    def ranker(self) -> Path:
        """The folder of trees and calibration."""
        return self.config.workspace / "ranker"


def file_name(repository: str) -> str:
    """A repository's name as a file name."""
    return repository.replace("/", "+")


def repository_splits(examples: Path) -> Mapping[str, str]:
    """Which split each repository is in, as the miner drew it."""
    path = examples / "splits.json"
    try:
        return {str(name): str(split) for name, split in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path} cannot be read; mine with `mergebert mine ... -o {examples}` first."
        ) from error


def examples_of(
    examples: Path, wanted: Collection[str], kind: str = CONFLICT
) -> Iterator[tuple[str, list[FileExample]]]:
    """The mined examples of one kind of each wanted repository, one repository in memory at a time."""
    import pyarrow.parquet as parquet

    path = examples / "examples.parquet"
    try:
        table = parquet.ParquetFile(path)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read; mine with `mergebert mine ... -o {examples}` first."
        ) from error
    rows = (row for number in range(table.num_row_groups) for row in _rows(table, number, wanted, kind))
    for repository, group in groupby(rows, key=lambda row: str(row["repository"])):
        yield repository, [example_from_json(row) for row in group]


def _rows(table: Any, number: int, wanted: Collection[str], kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a row group that are wanted; texts are read only where there are some."""
    if "kind" not in table.schema_arrow.names:
        raise DatasetError("These examples do not say of which kind they are; mine again with this version.")
    places = table.read_row_group(number, columns=["repository", "kind"]).to_pylist()
    keep = [at for at, row in enumerate(places) if row["repository"] in wanted and row["kind"] == kind]
    if keep:
        yield from table.read_row_group(number).take(keep).to_pylist()


def make_tokenizer(config: TrainConfig) -> None:
    """Learns the subwords from conflicts of training repositories."""
    space = Workspace(config)
    if space.tokenizer.exists():
        return
    split_of = repository_splits(config.examples)
    draw = random.Random(config.seed)
    texts: list[tuple[str, str]] = []
    for _, examples in examples_of(
        config.examples, [name for name, split in split_of.items() if split == TRAIN]
    ):
        chosen = draw.sample(examples, min(len(examples), config.tokenizer_files // 40))
        texts += [(example.language, example.conflicted[:20_000]) for example in chosen]
    draw.shuffle(texts)
    save(trained_tokenizer(texts[: config.tokenizer_files], config.model.vocabulary), space.tokenizer)


def prepare_all(config: TrainConfig, jobs: int) -> None:
    """Describes every conflict of every repository but those of the test split."""
    space = Workspace(config)
    split_of = repository_splits(config.examples)
    prepare_repositories(
        config, {name: space.prepared(name) for name, split in split_of.items() if split != TEST}, jobs
    )


def prepare_clean_files(config: TrainConfig, jobs: int) -> None:
    """Cuts windows out of the cleanly merged files of training repositories, for pretraining."""
    space = Workspace(config)
    names = [name for name, split in repository_splits(config.examples).items() if split == TRAIN]
    _side_by_side(_clean_some, config, {name: space.clean(name) for name in names}, jobs)


def prepare_repositories(config: TrainConfig, targets: Mapping[str, Path], jobs: int) -> None:
    """Describes every conflict of some repositories, each into its target."""
    _side_by_side(_prepare_some, config, targets, jobs)


def _side_by_side(
    work: Callable[[tuple[TrainConfig, Sequence[tuple[str, Path]]]], None],
    config: TrainConfig,
    targets: Mapping[str, Path],
    jobs: int,
) -> None:
    """Does the work for all targets that are not there yet, in `jobs` processes."""
    todo = [(name, path) for name, path in targets.items() if not path.exists()]
    parts = [(config, todo[number::jobs]) for number in range(jobs)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        pool.map(work, [part for part in parts if part[1]], chunksize=1)


def _prepare_some(part: tuple[TrainConfig, Sequence[tuple[str, Path]]]) -> None:
    config, targets = part[0], dict(part[1])
    subwords = SubwordTokenizer(Workspace(config).tokenizer)
    for repository, examples in examples_of(config.examples, targets):
        count = prepare(examples, subwords, targets[repository])
        print(f"prepared {repository}: {count} conflicts", flush=True)


def _clean_some(part: tuple[TrainConfig, Sequence[tuple[str, Path]]]) -> None:
    config, targets = part[0], dict(part[1])
    subwords = SubwordTokenizer(Workspace(config).tokenizer)
    for repository, examples in examples_of(config.examples, targets, CLEAN):
        count = prepare_clean(examples, subwords, config.pretrain.clean_windows, targets[repository])
        print(f"prepared {repository}: {count} windows of clean files", flush=True)


def prepared_names(config: TrainConfig, split: str) -> list[str]:
    """The repositories of a split that have prepared conflicts, in order of name; of training ones the configured share.

    Those of the test split have none for anybody who learns: see mergebert.training.curve.
    """
    space = Workspace(config)
    names = [name for name, part in repository_splits(config.examples).items() if part == split]
    if split == TRAIN and config.repositories < 1.0:
        languages = main_languages(config.examples)
        names = drawn({name: languages.get(name, "") for name in names}, config.repositories, config.seed)
    return sorted(name for name in names if space.prepared(name).exists())


def pretrain_encoder(config: TrainConfig) -> None:
    """Pretrains the encoder on all that training repositories hold, labelled or not."""
    space = Workspace(config)
    conflicts, clean = (
        [place(name) for name in prepared_names(config, TRAIN)] for place in (space.prepared, space.clean)
    )
    development = [space.prepared(name) for name in prepared_names(config, DEVELOPMENT)]
    pretrain(config, [*conflicts, *(path for path in clean if path.exists())], development)


def train_networks(config: TrainConfig) -> None:
    """Trains the classifier of every fold, side by side; raises InputError for fewer than two folds."""
    if config.folds < 2:
        raise InputError(
            "A run needs `folds = 2` or more, or the ranker would learn from a network that knows the answers."
        )
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_train_one, args=(config, fold)) for fold in range(config.folds)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise DatasetError("A network could not be trained; see what it printed above.")


def network_folds(config: TrainConfig) -> Mapping[str, int]:
    """The fold of each training repository, by size, so that all networks learn from about as much."""
    space, weights = Workspace(config), [0] * config.folds
    sizes = {name: _count(space.prepared(name)) for name in prepared_names(config, TRAIN)}
    folds: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        folds[name] = weights.index(min(weights))
        weights[folds[name]] += sizes[name]
    return folds


def _count(prepared: Path) -> int:
    """How many conflicts a prepared repository has; of its arrays one is read."""
    with np.load(prepared) as arrays:
        return len(arrays["merge"])


def _train_one(config: TrainConfig, fold: int) -> None:
    space = Workspace(config)
    folds = network_folds(config)
    own = [space.prepared(name) for name, of in sorted(folds.items()) if of != fold]
    train_fold(config, fold, own, [space.prepared(name) for name in prepared_names(config, DEVELOPMENT)])


def score_all(config: TrainConfig, jobs: int) -> None:
    """What the classifier says of each repository: for training ones the network that has not seen it, else the mean."""
    space = Workspace(config)
    names = [(split, name) for split in (TRAIN, DEVELOPMENT) for name in prepared_names(config, split)]
    todo = [place for place in names if not space.logits(place[1]).exists()]
    parts = [(config, todo[number::jobs]) for number in range(jobs)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        pool.map(_score_some, [part for part in parts if part[1]], chunksize=1)


def _score_some(part: tuple[TrainConfig, Sequence[tuple[str, str]]]) -> None:
    config, places = part
    space = Workspace(config)
    torch.set_num_threads(1)
    networks = [trained_network(config, fold).to(device()) for fold in range(config.folds)]
    folds = network_folds(config)
    for split, name in places:
        speaking = [folds[name]] if split == TRAIN else range(config.folds)
        one = Repository(space.prepared(name))
        asked = needed(one, config, (config.grades, EVERY_GRADE, SURE_GRADES))
        found = scores_of([networks[fold] for fold in speaking], one.arrays, asked)
        write_arrays(space.logits(name), found)


def needed(repository: Repository, config: TrainConfig, grades: Sequence[str]) -> NDArray[np.bool_]:
    """The conflicts of a repository that teach a ranker or count in a figure over some of the grades."""
    chosen = [repository.counted(config.ranker.hunks_a_merge, config.seed, one) for one in grades]
    return np.asarray(np.logical_or.reduce(chosen))


def scores_of(networks: Sequence[Any], arrays: Arrays, asked: NDArray[np.bool_]) -> Arrays:
    """The mean of what some networks say of a repository: `classes` [conflicts, classes], `hunks` [all hunks, 9].

    Of conflicts that are not asked about all is equally likely: that costs nothing, and they are most of a large merge.
    """
    ids, kinds, heads = (splits(arrays, part) for part in ("ids", "kinds", "heads"))
    classes = np.zeros((len(ids), len(CONFLICT_CLASSES)), np.float32)
    hunks = [np.zeros((len(places), len(PATTERNS)), np.float32) for places in heads]
    wanted = np.flatnonzero(asked)
    for network in networks:
        columns = ([ids[at] for at in wanted], [kinds[at] for at in wanted])
        for number, own, patterns in logits_of(network, *columns):
            at = wanted[number]
            classes[at] += log_softmax(own) / len(networks)
            hunks[at] += hunk_scores(patterns, heads[at]) / len(networks)
    hunks = [normalised(rows, places) for rows, places in zip(hunks, heads, strict=True)]
    return {"classes": classes, "hunks": np.concatenate(hunks)}
