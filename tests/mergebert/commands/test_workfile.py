from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.commands.workfile import open_work_files
from mergebert.ranking.open_merge import OpenMerge
from tests.mergebert.fake_resolver import FakeResolver

TEXT = "<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n"


def told(path: Path) -> str:
    """The path a resolver is told for the file at `path`."""
    files, refused = open_work_files([path])
    assert not refused
    resolver = FakeResolver()
    OpenMerge([file.text for file in files], resolver, 0.05).offers({})
    [[[file], _]] = resolver.calls
    return file.path


def test_a_resolver_is_told_the_path_in_the_repository(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository.path / "src" / "main"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(TEXT)

    monkeypatch.chdir(folder)
    assert told(Path("app.py")) == "src/main/app.py"
    assert told(folder / "app.py") == "src/main/app.py"


def test_outside_of_a_repository_folders_of_the_machine_stay_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "app.py").write_text(TEXT)
    monkeypatch.chdir(tmp_path)

    assert told(tmp_path / "spec" / "app.py") == "app.py"
    assert told(Path("spec/app.py")) == "spec/app.py"
