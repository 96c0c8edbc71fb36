"""Commands that git runs, from an alias or a hook, in work trees of every kind: the same answer as typed by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mergebert.settings import Settings, load_settings
from tests.e2e.driver_program import driver_program

BASE, OURS, THEIRS = ({"deep/app.py": f"a\n{word}\nc\n"} for word in ("b", "ours", "theirs"))
MERGED = b"a\ntheirs\nc\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return driver_program(tmp_path / "bin")


@pytest.fixture
def work_tree(request: pytest.FixtureRequest, repository, tmp_path: Path) -> Path:
    """A work tree of this kind with a conflict in deep/app.py."""
    repository.diverge(BASE, OURS, THEIRS)
    place = {"main": repository.path, "linked": tmp_path / "linked", "of a bare one": tmp_path / "other"}[
        request.param
    ]
    if request.param == "linked":
        repository.git("worktree", "add", "-q", str(place), "HEAD~0")
    elif request.param == "of a bare one":
        repository.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
        bare = ["git", "--git-dir", str(tmp_path / "bare.git")]
        subprocess.run([*bare, "worktree", "add", "-q", str(place), "main"], check=True)
    subprocess.run(["git", "merge", "-q", "theirs"], cwd=place, capture_output=True, check=False)
    assert b"<<<<<<< " in (place / "deep" / "app.py").read_bytes()
    return place


everywhere = pytest.mark.parametrize("work_tree", ["main", "linked", "of a bare one"], indirect=True)


@everywhere
@pytest.mark.parametrize(("folder", "name"), [("", "deep/app.py"), ("deep", "app.py")])
@pytest.mark.parametrize("first", ["", 'cd "${GIT_PREFIX:-.}" && '])
def test_an_alias_works_where_it_is_typed(
    work_tree: Path, script: Path, first: str, folder: str, name: str
) -> None:
    command = ["git", "-c", f"alias.mb=!{first}'{script}' solve", "mb", name]
    done = subprocess.run(command, cwd=work_tree / folder, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert (work_tree / "deep" / "app.py").read_bytes() == MERGED


@everywhere
def test_a_hook_works_at_the_top(work_tree: Path, script: Path) -> None:
    hooks = work_tree.parent / "hooks"
    hooks.mkdir(exist_ok=True)
    hook = hooks / "post-checkout"
    hook.write_text(f"#!/bin/sh\n'{script}' solve deep/app.py\n")
    hook.chmod(0o755)
    command = ["git", "-c", f"core.hooksPath={hooks}", "hook", "run", "post-checkout"]
    done = subprocess.run(command, cwd=work_tree / "deep", capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert (work_tree / "deep" / "app.py").read_bytes() == MERGED


def test_a_repository_named_by_the_environment_alone(repository, script: Path, tmp_path: Path) -> None:
    """Files of a home folder are often kept so."""
    repository.diverge(BASE, OURS, THEIRS)
    repository.run("merge", "-q", "theirs")
    (repository.path / ".git").rename(tmp_path / "home.git")
    environment = {"GIT_DIR": "../../home.git", "GIT_WORK_TREE": "..", "PATH": "/usr/bin:/bin"}
    solve = [script, "solve", "app.py"]
    folder = repository.path / "deep"
    assert (folder / environment["GIT_DIR"]).resolve() == tmp_path / "home.git"
    done = subprocess.run(solve, cwd=folder, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "app.py").read_bytes() == MERGED


def test_a_repository_chooses_no_model(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its config may have come with it; a person can allow it to all of theirs."""
    monkeypatch.chdir(repository.path)
    repository.git("config", "mergebert.bundle", "/of/the/repository")
    repository.git("config", "mergebert.maxError", "0.1")
    assert load_settings() == Settings(max_error=0.1)
    repository.git("config", "mergebert.repositoryBundle", "true")
    assert load_settings().bundle is None
    repository.git("config", "--global", "mergebert.bundle", "/of/the/person")
    assert load_settings().bundle == Path("/of/the/person")
    repository.git("config", "--global", "mergebert.repositoryBundle", "yes")
    assert load_settings().bundle == Path("/of/the/repository")
