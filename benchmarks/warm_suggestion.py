"""Warm suggestions. Budgets: median 30 ms a conflict on one core, and 50 conflicts a second in batch on two.

    python benchmarks/warm_suggestion.py [FILE.jsonl]

FILE.jsonl holds lines `{id, path, base, ours, theirs}` of real files, as `mergebert suggest --batch` takes them; without
it files are made by code. The first figure is a loaded resolver asked for one file after the other, on one thread of one
core; the second is two `mergebert suggest --batch` processes, each on a core of its own, from the moment both have given
their first answer, git's cutting of the files included. The two are taken in turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from interleaved import Result, medians, parser_of, scratch, tell, whole_path
from sample import samples

from mergebert.git.line_merge import line_merge
from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolver import Resolver
from mergebert.text.threeway import ThreeWay

MILLISECONDS, A_SECOND = 30.0, 50.0
FILES = 120
PROCESSES = 2

Row = Mapping[str, str]


def rows_of(path: Path | None, limit: int) -> list[Row]:
    """The files to ask about; the lines of `mergebert mine --jsonl` will do as well."""
    if path is None:
        return [{"id": str(at), **asdict(sample)} for at, sample in enumerate(samples(limit))]
    rows = []
    with path.open(encoding="utf-8") as lines:
        for at, line in zip(range(limit), lines, strict=False):
            row = json.loads(line)
            rows.append({"id": str(at), "path": row["path"], **(row.get("stages") or _versions(row))})
    return rows


def _versions(row: Row) -> Row:
    return {name: row[name] for name in ("base", "ours", "theirs")}


def cores() -> list[int]:
    """The cores this process may use; none where the system cannot pin."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(process: int, core: int) -> None:
    """Keeps a process (0: this one) on one core, where the system can."""
    if cores():
        os.sched_setaffinity(process, {core})


@dataclass
class Warm:
    """A loaded resolver asked about one file after the other; keeps the milliseconds of every conflict."""

    resolver: Resolver
    files: Sequence[FileMerge]
    conflicts: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """The median milliseconds a conflict of this pass."""
        found: list[float] = []
        for file in self.files:
            start = time.perf_counter()
            self.resolver.rank([file])
            count = len(file.merged.conflicts)
            found += [1000 * (time.perf_counter() - start) / count] * count
        self.conflicts += found
        return statistics.median(found)


def warm_side(rows: Sequence[Row], bundle: Path | None) -> Warm:
    """The first side, everything loaded and cut."""
    files = []
    for row in rows:
        versions = ThreeWay(row["base"], row["ours"], row["theirs"])
        merged = line_merge(versions)
        if merged.conflicts:
            files.append(FileMerge(row["path"], merged, versions))
    return Warm(Resolver.load(bundle, threads=1), files)


def batch_side(rows: Sequence[Row], command: Path, environment: Mapping[str, str]) -> Callable[[], float]:
    """The second side: a function that gives conflicts a second over all processes together."""
    allowed = (cores() or [0]) * PROCESSES
    parts = [rows[number::PROCESSES] for number in range(PROCESSES)]

    def run() -> float:
        started = [_Batch(command, environment, allowed[at]) for at in range(PROCESSES)]
        for one, part in zip(started, parts, strict=True):
            one.ask(part[:1])
        for one in started:
            one.answers(1)  # loaded and warm
        start = time.perf_counter()
        for one, part in zip(started, parts, strict=True):
            one.ask(part, last=True)
        answers = [
            threading.Thread(target=one.answers, args=(len(part),))
            for one, part in zip(started, parts, strict=True)
        ]
        for thread in answers:
            thread.start()
        for thread in answers:
            thread.join()
        seconds = time.perf_counter() - start
        return sum(one.close() for one in started) / seconds

    return run


class _Batch:
    """One `mergebert suggest --batch` that answers line by line."""

    def __init__(self, command: Path, environment: Mapping[str, str], core: int) -> None:
        call = [str(command), "suggest", "--batch", "-", "--json"]
        self.child = subprocess.Popen(
            call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment)
        )
        pin(self.child.pid, core)
        self.conflicts = 0

    def ask(self, rows: Sequence[Row], last: bool = False) -> None:
        """Sends rows without waiting for answers."""
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()

        def send() -> None:
            assert self.child.stdin is not None
            self.child.stdin.write(text)
            self.child.stdin.flush()
            if last:
                self.child.stdin.close()

        threading.Thread(target=send, daemon=True).start()

    def answers(self, count: int) -> None:
        """Reads this many answers; the conflicts in them are those counted last."""
        assert self.child.stdout is not None
        lines = [self.child.stdout.readline() for _ in range(count)]
        self.conflicts = sum(len(json.loads(line).get("conflicts", ())) for line in lines)

    def close(self) -> int:
        """The conflicts in the last answers, once the process has ended."""
        assert self.child.stdout is not None
        self.child.stdout.close()
        self.child.wait()
        return self.conflicts


def main() -> None:
    """Measures and prints."""
    parser = parser_of(__doc__ or "", 5)
    parser.add_argument("file", nargs="?", type=whole_path, metavar="FILE.jsonl", help="real files")
    parser.add_argument("--limit", type=int, default=FILES, metavar="N", help=f"files to ask about ({FILES})")
    arguments = parser.parse_args()
    rows = rows_of(arguments.file, arguments.limit)
    with scratch(arguments) as (_, environment):
        batch = batch_side(rows, arguments.command, environment)
        pin(0, (cores() or [0])[0])
        warm = warm_side(rows, arguments.bundle)
        median, rate = medians([warm, batch], arguments.repetitions)
    slow = statistics.quantiles(warm.conflicts, n=20)[-1]
    count = arguments.repetitions
    results = [
        Result(
            "warm suggestion on one core", "ms a conflict", median, None, median, MILLISECONDS, False, count
        ),
        Result(f"batch on {PROCESSES} cores", "conflicts a second", rate, None, rate, A_SECOND, True, count),
    ]
    tell(results, arguments)
    if not arguments.json:
        print(f"{len(warm.files)} files; 95 % of the conflicts within {slow:.4g} ms")


if __name__ == "__main__":
    main()
