"""The miner beside a bare parallel loop of `git merge-tree --write-tree` over the same merges of one repository.

    python benchmarks/mining.py ../project --max-merges 2000 --jobs 2

Budget: at least 60 % of the loop's merges a second. The loop is `xargs -P JOBS`, a git process a merge, which only merges;
the miner also cuts the conflicts, reads what people committed, locates the resolutions and writes Parquet.
Each repetition mines into a fresh folder. Nothing is written into the repository: new objects land in a scratch folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from interleaved import Result, medians, parser_of, process, scratch, tell, whole_path

from mergebert_data.history.merges import merge_listing
from mergebert_data.history.plumbing import CLEAN_GIT
from mergebert_data.history.repository import SourceRepository, open_repository

BUDGET = 0.6
SEED = 0


def loop_side(
    source: SourceRepository, limit: int, jobs: int, environment: Mapping[str, str]
) -> Callable[[], None]:
    """A function that merges every pair of parents and does nothing with the results."""
    pairs = "".join(f"{merge.ours} {merge.theirs}\n" for merge in merge_listing(source, limit, SEED).merges)
    command = ["xargs", "-n", "2", "-P", str(jobs), "git", "merge-tree", "--write-tree"]
    clean = {**environment, **CLEAN_GIT, "GIT_DIR": source.git_dir}

    def run() -> None:
        with tempfile.TemporaryDirectory() as objects:
            own = {
                **clean,
                "GIT_OBJECT_DIRECTORY": objects,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": source.objects,
            }
            # Exit code 123: some merge had conflicts.
            subprocess.run(
                command, input=pairs.encode(), env=own, check=False,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    return run


def miner_side(command: list[str], environment: Mapping[str, str], out: Path) -> Callable[[], None]:
    """A function that mines the same merges, each time into an empty folder inside `out`."""

    def run() -> None:
        place = tempfile.mkdtemp(dir=out)
        process([*command, "-o", place], environment, codes=(0, 1))()  # 1: something had to be left out

    return run


def main() -> None:
    """Measures and prints."""
    parser = parser_of(__doc__ or "", 3)
    parser.add_argument("repository", type=whole_path, metavar="REPO", help="work tree or bare repository")
    parser.add_argument("--max-merges", type=int, default=2000, metavar="N", help="merges to do again (2000)")
    parser.add_argument("-j", "--jobs", type=int, default=2, metavar="J", help="processes of either side (2)")
    arguments = parser.parse_args()
    source = open_repository(arguments.repository)
    count = len(merge_listing(source, arguments.max_merges, SEED).merges)
    if not count:
        sys.exit(f"{arguments.repository} has no merges to do again.")
    limits = ["--max-merges", str(arguments.max_merges), "--seed", str(SEED), "--jobs", str(arguments.jobs)]
    command = [str(arguments.command), "mine", str(arguments.repository), *limits]
    with scratch(arguments) as (folder, environment):
        loop = loop_side(source, arguments.max_merges, arguments.jobs, environment)
        mine = miner_side(command, environment, folder)
        ours, reference = (
            count / seconds for seconds in medians([mine, loop], arguments.repetitions, warm_ups=0)
        )
    name = f"mining {count} merges of {source.name} with {arguments.jobs} processes"
    ratio = ours / reference
    tell(
        [Result(name, "merges a second", ours, reference, ratio, BUDGET, True, arguments.repetitions)],
        arguments,
    )


if __name__ == "__main__":
    main()
