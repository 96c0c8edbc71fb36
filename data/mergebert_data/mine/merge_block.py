"""One block of merges, mined: replayed once, its examples written as a shard."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mergebert.errors import MergebertError
from mergebert.text.markers import parse_line_merge
from mergebert_data.dataset.content_key import content_key
from mergebert_data.dataset.store import write_shard
from mergebert_data.history.replay import Replay, ScratchRepository
from mergebert_data.mine.extract import Extractor
from mergebert_data.mine.plan import MergeBlock
from mergebert_data.mine.replay_store import read_replays, write_replays


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What mining one block gave: why nothing, if it failed; whether an earlier run had mined it."""

    merges: int
    files: int = 0
    located: int = 0
    failure: str | None = None
    was_done: bool = False


def mine_block(block: MergeBlock, folder: Path | None = None) -> BlockResult:
    """Mines one block into its shard, replaying inside `folder` (OUT/scratch); a repository that cannot be read any more
    is a failure in the result."""
    try:
        return _mine_block(block, folder or block.shard.parent.parent / "scratch")
    except (MergebertError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[-200:]
        return BlockResult(block.count, failure=f"{block.source.name}: {reason}")


def _mine_block(block: MergeBlock, folder: Path) -> BlockResult:
    counts: Counter[str] = Counter(merges=block.count)
    examples, keys = [], []
    with ScratchRepository(block.source, folder) as scratch:
        replays, seconds = _replays(block, scratch)
        started = time.monotonic()
        extractor = Extractor(block.source.name, scratch, block.seed, block.keep_flagged)
        extractor.expect(replays)
        for replay in replays:
            counts.update(
                {"merge: git gave up": replay.conflicts is None, "merge: conflicted": bool(replay.conflicts)}
            )
            found = extractor.examples(replay)
            counts["merge: with examples"] += bool(found)
            examples += found
    counts["milliseconds: replaying"] = round(1000 * seconds)
    counts["milliseconds: extracting"] = round(1000 * (time.monotonic() - started))
    for example in examples:
        conflicts = parse_line_merge(example.conflicted).conflicts
        resolutions = [conflict.resolution for conflict in example.conflicts]
        keys.append([content_key(*pair) for pair in zip(conflicts, resolutions, strict=True)])
    write_shard(block.shard, examples, keys, +(counts + extractor.dropped))
    located = sum(conflict.resolution is not None for example in examples for conflict in example.conflicts)
    return BlockResult(block.count, len(examples), located)


def _replays(block: MergeBlock, scratch: ScratchRepository) -> tuple[list[Replay], float]:
    """The replays of the block's merges and the seconds they took; read if they are stored, else made and stored."""
    merges = block.merges()
    if block.replays.exists():
        return read_replays(block.replays, merges, scratch)
    started = time.monotonic()
    replays = list(scratch.replayed(merges))
    seconds = time.monotonic() - started
    write_replays(block.replays, replays, scratch, seconds)
    return replays, seconds
