from __future__ import annotations

import pytest

from mergebert.git.command_words import command_words
from mergebert.git.operation import called_operation
from mergebert.git.picked import commit_of, picked_name
from tests.conftest import Repository


@pytest.fixture
def stopped(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository in which a pick of the first two of three commits of `topic` was stopped and left; the current folder."""
    repository.commit("base", {"f": "base\n"})
    repository.git("checkout", "--quiet", "-b", "topic")
    for name in ("one", "two", "three"):
        repository.commit(name, {"f": f"{name}\n"})
    repository.git("checkout", "--quiet", "main")
    repository.commit("ours", {"f": "ours\n"})
    assert repository.run("cherry-pick", "topic~2", "topic~1").returncode == 1
    repository.git("reset", "--quiet", "--hard")
    monkeypatch.chdir(repository.path)
    return repository


@pytest.mark.parametrize(
    ("words", "commit"),
    [
        ("topic", "topic"),
        ("-x -X theirs topic", "topic"),
        ("topic -- f", "topic"),
        (":/three", "topic"),
        ("-", "topic"),
        ("--continue", "topic~2"),
        ("--skip", "topic~2"),
        ("topic~1 topic", "topic~2"),
        ("^main topic", "topic~2"),
        ("^topic", "topic~2"),
        ("topic~1..topic", "topic~2"),
        ("topic^!", "topic~2"),
        ("-2 topic", "topic~2"),
        ("--max-count=2 topic", "topic~2"),
        ("--do-walk topic", "topic~2"),
        ("none", "topic~2"),
    ],
)
def test_one_commit_goes_by_its_name_and_several_by_what_is_noted(
    words: str, commit: str, stopped: Repository
) -> None:
    stopped.git("checkout", "--quiet", "topic")
    stopped.git("checkout", "--quiet", "main")
    assert commit_of(picked_name(command_words("cherry-pick", words.split()))) == commit_of(commit)


def test_where_nothing_is_noted_several_have_no_name(repository: Repository, monkeypatch) -> None:
    repository.commit("base")
    monkeypatch.chdir(repository.path)
    assert picked_name(command_words("revert", ["HEAD", "HEAD"])) == ""
    assert picked_name(command_words("revert", ["--continue"])) == ""


@pytest.mark.parametrize("name", ["topic", "-"])
def test_an_operation_is_of_the_commit_that_is_named_beside_a_stopped_one(
    name: str, stopped: Repository
) -> None:
    stopped.git("checkout", "--quiet", "topic")
    stopped.git("checkout", "--quiet", "main")
    found = called_operation(["cherry-pick", "-n", name], stopped.path)
    assert found.theirs == (stopped.git("rev-parse", "topic"),)
