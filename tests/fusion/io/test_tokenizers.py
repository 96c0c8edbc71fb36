from __future__ import annotations

import json
from pathlib import Path

import pytest

from mergebert_fusion.errors import CheckpointError, RecipeError
from tests.fusion.models import run_recipe, write_family

LINEAR = "merge_method: linear\nmodels: [{model: a}, {model: b}]\n"


def write_tokenizer(
    folder: Path, tokens: list[str], *, unigram: bool = False, added: tuple[str, ...] = ()
) -> None:
    vocabulary = [[t, -1.0] for t in tokens] if unigram else {t: i for i, t in enumerate(tokens)}
    extra = [{"content": token, "id": len(tokens) + i} for i, token in enumerate(added)]
    content = {"model": {"vocab": vocabulary}, "added_tokens": extra}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"from": folder.name}), encoding="utf-8")


def chosen(out: Path) -> str:
    return str(json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))["from"])


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", "a"),
        ("base_model: base\n", "base"),
        ("base_model: base\ntokenizer_source: base\n", "base"),
        ("tokenizer_source: b\n", "b"),
        ("tokenizer: {source: union}\n", "b"),
    ],
)
def test_the_tokenizer_that_is_asked_for_is_copied(tmp_path: Path, setting: str, expected: str) -> None:
    write_family(tmp_path)
    write_tokenizer(tmp_path / "base", ["x", "y"])
    write_tokenizer(tmp_path / "a", ["x", "y"], unigram=True)
    write_tokenizer(tmp_path / "b", ["x", "y"], added=("z",))
    run_recipe(LINEAR + setting, tmp_path, tmp_path / "out")
    assert chosen(tmp_path / "out") == expected


def test_one_number_for_two_tokens_is_refused(tmp_path: Path) -> None:
    write_family(tmp_path)
    write_tokenizer(tmp_path / "a", ["x", "y"])
    write_tokenizer(tmp_path / "b", ["y", "x"])
    with pytest.raises(CheckpointError, match="Token 0 is 'x' in a but 'y' in b"):
        run_recipe(LINEAR, tmp_path, tmp_path / "out")
    run_recipe(LINEAR + "policy: {embeddings: a}\n", tmp_path, tmp_path / "out")
    assert chosen(tmp_path / "out") == "a"


def test_a_union_needs_one_that_holds_all(tmp_path: Path) -> None:
    write_family(tmp_path)
    write_tokenizer(tmp_path / "a", ["x", "y"], added=("z",))
    write_tokenizer(tmp_path / "b", ["x", "y", "z"])
    (tmp_path / "b" / "tokenizer.json").write_text(
        json.dumps({"model": {"vocab": {"x": 0, "w": 7}}}), encoding="utf-8"
    )
    with pytest.raises(RecipeError, match="a lacks 'w' of b"):
        run_recipe(LINEAR + "tokenizer_source: union\n", tmp_path, tmp_path / "out")


def test_a_tokenizer_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_family(tmp_path)
    write_tokenizer(tmp_path / "a", ["x"])
    with pytest.raises(RecipeError, match="there is: union, a"):
        run_recipe(LINEAR + "tokenizer_source: c\n", tmp_path, tmp_path / "out")


def test_where_no_model_has_one_none_is_written_and_that_is_said(tmp_path: Path) -> None:
    write_family(tmp_path)
    run_recipe(LINEAR + "tokenizer_source: base\n", tmp_path, tmp_path / "out")
    assert "No input has a tokenizer" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["{", "[]", '{"model": {"vocab": 3}}'])
def test_a_broken_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    write_family(tmp_path)
    (tmp_path / "a" / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match="is no tokenizer file"):
        run_recipe(LINEAR, tmp_path, tmp_path / "out")
