"""`mergebert fuse`: merges checkpoints by a recipe, explains the methods, and compares them."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.strict_json import json_text
from mergebert.terminal import visible
from mergebert_fusion.errors import FusionError, RecipeError

if TYPE_CHECKING:
    from mergebert_fusion.recipe.reading import Recipe

_USAGE = """\
mergebert fuse RECIPE -o OUT      merge by a recipe
       mergebert fuse RECIPE --plan      show what would be done, and do nothing
       mergebert fuse list               show the methods and what each needs
       mergebert fuse explain METHOD     show equation, source and parameters of a method
       mergebert fuse compare FILE -o OUT    score every applicable method
       mergebert fuse restore FOLDER MODEL -o OUT    give one model back from what a fusion kept"""
WORDS = {
    "list": 0,
    "explain": 1,
    "compare": 1,
    "restore": 2,
}  # what is not the name of a recipe, and what each takes
_PATIENCE = 2.0  # seconds before progress is shown


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `mergebert fuse`."""
    parser.usage = _USAGE
    parser.add_argument(
        "what", nargs="+", metavar="RECIPE | list | explain | compare | restore", help="see above"
    )
    parser.add_argument("-o", "--output", type=Path, help="the folder of the new model")
    parser.add_argument("--plan", action="store_true", help="show what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="for programs: of list, explain and --plan")
    parser.add_argument(
        "--device", default="cpu", help="where blocks are computed, as torch names it; cpu by default"
    )
    parser.add_argument("--dtype", help="the type of the output; takes the place of dtype in the recipe")
    parser.add_argument(
        "--threads", type=int, help="how many blocks are computed at a time; all cores by default"
    )
    parser.add_argument(
        "--shard-size", type=int, default=5000, help="largest file of the output in MB; 5000 by default"
    )
    parser.add_argument("--base", help="of restore: where the base lies now")
    parser.add_argument(
        "--overwrite", action="store_true", help="take away what a fusion left in the output folder"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert fuse`."""
    try:
        return _run(arguments)
    except RuntimeError as error:
        if "allocate" not in str(error):  # torch has no error of its own for memory of the CPU
            raise
        raise FusionError(
            "There is not enough memory for this; --plan estimates it, and fewer --threads take less."
        ) from error


def _run(arguments: Namespace) -> int:
    what: list[str] = arguments.what
    wanted = WORDS.get(what[0], 0)
    if len(what) != 1 + wanted:
        raise RecipeError(
            f"`mergebert fuse {what[0]}` takes {wanted} further argument(s); `mergebert fuse --help` shows them."
        )
    if what[0] == "list":
        return _list(arguments)
    if what[0] == "explain":
        return _explain(what[1], arguments)
    if what[0] == "compare":
        return _compare(Path(what[1]), _output(arguments))
    if what[0] == "restore":
        from mergebert_fusion.engine.restore import restore

        restore(Path(what[1]), what[2], _output(arguments), arguments.base)
        return 0
    return _fuse(Path(what[0]), arguments)


def _list(arguments: Namespace) -> int:
    from mergebert_fusion.methods.registry import METHODS
    from mergebert_fusion.report.describe import method_as_json, method_table

    if arguments.json:
        print(json_text([method_as_json(method) for method in METHODS.values()], indent=1))
    else:
        print("\n".join(method_table()))
    return 0


def _explain(name: str, arguments: Namespace) -> int:
    from mergebert_fusion.methods.registry import method_named
    from mergebert_fusion.report.describe import explained, method_as_json

    wanted = method_named(name)
    print(json_text(method_as_json(wanted), indent=1) if arguments.json else "\n".join(explained(wanted)))
    return 0


def _fuse(file: Path, arguments: Namespace) -> int:
    from mergebert_fusion.engine.plan import RunOptions, planned_recipe
    from mergebert_fusion.engine.run import write_fused
    from mergebert_fusion.report.describe import described_plan, plan_as_json

    recipe = _recipe(file, arguments.dtype)
    options = RunOptions(
        _device(arguments.device), _threads(arguments.threads), arguments.shard_size * 1_000_000
    )
    with planned_recipe(recipe, options) as plan:
        if arguments.plan:
            lines = [json_text(plan_as_json(plan), indent=1)] if arguments.json else described_plan(plan)
            print(visible("\n".join(lines)))
            return 0
        out = _output(arguments)
        write_fused(plan, out, overwrite=arguments.overwrite, on_progress=_progress_line(arguments.quiet))
        for note in plan.notes:
            print(visible(f"note: {note}"), file=sys.stderr)
    print(visible(f"{out}: fused from {len(plan.models)} models with {plan.recipe.method.name}."))
    return 0


def _recipe(file: Path, dtype: str | None) -> Recipe:
    """The recipe in a file, with the type of the output that the command line gives."""
    from dataclasses import replace

    from mergebert_fusion.io.safetensors import OUTPUT_DTYPES
    from mergebert_fusion.recipe.reading import load_recipe

    recipe = load_recipe(file)
    if dtype is None:
        return recipe
    if dtype not in OUTPUT_DTYPES:
        raise RecipeError(f"--dtype {dtype} is no type; there are {', '.join(OUTPUT_DTYPES)}.")
    return replace(recipe, dtype=dtype)


def _compare(file: Path, out: Path) -> int:
    from mergebert_fusion.io.files import write_text
    from mergebert_fusion.report.compare import compared
    from mergebert_fusion.report.comparison_file import load_comparison
    from mergebert_fusion.report.picture import draw
    from mergebert_fusion.report.table import table

    comparison = load_comparison(file)
    rows, experts = compared(comparison, out, on_progress=lambda line: print(visible(line), flush=True))
    draw(rows, out, with_costs=comparison.costs)
    text = "\n".join(table(rows, experts, comparison.left_out, with_costs=comparison.costs)) + "\n"
    write_text(out / "table.md", text)
    print(text, end="")
    return 0


def _output(arguments: Namespace) -> Path:
    if arguments.output is None:
        raise RecipeError("Say where to write with -o FOLDER; --plan shows what would be written.")
    output: Path = arguments.output
    return output


def _device(wanted: str) -> str:
    """A device that torch can compute on here."""
    import torch

    try:
        torch.empty(1, device=wanted)
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise RecipeError(
            f"--device {wanted} cannot be used here ({reason}): leave it out to use the CPU."
        ) from error
    return wanted


def _threads(wanted: int | None) -> int:
    if wanted is not None and wanted < 1:
        raise RecipeError(f"--threads {wanted} computes nothing: give 1 or more.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return wanted or cores or 1


def _progress_line(quiet: bool) -> Callable[[str], None]:
    """A function that shows a line in place of the one before, on a terminal and after a while only."""
    start = last = time.monotonic()

    def show(line: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - start > _PATIENCE and now - last > 0.2:
            last = now
            print(f"\r\x1b[K{visible(line)}", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() and not quiet else lambda line: None
