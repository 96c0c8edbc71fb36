"""`mergebert mine`: conflicts of local repositories with the resolutions that people committed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mergebert.errors import InputError, MergebertError
from mergebert.regular_files import bytes_in
from mergebert.strict_json import json_text
from mergebert.terminal import one_line
from mergebert_data.commands import shared_arguments
from mergebert_data.dataset.statistics import statistics_tables
from mergebert_data.history.repository import require_git
from mergebert_data.mine.engine import Engine, mined
from mergebert_data.mine.join import joined
from mergebert_data.mine.local_engine import local_engine
from mergebert_data.mine.merge_block import BlockResult
from mergebert_data.mine.plan import MiningPlan, MiningSettings, planned
from mergebert_data.mine.run_log import MiningRun, recorded

EXAMPLE = """example:
  mergebert mine ~/src/project ~/mirrors/*.git -o mined --max-merges 2000 --jsonl

The repositories are only read. Run the same command again to go on after an interruption."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `mergebert mine`."""
    parser.description = (
        "Replays the merges of local repositories and keeps each conflict with its human resolution."
    )
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_source_arguments(parser)
    _add_engine_arguments(parser)
    _add_output_arguments(parser)


def _add_source_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "repository",
        nargs="+",
        metavar="REPO",
        help="work tree or bare repository; @FILE names one a line",
    )
    parser.add_argument(
        "--name",
        type=shared_arguments.text,
        metavar="OWNER/NAME",
        help="name to record, for a single repository",
    )
    parser.add_argument(
        "--max-merges",
        type=shared_arguments.positive,
        metavar="N",
        help="at most N merges a repository, drawn by --seed",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="for --max-merges and the splits (0)"
    )
    parser.add_argument(
        "--keep-generated", action="store_true", help="keep generated and vendored files too, flagged"
    )


def _add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    shared_arguments.jobs(parser)
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="start nothing new after M minutes, then join"
    )
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="processes here, or a Ray cluster (local)"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="the Ray cluster; without it one of J CPUs is started here"
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the mined data"
    )
    parser.add_argument("--jsonl", action="store_true", help="write JSON Lines beside Parquet")
    parser.add_argument(
        "--json", action="store_true", help="print what was counted as JSON instead of tables"
    )


def run(arguments: argparse.Namespace) -> int:
    """Mines, joins and prints the counts; 0, or 1 where something had to be left out."""
    repositories = [path.absolute() for word in arguments.repository for path in _named(word)]
    if arguments.name and len(repositories) > 1:
        raise MergebertError("--name names one repository; leave it out or mine them one at a time.")
    if arguments.address and arguments.engine != "ray":
        raise MergebertError("--address is that of a Ray cluster; add --engine ray.")
    require_git()
    settings = MiningSettings(
        arguments.output.absolute(),
        arguments.max_merges,
        arguments.seed,
        arguments.jobs,
        arguments.jsonl,
        arguments.minutes,
        arguments.keep_generated,
    )
    console = Console(stderr=True)
    with _engine(arguments, settings) as engine:
        with console.status("listing merges"):
            plan = planned(repositories, settings, arguments.name, engine.each)
        with recorded(settings.out, engine.cpus) as this_run:
            results = mined(plan, engine, settings.minutes)
            failures = [*plan.skipped.values(), *_watched(plan, results, console, this_run)]
    console.print(this_run.sentence(), highlight=False)
    with console.status("joining shards"):
        statistics = joined(plan, settings).to_json()
    print(json_text(statistics, indent=1) if arguments.json else statistics_tables(statistics))
    for failure in failures:
        print(one_line(f"left out: {failure}"), file=sys.stderr)
    return 1 if failures else 0


def _named(word: str) -> list[Path]:
    """The repositories that a word names; ten thousand paths are more than a command line holds, so `@FILE` lists them."""
    if not word.startswith("@"):
        return [Path(word)]
    lines = os.fsdecode(bytes_in(Path(word[1:]))).split("\n")
    if any("\0" in line for line in lines):
        raise InputError(f"{word[1:]} is no list of repositories; write the path of one a line.")
    return [Path(line) for line in lines if line]


@contextmanager
def _engine(arguments: argparse.Namespace, settings: MiningSettings) -> Iterator[Engine]:
    """The engine that was asked for: this computer or a Ray cluster."""
    if arguments.engine == "local":
        yield local_engine(settings.jobs)
        return
    try:
        from mergebert_data.mine.ray_engine import ray_engine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise MergebertError("--engine ray needs Ray: pip install 'mergebert[data,ray]'.") from error
    with ray_engine(settings.out, settings.jobs, arguments.address) as engine:
        yield engine


def _watched(
    plan: MiningPlan, results: Iterable[BlockResult], console: Console, this_run: MiningRun
) -> list[str]:
    """Why blocks were left out; shows the results in a progress bar and counts them in `this_run`."""
    failures = []
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("merges, {task.fields[found]}"),
        TimeRemainingColumn(),
    )
    # An engine that has something to say says it by standard error.
    with Progress(*columns, console=console, redirect_stdout=False) as bar:
        task = bar.add_task("", total=plan.merges, found="")
        files = located = 0
        for result in results:
            files, located = files + result.files, located + result.located
            this_run.merges += 0 if result.was_done else result.merges
            bar.update(task, advance=result.merges, found=f"{files} files, {located} resolutions")
            if result.failure:
                failures.append(result.failure)
    return failures
