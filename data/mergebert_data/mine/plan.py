"""The plan of a run: the merges of each repository in blocks, listed on disk so that memory need not hold them.

OUT/plans/       the merges of each repository, one a line
OUT/replays/     what git called a conflict in each block of merges: replaying is expensive and never done twice
OUT/shards/      the examples of each finished block, written whole: kill -9 costs only the blocks that are being mined
OUT/graphs/      commit graphs of repositories, with which git walks their history several times faster
OUT/scratch/     where git replays merges; empty when nothing runs
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Protocol, TypeVar

from mergebert.atomic import Draft
from mergebert.errors import DatasetError, GitError
from mergebert.repository_names import file_name
from mergebert_data.dataset.repositories import RepositoryFacts, facts_of
from mergebert_data.dataset.store import remove_halves
from mergebert_data.history.merges import MergeCommit, merge_listing
from mergebert_data.history.repository import SourceRepository, open_repository, with_commit_graph

VERSION = 3  # of what a shard holds; raise it when the same replays give other examples
REPLAY_VERSION = 1  # of what a replay holds; raise it when the same merge gives another replay
BLOCK = 200  # merges a task: some seconds of work, the most that a crash costs
_LINE = 3 * 41  # bytes of a line of a plan

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class MiningSettings:
    """What decides which examples are mined."""

    out: Path
    max_merges: int | None = None
    seed: int = 0
    jobs: int = 1
    json_lines: bool = False
    minutes: float | None = None
    keep_flagged: bool = False  # generated and vendored files too


@dataclass(frozen=True, slots=True)
class MergeBlock:
    """Consecutive merges of one repository, the file of their replays and the shard of their examples."""

    source: SourceRepository
    plan: Path
    start: int
    count: int
    replays: Path
    shard: Path
    seed: int = 0
    keep_flagged: bool = False

    def merges(self) -> list[MergeCommit]:
        """The merges, read from the plan."""
        with self.plan.open("rb") as plan:
            plan.seek(self.start * _LINE)
            lines = plan.read(self.count * _LINE).decode().split("\n")
        return [MergeCommit(*line.split(" ")) for line in lines if line]


@dataclass(frozen=True, slots=True)
class MiningPlan:
    """The blocks of all repositories, the reasons for which repositories are skipped, and counts of merges left out."""

    blocks: tuple[MergeBlock, ...]
    facts: Mapping[str, RepositoryFacts]
    skipped: Mapping[str, str]
    left_out: Mapping[str, int]

    @property
    def merges(self) -> int:
        """The merges of all blocks."""
        return sum(block.count for block in self.blocks)


class ParallelMap(Protocol):
    """A map that may run on other computers: results in order, a sentence in place of one that failed."""

    def __call__(
        self, function: Callable[[_Item], _Result | str], items: Sequence[_Item], /
    ) -> Iterator[_Result | str]:
        """The result of each item."""


def planned(
    repositories: Sequence[Path], settings: MiningSettings, name: str | None = None, each: ParallelMap = map
) -> MiningPlan:
    """The plan for these repositories: their blocks in turns, so that a run cut short has mined some of each."""
    _prepare(settings.out)
    skipped: dict[str, str] = {}
    found: dict[str, tuple[Path, SourceRepository]] = {}
    for path, source in zip(repositories, each(partial(_opened, name=name), repositories), strict=True):
        if isinstance(source, str):
            skipped[str(path)] = source
        elif source.name in found:
            skipped[str(path)] = (
                f"{path} is {source.name}, which is already among the repositories; give it once."
            )
        else:
            found[source.name] = (path, source)
    columns, facts, left_out = [], {}, Counter[str]()
    listings = each(partial(_listed, settings=settings), [source for _, source in found.values()])
    for (path, source), listing in zip(found.values(), listings, strict=True):
        if isinstance(listing, str):
            skipped[str(path)] = listing
        else:
            columns.append(listing.blocks)
            left_out.update(listing.left_out)
            facts[source.name] = listing.facts
    turns = (block for row in zip_longest(*columns) for block in row if block is not None)
    return MiningPlan(tuple(turns), facts, skipped, left_out)


def _opened(path: Path, name: str | None) -> SourceRepository | str:
    """The repository at a path, or why it cannot be mined."""
    try:
        return open_repository(path, name)
    except GitError as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class _RepositoryPlan:
    """What one repository adds to a plan."""

    blocks: list[MergeBlock]
    left_out: Mapping[str, int]
    facts: RepositoryFacts


def _listed(source: SourceRepository, settings: MiningSettings) -> _RepositoryPlan | str:
    """The share of one repository, or why its merges cannot be listed."""
    try:
        listing = merge_listing(source, settings.max_merges, settings.seed)
        blocks = _blocks(with_commit_graph(source, settings.out / "graphs"), listing.merges, settings)
        return _RepositoryPlan(blocks, listing.skipped, facts_of(source))
    except GitError as error:
        return str(error)


def _prepare(out: Path) -> None:
    """Makes the folders and removes what a killed run left half done."""
    if (out / "scratch").exists() and not (out / "plans").is_dir():
        raise DatasetError(f"{out / 'scratch'} is in the way and would be removed; give a folder of its own.")
    shutil.rmtree(out / "scratch", ignore_errors=True)
    for folder in ("plans", "graphs", "replays", "shards", "scratch"):
        (out / folder).mkdir(parents=True, exist_ok=True)
        remove_halves(out / folder)
    remove_halves(out)


def _blocks(
    source: SourceRepository, found: Sequence[MergeCommit], settings: MiningSettings
) -> list[MergeBlock]:
    """The blocks of one repository; writes its merges to a file, a line of fixed length each."""
    lines = [f"{merge.commit} {merge.ours} {merge.theirs}\n" for merge in found]
    stem = file_name(source.name)
    path = settings.out / "plans" / f"{stem}.txt"
    with Draft(path) as temporary:
        temporary.write_text("".join(lines), encoding="ascii", newline="\n")
    blocks = []
    for start in range(0, len(lines), BLOCK):
        part = lines[start : start + BLOCK]
        name = f"{stem}-{start // BLOCK:04}"
        kind = f"{VERSION} {settings.seed} {settings.keep_flagged}"
        replays = settings.out / "replays" / f"{name}-{_hash(REPLAY_VERSION, source, part)}.json.gz"
        shard = settings.out / "shards" / f"{name}-{_hash(kind, source, part)}.parquet"
        keep = (settings.seed, settings.keep_flagged)
        blocks.append(MergeBlock(source, path, start, len(part), replays, shard, *keep))
    # Neighbouring merges share objects git has just read, so merges keep their order; blocks do not, so that
    # mining cut short has still seen every age of the history.
    random.Random(f"{settings.seed} {source.name}").shuffle(blocks)
    return blocks


def _hash(version: object, source: SourceRepository, lines: Sequence[str]) -> str:
    return blake2b(f"{version} {source.name} {''.join(lines)}".encode(), digest_size=6).hexdigest()
