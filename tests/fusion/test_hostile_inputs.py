"""Recipes and checkpoints that anybody may have written: each is refused in a sentence, and none is waited for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert.cli import main
from tests.fusion.models import write_family

RECIPE: dict[str, Any] = {
    "merge_method": "ties",
    "base_model": "base",
    "models": [{"model": "a", "parameters": {"weight": 0.5}}, {"model": "b"}],
    "parameters": {"density": 0.5},
    "dtype": "float32",
    "tokenizer_source": "base",
    "policy": {"embeddings": "base"},
    "seed": 1,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def planned(recipe: Path) -> int:
    return main(["fuse", str(recipe), "--plan"])


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def holding(content: bytes) -> Callable[[Path], None]:
    """What makes a file with this content."""

    def file(path: Path) -> None:
        path.write_bytes(content)

    return file


def weights(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """What makes a folder whose weights are made by `make`."""

    def folder(path: Path) -> None:
        path.mkdir()
        make(path / "model.safetensors")

    return folder


def index(content: str) -> Callable[[Path], None]:
    """What makes a folder with this index."""

    def folder(path: Path) -> None:
        path.mkdir()
        (path / "model.safetensors.index.json").write_text(content)

    return folder


MODELS: dict[str, Callable[[Path], None]] = {
    "a pipe": make_pipe,
    "a device": make_device,
    "an empty folder": Path.mkdir,
    "a pipe in a folder": weights(make_pipe),
    "a device in a folder": weights(make_device),
    "a folder in a folder": weights(Path.mkdir),
    "junk in a folder": weights(holding(b"\xff" * 3000)),
    "a large header": weights(holding(b"\xff" * 7 + b"\x7f{}")),
    "an index nested without end": index("[" * 100_000),
    "an index of numbers": index('{"weight_map": {"a": 3}}'),
    "an index that leads out": index('{"weight_map": {"a": "../b/model.safetensors"}}'),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_that_is_none(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_family(tmp_path)
    MODELS[kind](tmp_path / "hostile")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("merge_method: average\nmodels: [{model: hostile}, {model: b}]\n")
    assert planned(recipe) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["~nosuchuser/x", "a\nb", "a\0b", "\ud800", "x" * 5000, "+", "a+", "a+b", "/", ""]
)
def test_a_path_that_is_none(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_family(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({"merge_method": "average", "models": [{"model": name}, {"model": "b"}]}))
    assert planned(recipe) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("settings_file", ["config.json", "adapter_config.json", "tokenizer.json"])
@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"[]", b"3", b"\xff\xfe", b"", b'{"model": 3, "added_tokens": 3}']
)
def test_settings_that_are_none(
    settings_file: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_family(tmp_path)
    (tmp_path / "a" / settings_file).write_bytes(content)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("merge_method: average\nmodels: [{model: a}, {model: b}]\n")
    if planned(recipe) == 2:
        assert capsys.readouterr().err.count("\n") == 1


def test_a_recipe_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(Path("/dev/zero")) == 2
    assert "not a regular file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    write_family(folder)
    return folder


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_planned_or_refused_in_a_sentence(
    data: st.DataObject, family: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = json.loads(json.dumps(RECIPE))
    spot = recipe
    while True:
        key = data.draw(st.sampled_from(list(spot) if isinstance(spot, dict) else list(range(len(spot)))))
        if not isinstance(spot[key], dict | list) or data.draw(st.booleans()):
            break
        spot = spot[key]
    spot[key] = data.draw(JSON)
    file = family / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    capsys.readouterr()
    if planned(file) != 0:
        assert capsys.readouterr().err.count("\n") == 1
