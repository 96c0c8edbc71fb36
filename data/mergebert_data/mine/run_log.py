"""The log of the runs that mined into a folder: merges, wall time and memory of each; a corpus takes several."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mergebert.strict_json import json_text

_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes; getrusage counts in kilobytes but on macOS


@dataclass(slots=True)
class MiningRun:
    """One run: when it began (seconds since 1970), its processes, the merges it mined and the seconds it took.

    `peak_bytes` is the largest resident size of any one process, git's included.
    """

    began: int
    jobs: int
    merges: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0

    def sentence(self) -> str:
        """The run in a line for people."""
        rate = self.merges / self.seconds if self.seconds else 0.0
        return (
            f"mined {self.merges} merges in {self.seconds:.1f} s ({rate:.0f} merges/s, {self.jobs} processes, "
            f"largest process {self.peak_bytes / 1e6:.0f} MB)"
        )


@contextmanager
def recorded(out: Path, jobs: int) -> Iterator[MiningRun]:
    """A run to count merges in, added to OUT/runs.jsonl when the block ends, even by an error."""
    run = MiningRun(int(time.time()), jobs)
    started = time.monotonic()
    try:
        yield run
    finally:
        run.seconds = round(time.monotonic() - started, 1)
        own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        run.peak_bytes = max(own.ru_maxrss, workers.ru_maxrss) * _UNIT
        with (out / "runs.jsonl").open("a", encoding="utf-8") as log:
            log.write(json_text(asdict(run)) + "\n")
