"""`mergebert evaluate`: a bundle measured on mined conflicts it never saw, beside its baselines.

Every merge is put to the resolver as a person meets it in `mergebert solve`, all of its files at once (of a merge
with more than 60 conflicts, whole files up to that many), or with `--one-file` as git puts it to the driver, each
file alone.
"""

from __future__ import annotations

import multiprocessing
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mergebert.errors import DatasetError
from mergebert.example import FileExample
from mergebert.pool_workers import end_with_parent
from mergebert.ranking.bundle import default_bundle_path, load_bundle
from mergebert.ranking.resolution import AnyResolver
from mergebert.ranking.supervised import SupervisedResolver
from mergebert.strict_json import write_json
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets
from mergebert.training.arguments import error_share, whole_number
from mergebert.training.dataset.mined import (
    DEVELOPMENT,
    TEST,
    TRAIN,
    conflicted_files,
    examples_of,
    first_merges,
    merges_of,
    repositories_of,
)
from mergebert.training.dataset.prepare import capped
from mergebert.training.evaluation.metrics import ConflictId, Outcome, sampled_conflicts
from mergebert.training.evaluation.outcomes import (
    TOOL,
    WITHOUT_NETWORK,
    Case,
    CaseOutcomes,
    EvaluationOptions,
    conflict_id,
    outcomes_of,
)
from mergebert.training.evaluation.whole_files import FileOutcome

SPLITS = (TEST, DEVELOPMENT, TRAIN)
PATIENCE = 60.0  # seconds that loading a bundle may take, and a merge beside what its size takes
AHEAD = 8  # merges handed out to each process; answers are taken in order, and a few merges take long


@dataclass(slots=True)
class Measurement:
    """The outcomes of every tool, all over the same conflicts and files in order, and counts of what was read."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    files: dict[str, list[FileOutcome]] = field(default_factory=lambda: defaultdict(list))
    tally: Counter[str] = field(default_factory=Counter)


def add_evaluate_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert evaluate`."""
    add = parser.add_argument
    add("examples", type=Path, metavar="EXAMPLES", help="a folder that `mergebert mine` has filled")
    add("--split", choices=SPLITS, default=SPLITS[0], help="which repositories (default test)")
    add("--bundle", type=Path, metavar="FOLDER", help="the bundle to measure instead of the one that ships")
    add("--baseline", type=Path, metavar="FOLDER", help="`mergebert export --without-network` made it")
    add("--json", type=Path, metavar="FILE", help="write every figure here as JSON")
    add("--plots", type=Path, metavar="FOLDER", help="draw the reliability and risk-coverage curves here")
    add("-j", "--jobs", type=whole_number, default=2, metavar="J", help="processes (default 2)")
    budgets = (
        ("--max-error", "what is applied", USUAL_BUDGETS.applied),
        ("--draft-error", "the drafts", USUAL_BUDGETS.draft),
    )
    for flag, what, usual in budgets:
        help_ = f"share of {what} that may be wrong (default {usual})"
        add(flag, type=error_share, default=usual, metavar="E", help=help_)
    add("--repositories", nargs="+", metavar="OWNER/NAME", help="only these of the split")
    add("--limit-per-repository", type=whole_number, metavar="N", help="at most N merges of each repository")
    add("--one-file", action="store_true", help="rank each file alone, as the driver does, not whole merges")
    add("--without-history", action="store_true", help="tell nothing of the merge and its commits")
    add(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="of the draws of conflicts and of intervals (default 0)",
    )


def run_evaluate(arguments: Namespace) -> int:
    """Measures, prints the table, and writes JSON and plots where asked to."""
    from mergebert.training.evaluation.report import report_of, text_of

    options = EvaluationOptions(
        bundle=arguments.bundle,
        baseline=arguments.baseline,
        budgets=ErrorBudgets(arguments.max_error, arguments.draft_error),
        one_file=arguments.one_file,
        with_history=not arguments.without_history,
    )
    wanted = wanted_repositories(arguments)
    facts = _facts(arguments, options, wanted)  # first of all, because it refuses a broken bundle
    if options.baseline is not None:
        load_bundle(options.baseline)  # or the processes that load it would only be seen to die
    measured = measure(arguments, options, wanted)
    if not any(measured.outcomes.values()):
        raise DatasetError(f"{arguments.examples} has no located conflict in these repositories; mine more.")
    report = report_of(
        measured.outcomes, measured.files, facts | {"counts": dict(measured.tally)}, arguments.seed
    )
    if arguments.json:
        write_json(arguments.json, report)
    if arguments.plots:
        from mergebert.training.evaluation.plots import draw

        draw(measured.outcomes, arguments.plots)
    print(text_of(report))
    return 0


def wanted_repositories(arguments: Namespace) -> list[str]:
    """The repositories to measure on, in order of name."""
    split = repositories_of(arguments.examples, arguments.split)
    if not arguments.repositories:
        return split
    strangers = sorted(set(arguments.repositories) - set(split))
    if strangers:
        raise DatasetError(f"{', '.join(strangers)} is not in the {arguments.split} split; leave it out.")
    return sorted(set(arguments.repositories))


def _facts(arguments: Namespace, options: EvaluationOptions, wanted: Sequence[str]) -> dict[str, Any]:
    """What was measured and how, for the report."""
    return {
        "bundle": str(options.bundle or default_bundle_path()),
        "baseline": str(options.baseline) if options.baseline else None,
        "split": arguments.split,
        "repositories": list(wanted),
        "repositories the bundle knows": repositories_known(options.bundle, wanted),
        "max_error": options.budgets.applied,
        "draft_error": options.budgets.draft,
        "asked": "one file at a time" if options.one_file else "whole merges",
        "with_history": options.with_history,
        "seed": arguments.seed,
    }


def repositories_known(bundle: Path | None, wanted: Sequence[str]) -> list[str]:
    """Those of the repositories that the bundle was trained or tuned on: figures over them prove nothing."""
    split_of = load_bundle(bundle).facts.get("training", {}).get("repositories", {})
    known = {name for split in ("train", "development") for name in split_of.get(split, ())}
    return sorted(known & set(wanted))


def measure(arguments: Namespace, options: EvaluationOptions, wanted: Sequence[str]) -> Measurement:
    """The outcomes of every tool over the wanted repositories, with a progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    measured = Measurement()
    cases = cases_of(arguments, wanted, measured.tally)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files, {task.description}"),
        TimeRemainingColumn(),
    )
    total = conflicted_files(arguments.examples, wanted)
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=total)
        for case, outcomes in outcomes_of_cases(cases, options, arguments.jobs):
            for tool, found in outcomes.conflicts.items():
                measured.outcomes[tool] += found
            for tool, files in outcomes.files.items():
                measured.files[tool] += files
            bar.update(task, advance=case.read, description=case.files[0].repository)
        bar.update(task, completed=total, description="done")
    return measured


def cases_of(arguments: Namespace, wanted: Sequence[str], tally: Counter[str]) -> Iterator[Case]:
    """The merges, with the conflicts of each that count; all that is read is counted in `tally`."""
    most = arguments.limit_per_repository
    chosen = None if most is None else first_merges(arguments.examples, wanted, most)
    for repository, examples in examples_of(arguments.examples, wanted):
        read = 0
        for merge in merges_of(examples):
            read += len(merge)
            if chosen is None or merge[0].merge in chosen[repository]:
                group = capped(merge)
                case = Case(tuple(group), sampled_conflicts(countable(group), seed=arguments.seed), read)
                tally.update(_counts(case))
                yield case
                read = 0


def countable(files: Sequence[FileExample]) -> list[ConflictId]:
    """The ids of the conflicts whose resolution was located and not seen before."""
    return [
        conflict_id(example, conflict)
        for example in files
        for conflict in example.conflicts
        if conflict.resolution is not None and not conflict.duplicate
    ]


def _counts(case: Case) -> dict[str, int]:
    conflicts = [conflict for example in case.files for conflict in example.conflicts]
    return {
        "merges": 1,
        "merges counted": bool(case.counted),
        "files": len(case.files),
        "conflicts": len(conflicts),
        "not located": sum(conflict.resolution is None for conflict in conflicts),
        "duplicates": sum(conflict.duplicate for conflict in conflicts),
        "conflicts counted": len(case.counted),
    }


def load_tools(options: EvaluationOptions) -> dict[str, AnyResolver]:
    """The resolvers to measure by name, each on one thread of a process of its own, held to a time and to memory."""
    tools: dict[str, AnyResolver] = {TOOL: SupervisedResolver(options.bundle, PATIENCE)}
    if options.baseline is not None:
        tools[WITHOUT_NETWORK] = SupervisedResolver(options.baseline, PATIENCE)
    return tools


def outcomes_of_cases(
    cases: Iterator[Case], options: EvaluationOptions, jobs: int
) -> Iterator[tuple[Case, CaseOutcomes]]:
    """Each case with its outcomes, in order, only a few cases in memory at a time."""
    if jobs == 1:
        tools = load_tools(options)
        yield from ((case, outcomes_of(case, tools, options)) for case in cases)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, end_with_parent) as pool:
        running: deque[tuple[Case, Future[CaseOutcomes]]] = deque()
        for case in cases:
            running.append((case, pool.submit(_outcomes_in_worker, case, options)))
            if len(running) == AHEAD * jobs:
                yield _result(*running.popleft())
        while running:
            yield _result(*running.popleft())


_TOOLS: dict[str, AnyResolver] = {}  # of a worker process, loaded once


def _outcomes_in_worker(case: Case, options: EvaluationOptions) -> CaseOutcomes:
    if not _TOOLS:  # here, where an error reaches the person who asked
        _TOOLS.update(load_tools(options))
    return outcomes_of(case, _TOOLS, options)


def _result(case: Case, future: Future[CaseOutcomes]) -> tuple[Case, CaseOutcomes]:
    try:
        return case, future.result()
    except BrokenProcessPool as error:
        raise DatasetError(
            "A process that ranks was killed; run again with fewer --jobs if memory is short."
        ) from error
