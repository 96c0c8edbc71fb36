"""The files of a workspace: no two repositories share one, whatever they are called."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mergebert.training.config import TrainConfig
from mergebert.training.workspace import Workspace


@given(st.text(min_size=1))
def test_no_two_repositories_share_a_file(name: str) -> None:
    space = Workspace(TrainConfig(Path("examples"), Path("workspace")))
    kinds = (space.prepared, space.clean, space.logits, space.first_pass, space.tested)
    paths = [kind(one) for kind in kinds for one in (name, f"{name}.clean")]
    assert len(set(paths)) == len(paths)
