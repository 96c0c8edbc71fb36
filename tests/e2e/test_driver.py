"""The installed driver in real merges of real git; its model, a stand-in, takes theirs unless "unsure"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.driver import registration
from mergebert.driver.registration import install, scope_of
from tests.e2e.driver_program import driver_program

BASE = {"app.py": "a\nb\nc\n"}
OURS = {"app.py": "a\nours\nc\n"}
THEIRS = {"app.py": "a\ntheirs\nc\n"}
UNSURE = {"app.py": "a\nunsure\nc\n"}
MERGED = b"a\ntheirs\nc\n"
KEPT = "".join(f"kept {number}\n" for number in range(6))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """A function that installs a program as driver of a repository."""

    def register(script: Path, repository: Path) -> None:
        quoted = "'" + str(script).replace("'", "'\"'\"'") + "'"
        monkeypatch.setattr(registration, "program", lambda: quoted)
        install(scope_of("--local", repository))

    return register


@pytest.fixture
def installed(repository, registered, tmp_path: Path):
    """A repository whose driver is the stand-in, in a folder that is hard to quote."""
    registered(driver_program(tmp_path / 'it\'s 100% "here"'), repository.path)
    return repository


def conflict(ours: str, theirs: str, label: str = "theirs") -> bytes:
    return f"a\n<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> {label}\nc\n".encode()


def test_merge(installed) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    done = installed.run("merge", "theirs")
    assert done.returncode == 0, done.stderr
    assert "resolved 1 of 1 conflicts in app.py" in done.stderr
    assert installed.read("app.py") == MERGED
    assert installed.git("status", "--porcelain") == ""


def test_what_it_is_not_sure_of_is_an_ordinary_conflict(installed) -> None:
    installed.diverge(BASE, OURS, UNSURE)
    assert installed.run("merge", "theirs").returncode == 1
    assert installed.read("app.py") == conflict("ours", "unsure")
    assert installed.git("status", "--porcelain") == "UU app.py"


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_a_part_of_the_conflicts(installed, style: str) -> None:
    installed.git("config", "merge.conflictStyle", style)
    base = {'src/it\'s a "file".py': f"one\n{KEPT}two\n"}
    ours = {name: text.replace("one", "ours one").replace("two", "ours two") for name, text in base.items()}
    theirs = {name: text.replace("one", "theirs one").replace("two", "unsure") for name, text in base.items()}
    installed.diverge(base, ours, theirs)
    assert installed.run("merge", "theirs").returncode == 1
    found = installed.read(next(iter(base))).decode()
    common = installed.git("rev-parse", "--short", installed.git("merge-base", "HEAD", "theirs"))
    shown = f"||||||| {common}\ntwo\n" if style != "merge" else ""
    left = f"<<<<<<< HEAD\nours two\n{shown}=======\nunsure\n>>>>>>> theirs\n"
    assert found == f"theirs one\n{KEPT}{left}"


def test_rebase_cherry_pick_and_revert(installed) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.git("cherry-pick", "theirs")
    assert installed.read("app.py") == MERGED
    installed.git("reset", "--quiet", "--hard", "HEAD~1")
    installed.git("rebase", "theirs")
    assert installed.read("app.py") == b"a\nours\nc\n"  # theirs is the commit that is moved
    installed.commit("later", {"app.py": "a\nlater\nc\n"})
    installed.git("revert", "--no-edit", "HEAD~1")
    assert installed.read("app.py") == MERGED


def test_both_added(installed) -> None:
    installed.diverge({"x": "x\n"}, {"new.py": "ours\n"}, {"new.py": "theirs\n"})
    assert installed.run("merge", "theirs").returncode == 0
    assert installed.read("new.py") == b"theirs\n"


def test_a_renamed_file_and_its_mode(installed) -> None:
    text = f"a\nb\nc\n{KEPT}"
    installed.commit("base", {"old.py": text})
    installed.git("branch", "theirs")
    installed.git("mv", "old.py", "new.py")
    installed.git("update-index", "--chmod=+x", "new.py")
    (installed.path / "new.py").chmod(0o755)
    installed.commit("ours", {"new.py": text.replace("b\n", "ours\n")})
    installed.git("checkout", "--quiet", "theirs")
    installed.commit("theirs", {"old.py": text.replace("b\n", "theirs\n")})
    installed.git("checkout", "--quiet", "main")
    done = installed.run("merge", "theirs")
    assert done.returncode == 0, done.stdout
    assert "in new.py" in done.stderr
    assert installed.read("new.py").decode() == text.replace("b\n", "theirs\n")
    assert (installed.path / "new.py").stat().st_mode & 0o111


def test_the_bases_of_a_criss_cross_merge_are_merged_by_git(installed) -> None:
    installed.diverge(BASE, {"app.py": "a\none\nc\n"}, {"app.py": "a\ntwo\nc\n"})
    installed.git("tag", "one", "main")
    installed.git("tag", "two", "theirs")
    for branch, other, text in (("main", "two", "first"), ("theirs", "one", "second")):
        installed.git("checkout", "--quiet", branch)
        installed.run("merge", other)
        installed.commit("merge", {"app.py": f"a\n{text}\nc\n"})
    installed.git("checkout", "--quiet", "main")
    done = installed.run("merge", "theirs")
    assert done.returncode == 1
    assert "resolved" not in done.stderr
    assert "holds conflict markers already" in done.stderr  # the base of this merge is a conflict
    assert installed.read("app.py") == conflict("first", "second")


def test_rerere_replays_what_a_person_decided(installed) -> None:
    installed.git("config", "rerere.enabled", "true")
    installed.diverge(BASE, OURS, UNSURE)
    assert installed.run("merge", "theirs").returncode == 1
    installed.commit("by hand", {"app.py": "a\nby hand\nc\n"})
    installed.git("reset", "--quiet", "--hard", "HEAD~1")
    done = installed.run("merge", "theirs")
    assert "Resolved 'app.py' using previous resolution." in done.stdout + done.stderr
    assert installed.read("app.py") == b"a\nby hand\nc\n"


def test_rerere_in_another_place_of_the_file(installed) -> None:
    installed.git("config", "rerere.enabled", "true")
    installed.diverge(BASE, OURS, UNSURE)
    installed.run("merge", "theirs")
    installed.commit("by hand", {"app.py": "a\nby hand\nc\n"})
    installed.git("reset", "--quiet", "--hard", "HEAD~1")
    installed.commit("moved", {"app.py": f"{KEPT}a\nours\nc\n"})
    installed.run("merge", "theirs")
    assert installed.read("app.py").decode() == f"{KEPT}a\nby hand\nc\n"


@pytest.mark.parametrize("path", ["", ":", ".", "vendor"])
def test_a_hostile_repository_runs_nothing(path: str, repository, tmp_path: Path, isolated_git: Path) -> None:
    """As registered by `mergebert install`; an empty entry of PYTHONPATH names the repository."""
    install(scope_of("--local", repository.path))
    evil = f"open({str(isolated_git / 'owned')!r}, 'w').close()\nraise SystemExit(0)\n"
    names = ("argparse", "sitecustomize", "usercustomize", "signal", "json", "numpy", "re")
    modules = (*names, "mergebert/__init__", "mergebert/__main__")
    files = {f"{folder}{name}.py": evil for name in modules for folder in ("", "vendor/")}
    repository.diverge(BASE | files, OURS, UNSURE)
    environment = {"MERGEBERT_BUNDLE": str(tmp_path / "nowhere"), "PYTHONPATH": path}
    done = repository.run("merge", "theirs", env=environment)
    assert "There is no model bundle" in done.stderr  # it was mergebert that ran
    assert repository.read("app.py") == conflict("ours", "unsure")
    assert not (isolated_git / "owned").exists()


def test_mergetool(installed) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    assert installed.run("merge", "theirs", env={"MERGEBERT": "0"}).returncode == 1
    assert installed.read("app.py") == conflict("ours", "theirs")
    done = installed.run("mergetool", "--no-prompt", "--tool=mergebert")
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed.read("app.py") == MERGED
    assert installed.git("diff", "--name-only", "--diff-filter=U") == ""
