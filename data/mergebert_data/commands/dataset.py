"""`mergebert dataset`: count, split, clean, read, publish and rebuild what was mined."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass

from mergebert_data.commands import dataset_curate, dataset_inspect, dataset_publish


@dataclass(frozen=True, slots=True)
class Subcommand:
    """What a subcommand does in a line, an example of it, its arguments, and what runs it."""

    summary: str
    example: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


SUBCOMMANDS = {
    "stats": Subcommand(
        "count what was mined: languages, patterns, grades, and what was left out",
        "stats out/mined --repositories",
        dataset_inspect.add_stats,
        dataset_inspect.run_stats,
    ),
    "split": Subcommand(
        "assign the repositories to train, development and test",
        "split out/mined --keep out/before/splits.json",
        dataset_curate.add_split,
        dataset_curate.run_split,
    ),
    "dedupe": Subcommand(
        "flag conflicts whose content came before, equal or nearly",
        "dedupe out/mined --threshold 0.85",
        dataset_curate.add_dedupe,
        dataset_curate.run_dedupe,
    ),
    "sample": Subcommand(
        "show a few conflicts and what people made of them",
        "sample out/mined -n 5 --only language=go --only grade=d",
        dataset_inspect.add_sample,
        dataset_inspect.run_sample,
    ),
    "export": Subcommand(
        "write flat Parquet for other tools, a folder a split, with a card",
        "export out/mined -o out/dataset --grades ab --distinct",
        dataset_publish.add_export,
        dataset_publish.run_export,
    ),
    "card": Subcommand(
        "write a README.md that describes the data, with pictures",
        "card out/mined --repositories ~/mirrors/*.git",
        dataset_publish.add_card,
        dataset_publish.run_card,
    ),
    "manifest": Subcommand(
        "write where the conflicts stand in history, without any text",
        "manifest out/mined -o manifest.parquet",
        dataset_publish.add_manifest,
        dataset_publish.run_manifest,
    ),
    "rebuild": Subcommand(
        "make the examples of a manifest again, from local repositories",
        "rebuild manifest.parquet -r ~/mirrors/*.git -o out/rebuilt",
        dataset_publish.add_rebuild,
        dataset_publish.run_rebuild,
    ),
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the subcommands of `mergebert dataset` and their arguments."""
    parser.description = (
        "Counts, splits, cleans, shows, publishes and rebuilds what `mergebert mine` has mined."
    )
    examples = "\n".join(f"  mergebert dataset {one.example}" for one in SUBCOMMANDS.values())
    parser.epilog = f"example:\n{examples}"
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, subcommand in SUBCOMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=subcommand.summary,
            description=f"{subcommand.summary[0].upper()}{subcommand.summary[1:]}.",
            epilog=f"example:\n  mergebert dataset {subcommand.example}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        subcommand.add_arguments(sub)


def run(arguments: Namespace) -> int:
    """Runs the subcommand; gives back its exit code."""
    return SUBCOMMANDS[arguments.subcommand].run(arguments)
