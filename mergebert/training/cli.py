"""The offline commands of the core: `dataset`, `train` and `export` (`evaluate` has a module of its own)."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from mergebert.training.config import TrainConfig, load_config
from mergebert.training.evaluation import add_evaluate_arguments, run_evaluate

__all__ = [
    "add_dataset_arguments",
    "add_evaluate_arguments",
    "add_export_arguments",
    "add_train_arguments",
    "run_dataset",
    "run_evaluate",
    "run_export",
    "run_train",
]

STAGES = ("tokenizer", "prepare", "network", "score", "ranker")


def add_train_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert train`."""
    parser.add_argument("config", type=Path, help="the training configuration, a TOML file")
    parser.add_argument(
        "--stage",
        choices=STAGES,
        action="append",
        help="run only this stage (may be repeated); all, in order, by default",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes that prepare examples")


def run_train(arguments: Namespace) -> int:
    """Runs the stages of a training run; what is already in its workspace is not made again."""
    config = load_config(arguments.config)
    for stage in STAGES:
        if arguments.stage is None or stage in arguments.stage:
            print(f"stage {stage}", flush=True)
            _run_stage(stage, config, arguments.jobs)
    return 0


def _run_stage(stage: str, config: TrainConfig, jobs: int) -> None:
    from mergebert.training import fit, pipeline

    if stage == "tokenizer":
        pipeline.make_tokenizer(config)
    elif stage == "prepare":
        pipeline.prepare_all(config, jobs)
    elif stage == "network":
        pipeline.train_networks(config)
    elif stage == "score":
        pipeline.score_all(config, jobs)
    else:
        fit.fit_first(config)
        for variant in (fit.BASELINE, fit.NETWORK):
            fit.fit_second(config, variant)


def add_export_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert export`."""
    parser.add_argument("config", type=Path, help="the configuration of the run to export")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder of the new bundle")
    parser.add_argument(
        "--without-network",
        action="store_true",
        help="the ranker alone: the baseline of `mergebert evaluate`",
    )


def run_export(arguments: Namespace) -> int:
    """Writes a bundle after proving that it answers as the trained models do."""
    from mergebert.training.assemble import write_bundle

    facts = write_bundle(load_config(arguments.config), arguments.output, not arguments.without_network)
    print(json.dumps(facts, indent=1))
    return 0


def add_dataset_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert dataset`."""
    parser.add_argument("examples", type=Path, help="a folder that `mergebert mine` has filled")
    parser.add_argument("--json", action="store_true", help="for programs")


def run_dataset(arguments: Namespace) -> int:
    """Prints what a mined dataset holds and which repositories are in which split."""
    from mergebert.training.pipeline import repository_splits

    split_of = repository_splits(arguments.examples)
    if arguments.json:
        figures = json.loads((arguments.examples / "statistics.json").read_text(encoding="utf-8"))
        print(json.dumps(figures | {"splits": dict(split_of)}, indent=1))
        return 0
    print((arguments.examples / "statistics.md").read_text(encoding="utf-8"))
    for split in ("train", "development", "test"):
        names = sorted(name for name, part in split_of.items() if part == split)
        print(f"{split}: {len(names)} repositories: {', '.join(names)}")
    return 0
