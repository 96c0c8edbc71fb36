from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.errors import DatasetError, GitError
from mergebert_data.dataset.repositories import RepositoryFacts, facts_on_disk, read_facts, write_facts
from tests.conftest import Repository


def test_facts_are_read_from_disk_written_and_read(
    make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repository = make_repository("owner+name")
    root = repository.commit("begin", {"LICENSE": "Apache License\nVersion 2.0"})
    found = facts_on_disk([repository.path])
    assert found == {"owner/name": RepositoryFacts(root, "Apache-2.0")}
    assert read_facts(tmp_path) == {}
    write_facts(tmp_path, found)
    assert read_facts(tmp_path) == found
    with pytest.raises(GitError, match="is not a git repository"):
        facts_on_disk([tmp_path / "nowhere"])


@pytest.mark.parametrize("content", ["[1]", "{", json.dumps({"a/a": {"stars": 3}})])
def test_facts_that_cannot_be_read_say_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "repositories.json").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match="give --repositories"):
        read_facts(tmp_path)
