from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from mergebert_fusion.report import measure
from tests.fusion.models import read_model, write_family

RECIPE = "merge_method: linear\nmodels: [{model: a}, {model: b}]\n"


def answer_of(recipe: str, folder: Path) -> Any:
    """What the process of its own would send, from this one."""
    here, there = multiprocessing.Pipe(duplex=False)
    measure._fuse(recipe, folder / "recipe.yaml", folder / "out", there)
    return here.recv()


def test_it_writes_the_model_and_gives_time_and_memory(tmp_path: Path) -> None:
    family = write_family(tmp_path)
    seconds, peak = answer_of(RECIPE, tmp_path)
    assert seconds > 0
    assert peak >= 0
    assert read_model(tmp_path / "out").keys() == family["a"].keys()


def test_an_error_comes_back_as_its_sentence(tmp_path: Path) -> None:
    write_family(tmp_path)
    assert "no checkpoint 'gone'" in answer_of(RECIPE.replace("model: a", "model: gone"), tmp_path)


def test_memory_is_known_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    by_status = measure.peak_memory()

    def missing(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert measure.peak_memory() > 0.9 * by_status
