from __future__ import annotations

import json
from pathlib import Path

import pytest

from mergebert.cli import main
from mergebert_fusion.methods.registry import METHODS
from tests.fusion.models import read_model, write_family

RECIPE = "merge_method: ties\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_family(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_a_recipe_is_carried_out(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = recipe.parent / "out"
    assert main(["fuse", str(recipe), "-o", str(out), "--dtype", "bfloat16", "--shard-size", "1"]) == 0
    assert "fused from 2 models with ties" in capsys.readouterr().out
    assert {str(tensor.dtype) for tensor in read_model(out).values()} == {"torch.bfloat16"}


def test_a_plan_is_shown_and_nothing_done(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(recipe.parent.rglob("*"))
    assert main(["fuse", str(recipe), "--plan", "--threads", "2"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "method        ties",
        "base          base",
        "15 merged",
        "memory        about",
        "2 thread(s)",
    ):
        assert part in shown
    assert main(["fuse", str(recipe), "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["method"] == "ties"
    assert {tensor["treatment"] for tensor in plan["tensors"]} == {"merged"}
    assert sorted(recipe.parent.rglob("*")) == before


def test_the_methods_are_listed_with_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuse", "list"]) == 0
    lines = capsys.readouterr().out.strip().split("\n")
    assert [line.split()[0] for line in lines[1:]] == list(METHODS)
    assert main(["fuse", "list", "--json"]) == 0
    listed = {method["name"]: method for method in json.loads(capsys.readouterr().out)}
    assert listed["ties"]["base"] == "required"
    assert listed["slerp"]["most_models"] == 2


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuse", "explain", name]) == 0
    shown = capsys.readouterr().out
    assert METHODS[name].reference in shown
    assert "W" in shown, "the equation is missing"
    assert main(["fuse", "explain", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_a_model_is_restored(recipe: Path) -> None:
    folder = recipe.parent
    recipe.write_text(RECIPE.replace("ties", "emr"), encoding="utf-8")
    assert main(["fuse", str(recipe), "-o", str(folder / "out"), "--quiet"]) == 0
    arguments = ["fuse", "restore", str(folder / "out"), "b", "-o", str(folder / "b-again")]
    assert main([*arguments, "--base", str(folder / "base")]) == 0
    assert (folder / "b-again" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["RECIPE"], "Say where to write with -o"),
        (["RECIPE", "-o", "x", "--dtype", "int8"], "--dtype int8 is no type"),
        (["RECIPE", "--plan", "--threads", "0"], "computes nothing"),
        (["RECIPE", "--plan", "--device", "abacus"], "--device abacus cannot be used here"),
        (["explain"], "takes 1 further argument"),
        (["explain", "tise"], "did you mean 'ties'"),
        (["RECIPE", "another"], "takes 0 further argument"),
        (["gone.yaml", "-o", "x"], "gone.yaml: No such file"),
    ],
)
def test_errors_are_one_sentence(
    recipe: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fuse", *(str(recipe) if word == "RECIPE" else word for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
