"""A merge without conflicts: `mergebert merge` beside a Python that does nothing. Budget: 2.5 times its time.

    python benchmarks/clean_merge.py

Also printed, without a budget: the same beside git's own `git merge-file`, which no driver can do without.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from interleaved import Result, medians, parser_of, process, scratch, tell
from sample import Sample, clean_sample

BUDGET = 2.5


def write(sample: Sample, folder: Path) -> list[str]:
    """The paths of base, ours and theirs."""
    paths = []
    for name, text in (("base", sample.base), ("ours", sample.ours), ("theirs", sample.theirs)):
        path = folder / f"{name}{Path(sample.path).suffix}"
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    return paths


def main() -> None:
    """Measures and prints."""
    arguments = parser_of(__doc__ or "", 60).parse_args()
    sample = clean_sample()
    with scratch(arguments) as (folder, environment):
        files = write(sample, folder)
        merge = [str(arguments.command), "merge", *files, "-o", str(folder / "merged"), "-p", sample.path]
        git = [shutil.which("git") or "git", "merge-file", "-p", files[1], files[0], files[2]]
        sides = [merge, [sys.executable, "-I", "-c", "pass"], git]
        seconds = medians([process(side, environment) for side in sides], arguments.repetitions, warm_ups=2)
    ours, python, line_merge = (1000 * value for value in seconds)
    result = Result(
        "clean merge, mergebert against python -I -c pass", "ms", ours, python, ours / python, BUDGET, False,
        arguments.repetitions,
    )  # fmt: skip
    tell([result], arguments)
    if not arguments.json:
        print(f"git merge-file alone: {line_merge:.4g} ms")


if __name__ == "__main__":
    main()
