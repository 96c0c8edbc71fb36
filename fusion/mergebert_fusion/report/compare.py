"""Merges experts in every way that applies and scores each: a table, a picture, and the recipe of every row."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from mergebert.terminal import visible
from mergebert_fusion.contract.method import MergeMethod
from mergebert_fusion.engine.progress import digest_of, identity, write_json, write_text
from mergebert_fusion.engine.restore import restore
from mergebert_fusion.engine.run import HEADS
from mergebert_fusion.errors import FusionError
from mergebert_fusion.io.checkpoint import located
from mergebert_fusion.methods.registry import method as method_named
from mergebert_fusion.report.comparison import Candidate, Comparison, load_comparison
from mergebert_fusion.report.measure import measured_fusion
from mergebert_fusion.report.row import Row

Score: TypeAlias = Callable[[Path, str], float]  # of a checkpoint folder on a task; more is better
RESULTS, TABLE = "results.json", "table.md"


def compare(file: Path, out: Path, arguments: Namespace) -> int:
    """The exit code of `mergebert fuse compare`."""
    comparison = load_comparison(file)
    rows, experts = compared(comparison, out, tell=lambda message: print(visible(message), flush=True))
    from mergebert_fusion.report.pictures import draw

    draw(rows, out, with_costs=comparison.costs)
    text = "\n".join(table(rows, experts, comparison.left_out, with_costs=comparison.costs)) + "\n"
    write_text(out / TABLE, text)
    print(text, end="")
    return 0


def compared(
    comparison: Comparison, out: Path, *, tell: Callable[[str], None] = lambda _: None
) -> tuple[list[Row], dict[str, float]]:
    """A row for every candidate, and the score of every expert on its task; what was scored before is not again."""
    out.mkdir(parents=True, exist_ok=True)
    score = scorer(comparison)
    places = {task: _place(path, comparison) for task, path in comparison.experts.items()}
    kept = _kept(out, digest_of(list(_inputs(comparison, places))))
    experts = {}
    for task, place in places.items():
        known = kept.get(f"expert {task}")
        experts[task] = known if isinstance(known, float) else score(place, task)
        kept[f"expert {task}"] = experts[task]
        write_json(out / RESULTS, kept)
    rows: list[Row] = []
    for candidate in comparison.candidates:
        key = digest_of([candidate.label, candidate.recipe, comparison.evaluate, comparison.command])
        if key not in kept:
            tell(f"{candidate.label} ...")
            kept[key] = [asdict(row) for row in _rows(comparison, candidate, out, score, experts)]
            write_json(out / RESULTS, kept)
        rows += [Row(**entry) for entry in kept[key]]
    return sorted(rows, key=lambda row: -row.mean), experts


def _place(path: str, comparison: Comparison) -> Path:
    """The folder of an expert."""
    place = located(path, comparison.file.parent)
    if place is None:
        raise FusionError(
            f"The expert {path!r} is not there: give the folder of a whole checkpoint (a `passthrough` recipe of one model "
            "makes one of an adapter on its base)."
        )
    return place


def _inputs(comparison: Comparison, experts: Mapping[str, Path]) -> Iterator[list[list[str | int]]]:
    """What tells whether scores are still those of these files: experts, base and evaluation."""
    near = comparison.file.parent
    base = None if comparison.base is None else located(comparison.base, near)
    home = (comparison.evaluate or "").rpartition(":")[0]
    evaluation = near / home if home.endswith(".py") else None
    for place in (*experts.values(), base, evaluation):
        if place is not None:
            files = [place] if place.is_file() else sorted(path for path in place.iterdir() if path.is_file())
            yield identity(files)


def _rows(
    comparison: Comparison, candidate: Candidate, out: Path, score: Score, experts: Mapping[str, float]
) -> Iterator[Row]:
    """The row of a candidate, and a second one where the method also gives every model back."""
    recipe, merged = out / "recipes" / f"{candidate.label}.yaml", out / "models" / candidate.label
    write_text(recipe, candidate.recipe)
    shutil.rmtree(merged, ignore_errors=True)
    seconds, peak = measured_fusion(candidate.recipe, comparison.file, merged)
    method = method_named(candidate.method)

    def row(label: str, of: Callable[[str], Path], *, restored: bool) -> Row:
        scores = {task: score(of(task), task) for task in candidate.tasks}
        normalised = {task: scores[task] / experts[task] if experts[task] else 0.0 for task in scores}
        return Row(label, candidate.method, scores, normalised, seconds, peak, restored)

    yield row(candidate.label, lambda task: _with_head(merged, task), restored=False)
    if isinstance(method, MergeMethod) and method.restore is not None:
        near = comparison.file.parent
        base = None if comparison.base is None else str(located(comparison.base, near))
        yield row(f"{candidate.label}-restored", lambda task: _restored(merged, task, base), restored=True)
    shutil.rmtree(merged)


def _with_head(merged: Path, task: str) -> Path:
    """A merged checkpoint as it is for one task: with the head of that task where heads are kept apart."""
    if not (merged / HEADS / task).is_dir():
        return merged
    folder = merged / "with-heads" / task
    if not folder.exists():
        restore(merged, task, folder, plain=True)
    return folder


def _restored(merged: Path, task: str, base: str | None) -> Path:
    folder = merged / "restored" / task
    if not folder.exists():
        restore(merged, task, folder, base)
    return folder


def scorer(comparison: Comparison) -> Score:
    """How a comparison scores a checkpoint: a function of Python, or a command that prints the score last."""
    if comparison.command is not None:
        command = comparison.command
        return lambda folder, task: _printed_score(command, folder, task)
    home, _, name = (comparison.evaluate or "").rpartition(":")
    if not home or not name:
        raise FusionError(
            f"evaluate is {comparison.evaluate!r}, but has to be MODULE:FUNCTION or FILE.py:FUNCTION."
        )
    module = _module(home, comparison.file.parent)
    function = getattr(module, name, None)
    if not callable(function):
        raise FusionError(
            f"{home} has no function {name}: it gets a checkpoint folder and a task, and gives a score."
        )
    return lambda folder, task: float(function(folder, task))


def _module(home: str, near: Path) -> Any:
    """The module of an evaluation: a file beside the comparison, or an installed module."""
    if not home.endswith(".py"):
        try:
            return importlib.import_module(home)
        except ModuleNotFoundError as error:
            raise FusionError(f"There is no module {home}: install it, or give FILE.py:FUNCTION.") from error
    path = (near / home).resolve()
    if not path.is_file():
        raise FusionError(f"There is no file {path} to evaluate with.")
    spec = importlib.util.spec_from_file_location(f"evaluation_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _printed_score(command: str, folder: Path, task: str) -> float:
    words = [word.replace("{folder}", str(folder)).replace("{task}", task) for word in shlex.split(command)]
    done = subprocess.run(words, capture_output=True, check=False, encoding="utf-8", errors="replace")
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        if done.returncode == 0:
            return float(last)
    except ValueError:
        pass
    said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
    raise FusionError(
        f"`{shlex.join(words)}` gave no score as its last line (exit code {done.returncode}): {said}"
    )


def table(
    rows: list[Row], experts: Mapping[str, float], left_out: Mapping[str, str], *, with_costs: bool = True
) -> Iterator[str]:
    """The comparison as a Markdown table: normalised scores, best mean first."""
    costs = " seconds | peak MB |" if with_costs else ""
    yield f"| method | {' | '.join(experts)} | mean | worst |{costs}"
    yield f"|---|{'---:|' * (len(experts) + 1)}---|{'---:|---:|' if with_costs else ''}"
    alone = " | ".join(f"{score:.4g}" for score in experts.values())
    yield f"| experts, each on its own task | {alone} | 100.0% | |{' | |' if with_costs else ''}"
    for row in rows:
        shares = (
            f"{row.normalised[task]:.1%} ({row.scores[task]:.4g})" if task in row.scores else ""
            for task in experts
        )
        worst = f"{row.worst} {row.normalised[row.worst]:.1%}"
        costs = f" {row.seconds:.2f} | {row.peak / 1e6:.0f} |" if with_costs else ""
        yield f"| {row.label} | {' | '.join(shares)} | {row.mean:.1%} | {worst} |{costs}"
    if left_out:
        yield ""
        yield from (f"Left out: {name}, which {why}." for name, why in left_out.items())


def _kept(out: Path, inputs: str) -> dict[str, Any]:
    """The scores in a folder, if they are of these inputs."""
    try:
        kept = json.loads((out / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = None
    return kept if isinstance(kept, dict) and kept.get("inputs") == inputs else {"inputs": inputs}
