"""A merge with a conflict in a fresh process: `mergebert merge` beside a Python that imports what it needs.

    python benchmarks/cold_conflict.py

The reference is `python -I -c "import numpy, onnxruntime, tokenizers"`. Budget: 2 times its time.
"""

from __future__ import annotations

import sys

from clean_merge import write
from interleaved import Result, complaint_of, medians, parser_of, process, scratch, tell, whole_path
from sample import conflicting_sample

BUDGET = 2.0
IMPORTS = "import numpy, onnxruntime, tokenizers"


def main() -> None:
    """Measures and prints."""
    parser = parser_of(__doc__ or "", 20)
    parser.add_argument(
        "--files", nargs=3, type=whole_path, metavar=("BASE", "OURS", "THEIRS"), help="real ones"
    )
    parser.add_argument("-p", "--path", help="the name of the real files in their repository")
    arguments = parser.parse_args()
    sample = conflicting_sample()
    real = [str(path) for path in arguments.files or ()]
    with scratch(arguments) as (folder, environment):
        files = real or write(sample, folder)
        path = arguments.path or (real[1] if real else sample.path)
        merge = [str(arguments.command), "merge", *files, "-o", str(folder / "merged"), "-p", path]
        said = complaint_of(merge, environment)
        if "git's own conflicts are left" in said:
            sys.exit(f"The model did not run, so there is nothing to time: {said.strip()}")
        sides = [
            process(merge, environment, codes=(0, 1)),
            process([sys.executable, "-I", "-c", IMPORTS], environment),
        ]
        ours, reference = (1000 * seconds for seconds in medians(sides, arguments.repetitions))
    name = f"cold conflict, mergebert against python -I -c '{IMPORTS}'"
    result = Result(name, "ms", ours, reference, ours / reference, BUDGET, False, arguments.repetitions)
    tell([result], arguments)


if __name__ == "__main__":
    main()
