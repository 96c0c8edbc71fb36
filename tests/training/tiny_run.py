"""A whole training run in miniature: made-up mined files, a configuration, and the command that runs it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from mergebert.training import cli
from mergebert.training.dataset.mined import DEVELOPMENT, TEST, TRAIN

FILES = 6  # of each repository

CONFIG = """
examples = "{folder}/mined"
workspace = "{folder}/work"
seed = 3
folds = 2
tokenizer_files = 800

[model]
vocabulary = 320
width = 16
layers = 1
heads = 2
dropout = 0.1

[pretrain]
epochs = 2.0
batch_columns = 1024
checkpoint_seconds = 0.0
threads = 1

[network]
epochs = 2.0
batch_columns = 1024
learning_rate = 0.01
checkpoint_seconds = 0.0
hunks_a_merge = 50

[ranker]
rounds = 2
leaves = 4
leaf_rows = 3
folds = 2
"""


TABLE = {
    TRAIN: ["own/train0", "own/train1", "own/train2", "own/train+3"],
    DEVELOPMENT: ["own/development", "own/development2"],
    TEST: ["own/test", "own/test2", "own/test3"],
}


def asked(add_arguments: Any, *arguments: str) -> Any:
    """The arguments of a command, parsed."""
    parser = ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def train(config: Path, *stages: str) -> None:
    """Runs stages, all of them by default."""
    chosen = [word for stage in stages for word in ("--stage", stage)]
    assert cli.run_train(asked(cli.add_train_arguments, str(config), "--jobs", "1", *chosen)) == 0
