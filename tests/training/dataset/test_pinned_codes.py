from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.errors import DatasetError
from mergebert.ranking import codes as codes_module
from mergebert.ranking.codes import codes
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.pinned_codes import pinned_codes
from mergebert.training.workspace import Workspace


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(TrainConfig(tmp_path / "mined", tmp_path / "run"))


def test_a_new_workspace_takes_the_codes_of_this_version(space: Workspace) -> None:
    assert pinned_codes(space) == codes() == pinned_codes(space)


def test_other_codes_than_those_prepared_with_are_refused(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned_codes(space)
    monkeypatch.setattr(codes_module, "EDIT_TYPES", ("insert", "same", "delete"))
    with pytest.raises(DatasetError, match=r"prepared with other edit types .* use a new one\.$"):
        pinned_codes(space)


def test_arrays_of_unknown_meaning_are_refused(space: Workspace) -> None:
    (space.shared / "prepared").mkdir(parents=True)
    with pytest.raises(DatasetError, match="does not say which codes it was prepared with"):
        pinned_codes(space)
