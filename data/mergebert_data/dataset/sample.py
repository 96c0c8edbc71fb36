"""A stratified sample of mined conflicts for people to read."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mergebert.errors import InputError
from mergebert.terminal import coloured, shown_lines, visible
from mergebert_data.dataset.agreement import grade_of
from mergebert_data.dataset.flat_rows import RowMetadata, conflict_id, flat_rows
from mergebert_data.dataset.seeded_draw import draw
from mergebert_data.dataset.statistics import NO_CANDIDATE
from mergebert_data.dataset.store import numbered_rows, read_rows

NONE = "none"
TRAITS = ("language", "grade", "pattern", "repository", "split")
_READ = ("repository", "merge", "path", "language", "conflicts")
_LONGEST = 40  # lines of a text shown whole


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """How many conflicts to draw, by which traits to stratify, and which traits they must have."""

    count: int = 10
    seed: int = 0
    by: tuple[str, ...] = ("language", "grade", "pattern")
    only: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class DrawnConflict:
    """A conflict (row of the file, index in the row) with the number that orders the draw."""

    lot: int
    row: int
    index: int


def sampled(out: Path, options: SampleOptions, metadata: RowMetadata) -> list[dict[str, Any]]:
    """The flat rows of a sample, the same for a seed whatever the order of the rows; InputError where none fits."""
    drawn = _in_turns(_strata(out, options, metadata), options)
    if not drawn:
        traits = ", ".join(f"{trait} {value}" for trait, value in options.only.items())
        raise InputError(f"{out} holds no conflict{f' of {traits}' if traits else ''}; ask for less.")
    found = {
        (number, flat["index"]): flat
        for number, row in numbered_rows(out, {one.row for one in drawn})
        for flat in flat_rows(row, metadata)
    }
    return [found[one.row, one.index] for one in drawn]


def traits_of(row: Mapping[str, Any], conflict: Mapping[str, Any], metadata: RowMetadata) -> dict[str, str]:
    """The traits of a conflict, by which samples are stratified and restricted."""
    pattern = (conflict["patterns"] or [NO_CANDIDATE])[0]
    return {
        "language": row["language"],
        "grade": grade_of(conflict) or NONE,
        "pattern": pattern if conflict["resolution"] is not None else NONE,
        "repository": row["repository"],
        "split": metadata.split(row["repository"]),
    }


def shown(flat: Mapping[str, Any], is_coloured: bool) -> str:
    """A conflict as text for a terminal: provenance, context, sides and resolution."""
    proof = "+".join(flat["proof"]) or "not located"
    dissent = "".join(f", not {name}" for name in flat["dissent"])
    head = (
        f"{flat['repository']}  {flat['path']}  conflict {flat['index']} of merge {flat['merge'][:12]}\n"
        f"{flat['language']}, {flat['split']}, grade {flat['grade'] or NONE} ({proof}{dissent})"
        f"{', duplicate' if flat['duplicate'] else ''}; {', '.join(flat['patterns']) or NO_CANDIDATE}"
    )
    lines = [visible(head), *_part(" ", flat["context_before"])]
    for title, name, mark in (("ours", "ours", "+"), ("base", "base", "-"), ("theirs", "theirs", "+")):
        lines += [f"@ {title}", *_part(mark, flat[name])]
    lines += ["@ end", *_part(" ", flat["context_after"])]
    resolution = flat["resolution"]
    lines += ["@ resolution", *(["(not located)"] if resolution is None else _part("=", resolution))]
    return "\n".join(map(coloured, lines) if is_coloured else lines)


def _part(mark: str, text: str) -> Iterator[str]:
    lines = shown_lines(text)
    yield from (f"{mark} {line}" for line in lines[:_LONGEST])
    if len(lines) > _LONGEST:
        yield f"{mark} ({len(lines) - _LONGEST} more lines)"


def _strata(
    out: Path, options: SampleOptions, metadata: RowMetadata
) -> dict[tuple[str, ...], list[DrawnConflict]]:
    """The first conflicts of each stratum, a combination of traits, in the order of the draw: as many as are wanted in all."""
    strata: dict[tuple[str, ...], list[tuple[int, int, int]]] = defaultdict(list)
    for number, row in enumerate(read_rows(out, _READ)):
        for conflict in row["conflicts"]:
            traits = traits_of(row, conflict, metadata)
            if any(traits[trait] != value for trait, value in options.only.items()):
                continue
            heap = strata[tuple(traits[trait] for trait in options.by)]
            # The heap gives up its smallest, so draws are negative: what stays is drawn first.
            entry = (-draw(options.seed, conflict_id(row, conflict["index"])), number, conflict["index"])
            (heapq.heappush if len(heap) < options.count else heapq.heappushpop)(heap, entry)
    return {name: sorted(DrawnConflict(-lot, *row) for lot, *row in heap) for name, heap in strata.items()}


def _in_turns(
    strata: Mapping[tuple[str, ...], Sequence[DrawnConflict]], options: SampleOptions
) -> list[DrawnConflict]:
    """The conflicts of the sample: one of each stratum in turns, the strata shuffled."""
    order = sorted(strata, key=lambda names: draw(options.seed, " ".join(names)))
    turns = max(map(len, strata.values()), default=0)
    ordered = [strata[name][turn] for turn in range(turns) for name in order if turn < len(strata[name])]
    return ordered[: options.count]
