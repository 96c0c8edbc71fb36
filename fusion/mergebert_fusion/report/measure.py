"""Time and memory of a fusion, measured in a process of its own so that nothing else counts."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

from mergebert_fusion.errors import FusionError


def measured_fusion(recipe: str, file: Path, out: Path) -> tuple[float, int]:
    """Writes the model of a recipe into `out`; gives seconds, and peak memory in bytes beyond that of the idle program."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_fuse, args=(recipe, file, out, there))
    child.start()
    there.close()
    try:
        outcome = here.recv()
    except EOFError:
        child.join()
        raise FusionError(
            f"The fusion by {file} ended without a word (exit code {child.exitcode})."
        ) from None
    child.join()
    if isinstance(outcome, str):
        raise FusionError(outcome)
    seconds, peak = outcome
    return float(seconds), int(peak)


def _fuse(recipe: str, file: Path, out: Path, sender: Connection) -> None:
    """Runs in the process of its own: sends (seconds, bytes), or the sentence of an error."""
    from mergebert.errors import MergebertError
    from mergebert_fusion.engine.plan import RunOptions, planned_recipe
    from mergebert_fusion.engine.run import write_fused
    from mergebert_fusion.recipe.reading import recipe_in

    before, start = peak_memory(), time.perf_counter()
    try:
        with planned_recipe(recipe_in(recipe, file), RunOptions(threads=1)) as plan:
            write_fused(plan, out)
    except MergebertError as error:
        sender.send(str(error))
        return
    sender.send((time.perf_counter() - start, max(0, peak_memory() - before)))


def peak_memory() -> int:
    """The most memory this process has held at one time, in bytes; its own, where Linux tells it from its parent's."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.split("\n") if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource
        import sys

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024
