"""The stages `tokenizer` and `prepare`; what is already in the workspace is not made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mergebert.example import CLEAN
from mergebert.ranking.subwords import SubwordTokenizer
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.clean_windows import prepare_clean
from mergebert.training.dataset.mined import DEVELOPMENT, TRAIN, examples_of, repositories_of
from mergebert.training.dataset.prepare import prepare
from mergebert.training.dataset.tokenizer import save, trained_tokenizer
from mergebert.training.processes import dealt, in_processes
from mergebert.training.workspace import Workspace

Targets = Sequence[tuple[str, Path]]  # repositories and where their arrays go


def make_tokenizer(config: TrainConfig) -> None:
    """Learns the subwords from conflicts of training repositories."""
    space = Workspace(config)
    if space.tokenizer.exists():
        return
    draw = random.Random(config.seed)
    texts: list[tuple[str, str]] = []
    for _, examples in examples_of(config.examples, repositories_of(config.examples, TRAIN)):
        starts = ((example.language, example.conflicted[:20_000]) for example in examples)
        texts += _sample(starts, config.tokenizer_files // 40, draw)
    draw.shuffle(texts)
    save(trained_tokenizer(texts[: config.tokenizer_files], config.model.vocabulary), space.tokenizer)


def _sample(texts: Iterable[tuple[str, str]], most: int, draw: random.Random) -> list[tuple[str, str]]:
    """At most so many of the texts, drawn by chance without holding the others (reservoir sampling, Vitter 1985)."""
    kept: list[tuple[str, str]] = []
    for number, text in enumerate(texts):
        if len(kept) < most:
            kept.append(text)
        elif (place := draw.randrange(number + 1)) < most:
            kept[place] = text
    return kept


def prepare_all(config: TrainConfig, jobs: int) -> None:
    """Describes every conflict of training and development repositories, and the clean files of training ones."""
    space = Workspace(config)
    training, development = (repositories_of(config.examples, split) for split in (TRAIN, DEVELOPMENT))
    prepare_repositories(config, {name: space.prepared(name) for name in (*training, *development)}, jobs)
    _make(_prepare_clean_files, config, {name: space.clean(name) for name in training}, jobs)


def prepare_repositories(config: TrainConfig, targets: Mapping[str, Path], jobs: int) -> None:
    """Describes every conflict of some repositories, each into its target."""
    _make(_prepare_conflicts, config, targets, jobs)


def _make(
    work: Callable[[TrainConfig, Targets], None], config: TrainConfig, targets: Mapping[str, Path], jobs: int
) -> None:
    """Does the work for all targets that are not there yet, in `jobs` processes."""
    todo = [(name, path) for name, path in targets.items() if not path.exists()]
    in_processes(work, [(config, part) for part in dealt(todo, jobs)], jobs)


def _prepare_conflicts(config: TrainConfig, targets: Targets) -> None:
    path_of, subwords = dict(targets), SubwordTokenizer(Workspace(config).tokenizer)
    for repository, examples in examples_of(config.examples, path_of):
        count = prepare(examples, subwords, path_of[repository])
        print(f"prepared {repository}: {count} conflicts", flush=True)


def _prepare_clean_files(config: TrainConfig, targets: Targets) -> None:
    path_of, subwords = dict(targets), SubwordTokenizer(Workspace(config).tokenizer)
    for repository, examples in examples_of(config.examples, path_of, CLEAN):
        count = prepare_clean(examples, subwords, config.pretrain.clean_windows, path_of[repository])
        print(f"prepared {repository}: {count} windows of clean files", flush=True)
