"""`mergebert dataset split` and `dedupe`: the splits and the duplicates of a mined folder."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from mergebert.strict_json import write_json
from mergebert_data.commands import shared_arguments
from mergebert_data.commands.mined_folder import file_progress, print_json, updated_facts
from mergebert_data.commands.progress import waiting
from mergebert_data.dataset.dedupe import FoundDuplicates, duplicate_tables, found_duplicates, write_flags
from mergebert_data.dataset.families import assigned_by_family
from mergebert_data.dataset.leaks import leak_report, leak_table
from mergebert_data.dataset.splits import SPLITS_FILE, assigned_splits, read_splits, split_table
from mergebert_data.dataset.statistics import recounted, write_statistics


def add_split(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset split`."""
    shared_arguments.mined(parser)
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep the split of every repository this splits.json names"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="for the assignment (0)")
    shared_arguments.repositories(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="assign nothing: look for content that stands in two splits; exit code 1 if any leaks",
    )
    shared_arguments.threshold(parser)
    shared_arguments.json_output(parser)


def run_split(arguments: Namespace) -> int:
    """Assigns the repositories to splits, or with `--check` prints what leaks between two; 1 if anything does."""
    out = arguments.mined
    facts = updated_facts(out, arguments.repositories)
    if arguments.check:
        return _check_splits(arguments)
    with waiting("counting"):
        counts = recounted(out)["repositories"]
        kept = read_splits(arguments.keep) if arguments.keep else None
        split_of = assigned_by_family(out, counts, arguments.seed, kept)
    write_json(out / SPLITS_FILE, split_of)
    if arguments.json:
        print_json(split_of)
        return 0
    print(split_table(split_of, counts))
    if not any(of_one.family for of_one in facts.values()):
        print(
            "\nThe first commits of the repositories are not recorded, so forks were recognised by their files alone; "
            "--repositories asks for them.",
            file=sys.stderr,
        )
    return 0


def add_dedupe(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset dedupe`."""
    shared_arguments.mined(parser)
    shared_arguments.threshold(parser)
    parser.add_argument("--check", action="store_true", help="count duplicates and write nothing")
    shared_arguments.json_output(parser)


def run_dedupe(arguments: Namespace) -> int:
    """Flags every conflict whose content came before, or with `--check` only counts them."""
    out = arguments.mined
    found = _duplicates(arguments)
    if not arguments.check:
        with waiting("writing"):
            write_flags(out, found)
            write_statistics(out, recounted(out))
    figures = found.to_json()
    print_json(figures) if arguments.json else print(duplicate_tables(figures))
    return 0


def _check_splits(arguments: Namespace) -> int:
    report = leak_report(arguments.mined, _duplicates(arguments))
    print_json(report) if arguments.json else print(leak_table(report))
    return 1 if report["leaks"] else 0


def _duplicates(arguments: Namespace) -> FoundDuplicates:
    out = arguments.mined
    with file_progress(out) as advance:
        return found_duplicates(out, assigned_splits(out), arguments.threshold, advance)
