"""`mergebert dataset stats` and `sample`: what a mined folder holds, counted and shown."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from mergebert.strict_json import json_text
from mergebert.terminal import has_colour
from mergebert_data.commands import shared_arguments
from mergebert_data.commands.mined_folder import print_json
from mergebert_data.commands.progress import waiting
from mergebert_data.dataset.flat_rows import RowMetadata
from mergebert_data.dataset.repositories import read_facts
from mergebert_data.dataset.sample import TRAITS, SampleOptions, sampled, shown
from mergebert_data.dataset.splits import assigned_splits, split_table
from mergebert_data.dataset.statistics import recounted, repository_table, statistics_tables


def add_stats(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset stats`."""
    shared_arguments.mined(parser)
    parser.add_argument("--repositories", action="store_true", help="also a line for each repository")
    shared_arguments.json_output(parser)


def run_stats(arguments: Namespace) -> int:
    """Prints what a mined folder holds and which repositories are in which split."""
    out = arguments.mined
    with waiting("counting"):
        figures, split_of = recounted(out), assigned_splits(out)
    if arguments.json:
        print_json(figures | {"splits": split_of})
        return 0
    print(statistics_tables(figures))
    if arguments.repositories:
        print(f"\n{repository_table(figures, split_of)}")
    print(f"\n{split_table(split_of, figures['repositories'])}")
    return 0


def add_sample(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset sample`."""
    shared_arguments.mined(parser)
    parser.add_argument(
        "-n",
        "--count",
        type=shared_arguments.positive,
        default=10,
        metavar="N",
        help="how many conflicts (10)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, other conflicts (0)")
    parser.add_argument(
        "--by",
        type=_traits,
        default=("language", "grade", "pattern"),
        metavar="TRAITS",
        help=f"evenly over these, by commas, of {', '.join(TRAITS)} (language,grade,pattern)",
    )
    parser.add_argument(
        "--only",
        type=_trait_and_value,
        action="append",
        default=[],
        metavar="TRAIT=VALUE",
        help="only such conflicts; may be repeated",
    )
    shared_arguments.context(parser, 5)
    shared_arguments.json_output(parser, "one JSON object a line, whole texts")


def run_sample(arguments: Namespace) -> int:
    """Shows a few conflicts."""
    out = arguments.mined
    options = SampleOptions(arguments.count, arguments.seed, arguments.by, dict(arguments.only))
    metadata = RowMetadata(assigned_splits(out), read_facts(out), arguments.context)
    with waiting("drawing"):
        drawn = sampled(out, options, metadata)
    for number, flat in enumerate(drawn, start=1):
        if arguments.json:
            print(json_text(flat, ensure_ascii=False))
        else:
            print(f"{number}/{len(drawn)}  {shown(flat, has_colour(sys.stdout))}\n")
    return 0


def _traits(text: str) -> tuple[str, ...]:
    traits = tuple(text.split(","))
    for trait in traits:
        if trait not in TRAITS:
            raise ArgumentTypeError(f"{trait!r} is none of {', '.join(TRAITS)}")
    return traits


def _trait_and_value(text: str) -> tuple[str, str]:
    trait, _, value = text.partition("=")
    return _traits(trait)[0], value
