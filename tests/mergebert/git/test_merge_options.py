from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.git import merge_options
from mergebert.git.config import config_entries, values_in_force
from mergebert.git.merge_options import MERGE_CONFIG, MergeOptions, options_of

NEW, OLD = (2, 55, 0), (2, 39, 5)


def said(options: MergeOptions) -> tuple[str, set[str], str, str]:
    return options.algorithm, set(options.ignored), options.favoured, options.style


@pytest.fixture(params=[NEW, OLD], ids=["new git", "old git"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    monkeypatch.setattr(merge_options, "git_version", lambda: request.param)
    return request.param


@pytest.mark.parametrize(
    ("words", "favoured", "ignored"),
    [
        ("merge topic", "", set()),
        ("merge -X theirs topic", "theirs", set()),
        ("merge -Xours topic", "ours", set()),
        ("merge -qXours topic", "ours", set()),
        ("merge -Xours --strategy-option=theirs topic", "theirs", set()),
        ("merge --strategy-option ours topic", "ours", set()),
        ("merge --strategy-o=ours topic", "ours", set()),
        ("merge -m -Xours topic", "", set()),
        ("merge -mXours topic", "", set()),
        ("merge -Fm -Xours topic", "ours", set()),
        ("merge topic -- -Xours", "", set()),
        ("merge -S3AAF -X ours topic", "ours", set()),
        ("merge --file -Xtheirs -Xours topic", "ours", set()),
        (
            "merge -s ort -Xignore-all-space -X ignore-cr-at-eol topic",
            "",
            {"ignore-all-space", "ignore-cr-at-eol"},
        ),
        ("merge -Xsubtree=x -Xrenormalize -Xfind-renames=40 topic", "", set()),
        ("cherry-pick -s -X theirs topic", "theirs", set()),
        ("cherry-pick -m 1 -Xtheirs topic", "theirs", set()),
        ("revert -Xours topic", "ours", set()),
        ("cherry-pick -Sm -X theirs topic", "theirs", set()),
        ("rebase -rs -X theirs main", "theirs", set()),
        ("rebase --onto -Xours -Xtheirs main", "theirs", set()),
        ("rebase -s ort -Xtheirs main", "theirs", set()),
        ("merge-tree --write-tree -Xours a b", "ours", set()),
        ("merge-recursive --ours --ignore-space-change base -- a b", "ours", {"ignore-space-change"}),
        ("merge-subtree --theirs base -- a b", "theirs", set()),
        ("merge-tree --merge-base -Xours -Xtheirs a b", "theirs", set()),
        ("stash apply -Xours", "", set()),
        ("checkout -m -Xours topic", "", set()),
        ("", "", set()),
    ],
)
@pytest.mark.usefixtures("version")
def test_strategy_options_are_read_as_git_reads_them(words: str, favoured: str, ignored: set[str]) -> None:
    options = options_of(words.split(), {})
    assert (options.favoured, set(options.ignored)) == (favoured, ignored)


@pytest.mark.parametrize(
    ("words", "settings", "by_old", "by_new"),
    [
        ("merge topic", {}, "histogram", "histogram"),
        ("merge -Xpatience topic", {}, "histogram", "patience"),
        ("merge -Xdiff-algorithm=minimal -Xhistogram topic", {}, "histogram", "histogram"),
        ("merge topic", {"diff.algorithm": "Patience"}, "histogram", "patience"),
        ("merge topic", {"diff.algorithm": "nonsense"}, "histogram", "histogram"),
        ("merge -s recursive topic", {}, "myers", "histogram"),
        ("merge -srecursive -Xpatience topic", {}, "patience", "patience"),
        ("merge topic", {"pull.twohead": "recursive"}, "myers", "histogram"),
        ("merge -s ort topic", {"pull.twohead": "recursive"}, "histogram", "histogram"),
        ("merge-recursive base -- a b", {}, "myers", "histogram"),
        ("merge-tree --write-tree a b", {"diff.algorithm": "patience"}, "histogram", "histogram"),
        ("am --3way", {}, "myers", "histogram"),
        ("switch -m topic", {"diff.algorithm": "patience"}, "myers", "patience"),
        ("rerere", {"diff.algorithm": "patience"}, "myers", "myers"),
        ("apply --3way", {}, "myers", "myers"),
        ("notes merge x", {}, "myers", "myers"),
    ],
)
def test_the_diff_algorithm_is_that_of_the_command_and_the_version(
    words: str, settings: dict[str, str], by_old: str, by_new: str, version: tuple[int, ...]
) -> None:
    assert options_of(words.split(), settings).algorithm == (by_old if version == OLD else by_new)


def test_the_style_is_the_users_unless_checkout_names_another() -> None:
    zdiff3 = {"merge.conflictstyle": "zdiff3"}
    assert said(options_of(["merge", "x"], {})) == ("histogram", set(), "", "merge")
    assert options_of(["merge", "x"], zdiff3).style == "zdiff3"
    for words in ("switch --conflict=diff3 x", "checkout --conflict merge --conflict diff3 -m x"):
        assert options_of(words.split(), zdiff3).style == "diff3"
    assert options_of(["notes", "merge", "x"], zdiff3).style == "merge"


def test_what_a_rebase_noted_holds_when_it_goes_on(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.path)
    notes = repository.path / ".git" / "rebase-merge"
    notes.mkdir()
    (notes / "strategy_opts").write_text(" --theirs '--ignore-all-space'\n")
    options = options_of(["rebase", "--continue"], {})
    assert (options.favoured, options.ignored) == ("theirs", {"ignore-all-space"})
    (notes / "strategy_opts").write_text("\"it's torn\n")
    assert options_of(["rebase", "--continue"], {}).favoured == ""


@pytest.mark.parametrize("command", ["cherry-pick", "revert"])
def test_what_several_picks_noted_holds_when_they_go_on(
    command: str, repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.path)
    (repository.path / ".git" / "sequencer").mkdir()
    (repository.path / ".git" / "sequencer" / "opts").write_text(
        "[options]\n\tsignoff = true\n\tstrategy-option = ignore-all-space\n\tstrategy-option = ours\n"
    )
    assert options_of([command, "--continue"], {}).strategy_options() == ["ignore-all-space", "ours"]
    assert options_of([command, "topic"], {}).strategy_options() == []


def test_options_of_the_branch_come_first(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit("one", {"a": "a\n"})
    monkeypatch.chdir(repository.path)
    repository.git("config", "branch.main.mergeOptions", "-X ours -Xignore-all-space")
    repository.git("config", "branch.Main.mergeOptions", "-X theirs")
    repository.git("config", "merge.conflictStyle", "diff3")
    settings = values_in_force(config_entries(MERGE_CONFIG))
    assert said(options_of(["merge", "topic"], settings)) == (
        "histogram",
        {"ignore-all-space"},
        "ours",
        "diff3",
    )
    assert options_of(["merge", "-Xtheirs", "topic"], settings).favoured == "theirs"
    assert options_of(["cherry-pick", "topic"], settings).favoured == ""


def test_outside_of_repositories_there_are_the_users_settings(isolated_git: Path) -> None:
    with (isolated_git / ".gitconfig").open("a") as config:
        config.write("[Merge]\n\tConflictStyle = diff3\n[diff]\n\talgorithm = patience\n")
    assert values_in_force(config_entries(MERGE_CONFIG)) == {
        "merge.conflictstyle": "diff3",
        "diff.algorithm": "patience",
    }
