"""The offline commands of the core: `train`, `export` and `evaluate`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mergebert.strict_json import json_text
from mergebert.training.arguments import share, whole_number
from mergebert.training.config import TrainConfig, load_config
from mergebert.training.evaluation.evaluate import add_evaluate_arguments, run_evaluate

__all__ = [
    "add_evaluate_arguments",
    "add_export_arguments",
    "add_train_arguments",
    "run_evaluate",
    "run_export",
    "run_train",
]

STAGES = ("tokenizer", "prepare", "pretrain", "network", "score", "ranker")


def add_train_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert train`."""
    parser.add_argument("config", type=Path, help="the training configuration, a TOML file")
    parser.add_argument(
        "--stage",
        choices=STAGES,
        action="append",
        help="run only this stage (may be repeated); all, in order, by default",
    )
    parser.add_argument("--jobs", type=whole_number, default=2, help="processes that prepare, score and fit")
    parser.add_argument(
        "--curve",
        nargs="+",
        type=share,
        metavar="SHARE",
        help="instead, draw the learning curve over these shares of the training repositories, such as 1/4 1/2 1",
    )
    parser.add_argument(
        "--grades",
        action="store_true",
        help="instead, compare training on surely located resolutions with training on all",
    )


def run_train(arguments: Namespace) -> int:
    """Runs the stages of a training run; what is already in its workspace is not made again."""
    config = load_config(arguments.config)
    from mergebert.training.dataset.pinned_codes import pinned_codes
    from mergebert.training.workspace import Workspace

    pinned_codes(Workspace(config))
    if arguments.curve:
        from mergebert.training.experiments.learning_curve import write_curve

        write_curve(config, arguments.curve, arguments.jobs)
        return 0
    if arguments.grades:
        from mergebert.training.experiments.grade_comparison import write_comparison

        write_comparison(config, arguments.jobs)
        return 0
    for stage in STAGES:
        if arguments.stage is None or stage in arguments.stage:
            print(f"stage {stage}", flush=True)
            _run_stage(stage, config, arguments.jobs)
    return 0


def _run_stage(stage: str, config: TrainConfig, jobs: int) -> None:
    from mergebert.training.dataset.stages import make_tokenizer, prepare_all
    from mergebert.training.network.stages import pretrain_encoder, score_all, train_networks
    from mergebert.training.ranker.fit import fit_rankers

    match stage:
        case "tokenizer":
            make_tokenizer(config)
        case "prepare":
            prepare_all(config, jobs)
        case "pretrain":
            pretrain_encoder(config)
        case "network":
            train_networks(config)
        case "score":
            score_all(config, jobs)
        case "ranker":
            fit_rankers(config, jobs)


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
    from mergebert.training.export.bundle import write_bundle

    facts = write_bundle(load_config(arguments.config), arguments.output, not arguments.without_network)
    print(json_text(facts, indent=1))
    return 0
