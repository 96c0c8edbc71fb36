from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mergebert_fusion.engine import sequential
from mergebert_fusion.errors import FusionError
from tests.fusion.models import bytes_of, run_recipe, write_family

OPCM = "merge_method: opcm\nbase_model: base\nmodels: [{}]\n"
TWO, THREE = (
    OPCM.replace("{}", ", ".join(f"{{model: {name}}}" for name in names)) for names in ("ab", "abc")
)


def test_further_models_are_taken_in_later(tmp_path: Path) -> None:
    write_family(tmp_path)
    at_once = run_recipe(THREE, tmp_path, tmp_path / "at-once")
    run_recipe(TWO, tmp_path, tmp_path / "later")
    later = run_recipe(THREE, tmp_path, tmp_path / "later")
    assert all(torch.equal(at_once[name], later[name]) for name in at_once)
    assert bytes_of(tmp_path / "at-once") == bytes_of(tmp_path / "later")


def test_the_state_holds_one_file_however_many_models_came(tmp_path: Path) -> None:
    write_family(tmp_path)
    run_recipe(THREE, tmp_path, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out" / "state").iterdir()) == [
        "after-0003.safetensors",
        "state.json",
    ]


def test_a_killed_run_does_not_read_a_finished_model_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_family(tmp_path)
    whole = run_recipe(THREE, tmp_path, tmp_path / "whole")
    plain, taken = sequential.stepped, []

    def failing(merge: Any, number: int, *rest: Any) -> Any:
        taken.append(number)
        if taken == [0, 1]:
            raise KeyboardInterrupt
        return plain(merge, number, *rest)

    monkeypatch.setattr(sequential, "stepped", failing)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(THREE, tmp_path, tmp_path / "out")
    resumed = run_recipe(THREE, tmp_path, tmp_path / "out")
    assert taken == [0, 1, 1, 2]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (THREE.replace("{model: a}, {model: b}", "{model: b}, {model: a}"), "in another order"),
        (THREE + "parameters: {alpha: 0.1}\n", "other parameters"),
    ],
)
def test_a_state_of_something_else_is_not_gone_on_with(tmp_path: Path, text: str, why: str) -> None:
    write_family(tmp_path)
    run_recipe(TWO, tmp_path, tmp_path / "out")
    with pytest.raises(FusionError, match=why):
        run_recipe(text, tmp_path, tmp_path / "out")
    run_recipe(text, tmp_path, tmp_path / "out", overwrite=True)
