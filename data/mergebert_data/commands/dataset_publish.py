"""`mergebert dataset export`, `card`, `manifest` and `rebuild`: mined data for other tools and machines."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mergebert.example import GRADES
from mergebert_data.commands import shared_arguments
from mergebert_data.commands.mined_folder import file_progress, print_json, updated_facts
from mergebert_data.commands.progress import progress, waiting
from mergebert_data.dataset.card import Card, write_card
from mergebert_data.dataset.card_counts import card_counts
from mergebert_data.dataset.export import JSON_LINES, PARQUET, SHARD_BYTES, ExportOptions, write_export
from mergebert_data.dataset.flat_rows import CONTEXT_LINES, RowMetadata
from mergebert_data.dataset.manifest import write_manifest
from mergebert_data.dataset.splits import SPLITS, assigned_splits
from mergebert_data.dataset.statistics import recounted
from mergebert_data.history.repository import open_repository, require_git
from mergebert_data.mine.rebuild import rebuilt


def add_export(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset export`."""
    shared_arguments.mined(parser)
    shared_arguments.output(parser, "FOLDER", "a new folder")
    parser.add_argument(
        "--grades",
        type=_grades,
        metavar="LETTERS",
        help=f"only conflicts located with these grades, of {''.join(GRADES)}",
    )
    parser.add_argument("--distinct", action="store_true", help="without conflicts flagged as duplicates")
    shared_arguments.context(parser, CONTEXT_LINES)
    parser.add_argument(
        "--shard-megabytes",
        type=shared_arguments.positive,
        default=SHARD_BYTES // 1_000_000,
        metavar="MB",
        help=f"begin a new file at this size ({SHARD_BYTES // 1_000_000})",
    )
    parser.add_argument("--jsonl", action="store_true", help="JSON Lines beside Parquet")
    _add_card_arguments(parser)
    shared_arguments.json_output(parser)


def run_export(arguments: Namespace) -> int:
    """Writes an export with its card."""
    out, target = arguments.mined, arguments.output
    facts = updated_facts(out, arguments.repositories)
    formats = (PARQUET, JSON_LINES) if arguments.jsonl else (PARQUET,)
    shard_bytes = 1_000_000 * arguments.shard_megabytes
    options = ExportOptions(arguments.grades, arguments.distinct, shard_bytes, formats)
    metadata = RowMetadata(assigned_splits(out), facts, arguments.context)
    with file_progress(out) as advance:
        counts = write_export(out, target, options, metadata, advance)
    card = Card(arguments.title, _mining_counts(out), formats, options.left_out)
    write_card(target, counts, card, has_pictures=not arguments.no_pictures)
    of_splits = sum(counts.splits.values(), Counter[str]())
    if arguments.json:
        print_json(dict(of_splits))
    else:
        print("\n".join(f"{name}: {of_splits[name]} conflicts" for name in SPLITS))
    return 0


def add_card(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset card`."""
    shared_arguments.mined(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where to write it (OUT itself)")
    _add_card_arguments(parser)


def run_card(arguments: Namespace) -> int:
    """Writes the card of a mined folder."""
    out = arguments.mined
    metadata = RowMetadata(assigned_splits(out), updated_facts(out, arguments.repositories))
    with waiting("counting"):
        counts = card_counts(out, metadata)
    target = arguments.output or out
    card = Card(arguments.title, _mining_counts(out))
    write_card(target, counts, card, has_pictures=not arguments.no_pictures)
    print(target / "README.md")
    return 0


def add_manifest(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset manifest`."""
    shared_arguments.mined(parser)
    shared_arguments.output(parser, "FILE", "a .parquet or .jsonl file")


def run_manifest(arguments: Namespace) -> int:
    """Writes the manifest of a mined folder."""
    out = arguments.mined
    with file_progress(out) as advance:
        count = write_manifest(out, arguments.output, assigned_splits(out), advance)
    print(f"{count} files, {arguments.output.stat().st_size / 1e6:.1f} MB, no text")
    return 0


def add_rebuild(parser: ArgumentParser) -> None:
    """Declares the arguments of `mergebert dataset rebuild`."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="what `dataset manifest` wrote")
    parser.add_argument(
        "-r",
        "--repositories",
        nargs="+",
        type=Path,
        required=True,
        metavar="REPO",
        help="work trees or bare repositories",
    )
    shared_arguments.output(parser, "OUT", "a folder for the examples")
    shared_arguments.jobs(parser)
    shared_arguments.json_output(parser)


def run_rebuild(arguments: Namespace) -> int:
    """Makes the examples of a manifest again; 1 where some had to be left out."""
    require_git()
    sources = {source.name: source for source in map(open_repository, arguments.repositories)}
    with progress("files", None) as advance:
        counts = rebuilt(arguments.manifest, sources, arguments.output, arguments.jobs, advance)
    left_out = {reason: count for reason, count in sorted(counts.items()) if reason != "rows" and count}
    if arguments.json:
        print_json({"rows": counts["rows"], "left out": left_out})
    else:
        print(f"{counts['rows']} files rebuilt")
        for reason, count in left_out.items():
            print(f"left out: {count} files: {reason}", file=sys.stderr)
    return 1 if left_out else 0


def _add_card_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--title",
        type=shared_arguments.text,
        default="Merge conflicts",
        help="of the card (Merge conflicts)",
    )
    parser.add_argument("--no-pictures", action="store_true", help="a card without pictures")
    shared_arguments.repositories(parser)


def _grades(text: str) -> frozenset[str]:
    if not text or not set(text) <= set(GRADES):
        raise ArgumentTypeError(f"{text!r} is not made of {', '.join(GRADES)}")
    return frozenset(text)


def _mining_counts(out: Path) -> Mapping[str, int]:
    counts: Mapping[str, int] = recounted(out)["counts"]
    return counts
