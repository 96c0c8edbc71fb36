from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mergebert.cli import main
from mergebert_fusion.errors import FusionError, RecipeError
from mergebert_fusion.report.compare import compared
from mergebert_fusion.report.comparison_file import load_comparison
from mergebert_fusion.report.evaluation import scorer
from mergebert_fusion.report.measure import measured_fusion
from mergebert_fusion.report.table import table
from tests.fusion.models import write_family

EVALUATION = """\
import json
from pathlib import Path

from safetensors.torch import load_file

CALLS = []

def score(folder, task):
    CALLS.append((folder.name, task))
    near = load_file(Path(__file__).parent / task / "model.safetensors")
    ours = load_file(folder / "model.safetensors")
    return 1 / (1 + sum(float((near[n] - ours[n]).square().sum()) for n in near))
"""
COMPARISON = "base_model: base\nmodels: [{model: a}, {model: b, name: b}]\nevaluate: evaluation.py:score\n"
SOME = """\
candidates:
  - merge_method: linear
  - {merge_method: task_arithmetic, parameters: {lambda: 0.5}, label: half}
  - {merge_method: tall_masks, models: {a: {}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_family(tmp_path)
    (tmp_path / "evaluation.py").write_text(EVALUATION, encoding="utf-8")
    path = tmp_path / "compare.yaml"
    path.write_text(COMPARISON + SOME, encoding="utf-8")
    return path


def measured_here(recipe: str, file: Path, out: Path) -> tuple[float, int]:
    """What measure.measured_fusion does, without a process of its own."""
    from mergebert_fusion.engine.plan import RunOptions, planned_recipe
    from mergebert_fusion.engine.run import write_fused
    from mergebert_fusion.recipe.reading import recipe_in

    with planned_recipe(recipe_in(recipe, file), RunOptions()) as plan:
        write_fused(plan, out)
    return 0.5, 1_000_000


def test_candidates_are_scored_and_held_against_the_experts(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", measured_here)
    out = tmp_path / "out"
    assert main(["fuse", "compare", str(file), "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["expert a"] == 1.0
    rows, experts = compared(load_comparison(file), out)
    assert experts == {"a": 1.0, "b": 1.0}
    by_label = {row.label: row for row in rows}
    assert set(by_label) == {"linear", "half", "tall_masks", "tall_masks-restored"}
    # Half of the sum of two task vectors is the mean of the two models.
    assert by_label["half"].mean == pytest.approx(by_label["linear"].mean)
    assert by_label["tall_masks-restored"].mean > by_label["tall_masks"].mean
    assert rows == sorted(rows, key=lambda row: -row.mean)
    assert "| experts, each on its own task | 1 | 1 | 100.0%" in shown
    assert (out / "table.md").read_text(encoding="utf-8") in shown
    assert (out / "comparison.png").stat().st_size > 1000
    assert (out / "comparison.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert "lambda: 0.5" in (out / "recipes" / "half.yaml").read_text(encoding="utf-8")
    assert not list((out / "models").iterdir()), "merged models are not kept"


def test_what_was_scored_is_not_scored_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", measured_here)
    first = compared(load_comparison(file), tmp_path / "out")

    def refuse(*_: object) -> tuple[float, int]:
        raise AssertionError("merged again")

    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", refuse)
    assert compared(load_comparison(file), tmp_path / "out") == first


def test_what_was_trained_again_is_scored_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", measured_here)
    compared(load_comparison(file), tmp_path / "out")
    weights = file.parent / "a" / "model.safetensors"
    os.utime(weights, ns=(1, 1))

    def refuse(*_: object) -> tuple[float, int]:
        raise AssertionError("merged again")

    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", refuse)
    with pytest.raises(AssertionError, match="merged again"):
        compared(load_comparison(file), tmp_path / "out")


def test_time_and_memory_may_be_left_out(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", measured_here)
    file.write_text(file.read_text(encoding="utf-8") + "costs: false\n", encoding="utf-8")
    assert main(["fuse", "compare", str(file), "-o", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "| mean | worst |\n" in shown
    drawn = (tmp_path / "out" / "comparison.svg").read_text(encoding="utf-8")
    assert "bar: mean" in drawn
    assert "seconds" not in drawn


def test_an_expert_has_to_be_a_whole_checkpoint(file: Path, tmp_path: Path) -> None:
    file.write_text(COMPARISON.replace("model: a", "model: base+a"), encoding="utf-8")
    with pytest.raises(FusionError, match="not there: give the folder of a whole checkpoint"):
        compared(load_comparison(file), tmp_path / "out")


def test_every_applicable_method_is_a_candidate(file: Path) -> None:
    file.write_text(COMPARISON, encoding="utf-8")
    comparison = load_comparison(file)
    labels = {candidate.label for candidate in comparison.candidates}
    assert {"average", "ties", "slerp", "dare_linear", "model_stock", "opcm", "emr"} <= labels
    assert comparison.left_out["passthrough"] == "takes at most 1"
    shown = "\n".join(table([], {"a": 1.0}, comparison.left_out))
    assert "Left out: passthrough, which takes at most 1" in shown
    without_base = COMPARISON.replace("base_model: base\n", "")
    file.write_text(without_base, encoding="utf-8")
    assert load_comparison(file).left_out["ties"] == "needs base_model"


def test_a_candidate_of_some_experts_is_scored_on_their_tasks_only(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", measured_here)
    file.write_text(
        COMPARISON + "candidates: [{merge_method: linear, of: [b], label: only}]\n", encoding="utf-8"
    )
    rows, experts = compared(load_comparison(file), tmp_path / "out")
    assert rows[0].normalised == {"b": 1.0}
    assert "| only |  | 100.0% (1) | 100.0% |" in "\n".join(table(rows, experts, {}))


def test_heads_that_are_kept_apart_are_put_back_before_scoring(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mergebert_fusion.report.compare.measured_fusion", measured_here)
    file.write_text(
        COMPARISON + "policy: {heads: separate}\ncandidates: [{merge_method: linear}]\n", encoding="utf-8"
    )
    (row,), _ = compared(load_comparison(file), tmp_path / "out")
    assert row.mean > 0


def test_a_command_can_score(file: Path, tmp_path: Path) -> None:
    command = json.dumps(f"{sys.executable} -c \"print('loading'); print(len('{{task}}') / 2)\"")
    file.write_text(
        COMPARISON.replace("evaluate: evaluation.py:score", f"command: {command}"), encoding="utf-8"
    )
    assert scorer(load_comparison(file))(tmp_path, "abc") == 1.5


@pytest.mark.parametrize(
    ("evaluate", "why"),
    [
        ("command: 'false'", "gave no score"),
        (f"command: {sys.executable} -c print('good')", "gave no score"),
        (f"command: {sys.executable} -c print(1e999-1e999)", "a finite number"),
        (f"command: {sys.executable} -c print(1e999)", "a finite number"),
        ("evaluate: score", "MODULE:FUNCTION"),
        ("evaluate: gone.py:score", "no file"),
        ("evaluate: mergebert_gone:score", "no module"),
        ("evaluate: evaluation.py:CALLS", "no function CALLS"),
    ],
)
def test_an_evaluation_that_cannot_score_is_refused(file: Path, evaluate: str, why: str) -> None:
    file.write_text(COMPARISON.replace("evaluate: evaluation.py:score", evaluate), encoding="utf-8")
    with pytest.raises(FusionError, match=why):
        scorer(load_comparison(file))(file.parent, "a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- 1", "names with values"),
        (COMPARISON + "nonsense: 1\n", "compare.yaml:4: 'nonsense'"),
        (COMPARISON.replace("evaluate: evaluation.py:score", ""), "either evaluate"),
        (COMPARISON.replace("evaluate: evaluation.py:score", "command: false"), "has to be text"),
        (COMPARISON + "costs: free\n", "costs is 'free', but has to be true or false"),
        ("models: 3\nevaluate: a:b\n", "list of at least one expert"),
        ("models: [{name: a}]\nevaluate: a:b\n", "an expert is written"),
        (COMPARISON + "candidates: [{label: x}]\n", "a candidate is written"),
        (COMPARISON + "candidates: [{merge_method: ties, weight: 1}]\n", "'weight' is not known"),
        (COMPARISON + "also: [{merge_method: ties}]\n", "two candidates"),
        (COMPARISON + "candidates: [{merge_method: ties, parameters: {density: 2}}]\n", "at most 1"),
        (COMPARISON + "also: [{merge_method: ties, label: x, of: [c]}]\n", "some of these: a, b"),
        (COMPARISON + "also: [{merge_method: tise, label: x}]\n", "compare.yaml:4: There is no merge method"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(file: Path, text: str, why: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=why):
        load_comparison(file)


def test_time_and_memory_are_measured_in_a_process_of_its_own(file: Path, tmp_path: Path) -> None:
    recipe = "merge_method: linear\nmodels: [{model: a}, {model: b}]\n"
    seconds, peak = measured_fusion(recipe, file, tmp_path / "out")
    assert seconds > 0
    assert peak < 1_000_000_000
    assert (tmp_path / "out" / "model.safetensors").is_file()
    with pytest.raises(FusionError, match="no checkpoint 'gone'"):
        measured_fusion(recipe.replace("model: a", "model: gone"), file, tmp_path / "other")
