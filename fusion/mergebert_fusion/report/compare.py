"""Merges experts in every way that a comparison names and scores each, on the task of every expert that it merges."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from mergebert_fusion.contract.method import MergeMethod
from mergebert_fusion.engine.restore import restore
from mergebert_fusion.engine.run import HEADS
from mergebert_fusion.errors import FusionError
from mergebert_fusion.io.checkpoint import located
from mergebert_fusion.io.files import digest_of, identity, saved_json, write_json, write_text
from mergebert_fusion.methods.registry import method_named
from mergebert_fusion.report.comparison_file import Comparison, MergeCandidate
from mergebert_fusion.report.evaluation import Score, scorer
from mergebert_fusion.report.measure import measured_fusion
from mergebert_fusion.report.table import Row

RESULTS = "results.json"


def compared(
    comparison: Comparison, out: Path, *, on_progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Row], dict[str, float]]:
    """A row for every candidate, best mean first, and the score of every expert on its own task.

    Recipes and scores are written into `out`; what was scored there before, of the same files, is not scored again.
    """
    out.mkdir(parents=True, exist_ok=True)
    score = scorer(comparison)
    folders = {task: _expert(path, comparison) for task, path in comparison.experts.items()}
    inputs = digest_of(list(_inputs(comparison, folders)))
    results = saved_json(out / RESULTS)
    if results.get("inputs") != inputs:
        results = {"inputs": inputs}
    experts = {}
    for task, folder in folders.items():
        earlier = results.get(f"expert {task}")
        experts[task] = earlier if isinstance(earlier, float) else score(folder, task)
        results[f"expert {task}"] = experts[task]
        write_json(out / RESULTS, results)
    rows: list[Row] = []
    for candidate in comparison.candidates:
        key = digest_of([candidate.label, candidate.recipe, comparison.evaluate, comparison.command])
        if key not in results:
            on_progress(f"{candidate.label} ...")
            results[key] = [asdict(row) for row in _rows(comparison, candidate, out, score, experts)]
            write_json(out / RESULTS, results)
        rows += [Row(**entry) for entry in results[key]]
    return sorted(rows, key=lambda row: -row.mean), experts


def _expert(path: str, comparison: Comparison) -> Path:
    """The folder of an expert."""
    found = located(path, comparison.file.parent)
    if found is None:
        raise FusionError(
            f"The expert {path!r} is not there: give the folder of a whole checkpoint (a `passthrough` recipe of one model "
            "makes one of an adapter on its base)."
        )
    return found


def _inputs(comparison: Comparison, experts: Mapping[str, Path]) -> Iterator[list[list[str | int]]]:
    """What tells whether scores are still those of these files: experts, base and evaluation."""
    near = comparison.file.parent
    base = None if comparison.base is None else located(comparison.base, near)
    home = (comparison.evaluate or "").rpartition(":")[0]
    evaluation = near / home if home.endswith(".py") else None
    for path in (*experts.values(), base, evaluation):
        if path is not None:
            files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
            yield identity(files)


def _rows(
    comparison: Comparison, candidate: MergeCandidate, out: Path, score: Score, experts: Mapping[str, float]
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

    def merged_for(task: str) -> Path:
        """With the head of the task where heads are kept apart."""
        has_head = (merged / HEADS / task).is_dir()
        return _restored(merged, task, merged / "with-heads" / task, plain=True) if has_head else merged

    yield row(candidate.label, merged_for, restored=False)
    if isinstance(method, MergeMethod) and method.restore is not None:
        near = comparison.file.parent
        base = None if comparison.base is None else str(located(comparison.base, near))
        yield row(
            f"{candidate.label}-restored",
            lambda task: _restored(merged, task, merged / "restored" / task, base),
            restored=True,
        )
    shutil.rmtree(merged)


def _restored(merged: Path, task: str, folder: Path, base: str | None = None, *, plain: bool = False) -> Path:
    """The folder, after writing the model of one task into it."""
    if not folder.exists():
        restore(merged, task, folder, base, plain=plain)
    return folder
