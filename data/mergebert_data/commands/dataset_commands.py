"""What each subcommand of `mergebert dataset` does: reads, works with progress, writes, prints."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mergebert.terminal import has_colour
from mergebert_data.commands.progress import progress, waiting
from mergebert_data.dataset import dedupe as duplicates
from mergebert_data.dataset.card import Card, write_card
from mergebert_data.dataset.card_counts import card_counts
from mergebert_data.dataset.dedupe import Found, found_duplicates
from mergebert_data.dataset.export import JSON_LINES, PARQUET, ExportOptions
from mergebert_data.dataset.export import export as exported
from mergebert_data.dataset.flat_rows import Surroundings
from mergebert_data.dataset.leaks import leak_report, leak_table
from mergebert_data.dataset.manifest import write_manifest
from mergebert_data.dataset.recount import recounted, write_statistics
from mergebert_data.dataset.repositories import RepositoryFacts, asked, dealt, read_facts, write_facts
from mergebert_data.dataset.sample import SampleOptions, sampled, shown
from mergebert_data.dataset.splits import FILE as SPLITS_FILE
from mergebert_data.dataset.splits import SPLITS, read_splits
from mergebert_data.dataset.statistics import markdown_table, repository_table, table_of
from mergebert_data.dataset.store import opened, write_json
from mergebert_data.history.repository import open_repository
from mergebert_data.mine.rebuild import rebuilt


def stats(arguments: Namespace) -> int:
    """Prints what a mined folder holds and which repositories are in which split."""
    out = arguments.mined
    with waiting("counting"):
        figures, split_of = recounted(out), _splits(out)
    if arguments.json:
        return _printed(figures | {"splits": split_of})
    print(table_of(figures))
    if arguments.repositories:
        print(f"\n{repository_table(figures, split_of)}")
    print(f"\n{split_table(split_of, figures['repositories'])}")
    return 0


def split(arguments: Namespace) -> int:
    """Deals the repositories to splits, or with `--check` says what leaks from one into another; 1 if anything does."""
    out = arguments.mined
    _facts(out, arguments.repositories)
    if arguments.check:
        report = leak_report(out, _found(arguments))
        _printed(report) if arguments.json else print(leak_table(report))
        return 1 if report["leaks"] else 0
    with waiting("counting"):
        counts = recounted(out)["repositories"]
        kept = read_splits(arguments.keep) if arguments.keep else None
        split_of = dealt(out, counts, arguments.seed, kept)
    write_json(out / SPLITS_FILE, split_of)
    if arguments.json:
        return _printed(split_of)
    print(split_table(split_of, counts))
    if not any(facts.family for facts in read_facts(out).values()):
        print(
            "\nThe first commits of the repositories are not recorded, so forks were told by their files alone; "
            "--repositories asks for them.",
            file=sys.stderr,
        )
    return 0


def dedupe(arguments: Namespace) -> int:
    """Flags every conflict whose content came before, or with `--check` only counts them."""
    out = arguments.mined
    found = _found(arguments)
    if not arguments.check:
        with waiting("writing"):
            duplicates.flag(out, found)
            write_statistics(out, recounted(out))
    figures = found.to_json()
    if arguments.json:
        return _printed(figures)
    print(duplicates.table_of(figures))
    return 0


def sample(arguments: Namespace) -> int:
    """Shows a few conflicts."""
    out = arguments.mined
    wish = SampleOptions(arguments.count, arguments.seed, arguments.by, dict(arguments.only))
    around = Surroundings(_splits(out), read_facts(out), arguments.context)
    with waiting("drawing"):
        drawn = sampled(out, wish, around)
    for number, flat in enumerate(drawn, start=1):
        if arguments.json:
            print(json.dumps(flat, ensure_ascii=False))
        else:
            print(f"{number}/{len(drawn)}  {shown(flat, has_colour(sys.stdout))}\n")
    return 0


def export(arguments: Namespace) -> int:
    """Writes an export with its card."""
    out, target = arguments.mined, arguments.output
    facts = _facts(out, arguments.repositories)
    formats = (PARQUET, JSON_LINES) if arguments.jsonl else (PARQUET,)
    choice = ExportOptions(
        arguments.grades, arguments.distinct, 1_000_000 * arguments.shard_megabytes, formats
    )
    around = Surroundings(_splits(out), facts, arguments.context)
    with progress("files", _rows(out)) as advance:
        figures = exported(out, target, choice, around, advance)
    card = Card(arguments.title, _mined(out), formats, choice.left_out)
    write_card(target, figures, card, has_pictures=not arguments.no_pictures)
    counted = sum(figures.splits.values(), Counter[str]())
    if arguments.json:
        return _printed(dict(counted))
    print("\n".join(f"{name}: {counted[name]} conflicts" for name in SPLITS))
    return 0


def card(arguments: Namespace) -> int:
    """Writes the card of a mined folder."""
    out = arguments.mined
    around = Surroundings(_splits(out), _facts(out, arguments.repositories))
    with waiting("counting"):
        figures = card_counts(out, around)
    target = arguments.output or out
    write_card(target, figures, Card(arguments.title, _mined(out)), has_pictures=not arguments.no_pictures)
    print(target / "README.md")
    return 0


def manifest(arguments: Namespace) -> int:
    """Writes the manifest of a mined folder."""
    out = arguments.mined
    with progress("files", _rows(out)) as advance:
        count = write_manifest(out, arguments.output, _splits(out), advance)
    print(f"{count} files, {arguments.output.stat().st_size / 1e6:.1f} MB, no text")
    return 0


def rebuild(arguments: Namespace) -> int:
    """Makes the examples of a manifest again; 1 where some had to be left out."""
    sources = {source.name: source for source in map(open_repository, arguments.repositories)}
    with progress("files", None) as advance:
        counts = rebuilt(arguments.manifest, sources, arguments.output, arguments.jobs, advance)
    left_out = {reason: count for reason, count in sorted(counts.items()) if reason != "rows" and count}
    if arguments.json:
        _printed({"rows": counts["rows"], "left out": left_out})
    else:
        print(f"{counts['rows']} files rebuilt")
        for reason, count in left_out.items():
            print(f"left out: {count} files: {reason}", file=sys.stderr)
    return 1 if left_out else 0


def split_table(split_of: Mapping[str, str], counts: Mapping[str, Mapping[str, int]]) -> str:
    """How many repositories and conflicts each split has, and which repositories."""
    names = {part: sorted(name for name, of in split_of.items() if of == part) for part in SPLITS}
    rows = [
        (part, f"{len(names[part])}", f"{sum(counts.get(name, {}).get('hunks', 0) for name in names[part])}")
        for part in SPLITS
    ]
    names_listed = (f"{part}: {', '.join(names[part])}" for part in SPLITS if names[part])
    return "\n\n".join((markdown_table(("split", "repositories", "conflicts"), rows), *names_listed))


def _found(arguments: Namespace) -> Found:
    out = arguments.mined
    with progress("files", _rows(out)) as advance:
        return found_duplicates(out, _splits(out), arguments.threshold, advance)


def _rows(out: Path) -> int:
    with opened(out) as file:
        count: int = file.metadata.num_rows
    return count


def _splits(out: Path) -> dict[str, str]:
    """The splits of a mined folder; nothing where none were dealt."""
    return read_splits(out) if (out / SPLITS_FILE).exists() else {}


def _facts(out: Path, repositories: tuple[Path, ...]) -> dict[str, RepositoryFacts]:
    """What is known of the repositories, after asking those given."""
    facts = read_facts(out)
    if repositories:
        with waiting("asking the repositories"):
            facts |= asked(repositories)
        write_facts(out, facts)
    return facts


def _mined(out: Path) -> Mapping[str, int]:
    counts: Mapping[str, int] = recounted(out)["counts"]
    return counts


def _printed(value: Any) -> int:
    print(json.dumps(value, indent=1))
    return 0
