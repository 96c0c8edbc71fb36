"""What was resolved taken back in real merges of real git: the text, the index, and nothing of anybody's work."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mergebert.commands.workfile import read_work_file
from mergebert.driver import registration
from mergebert.driver.registration import install, scope_of
from mergebert_lsp.worker.messages import EditorText
from mergebert_lsp.worker.reconciled_text import reconciled_text
from mergebert_lsp.worker.repository import Repository
from tests.e2e.driver_program import driver_program

KEPT = "".join(f"kept {number}\n" for number in range(8))
BASE = {"app.py": f"one\n{KEPT}two\n", "other.py": "a\n"}
OURS = {"app.py": f"ours one\n{KEPT}ours two\n", "other.py": "ours\n"}
THEIRS = {"app.py": f"theirs one\n{KEPT}theirs two\n", "other.py": "unsure\n"}
PART = {"app.py": f"theirs one\n{KEPT}unsure two\n", "other.py": "unsure\n"}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return driver_program(tmp_path / "bin")


@pytest.fixture
def installed(repository, script: Path, monkeypatch: pytest.MonkeyPatch):
    """A repository whose driver takes theirs unless it says unsure."""
    monkeypatch.setattr(registration, "program", lambda: f"'{script}'")
    install(scope_of("--local", repository.path))
    return repository


@pytest.fixture
def review(installed, script: Path) -> Run:
    """`mergebert review` with the last entry, in a folder of the repository."""

    def run(*arguments: str, folder: Path = installed.path) -> subprocess.CompletedProcess[str]:
        listed = subprocess.run([script, "review"], cwd=folder, capture_output=True, check=True, text=True)
        command = [script, "review", listed.stdout[:8], *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True)

    return run


def conflicted(repository) -> dict[str, bytes]:
    """What git alone leaves of the same merge."""
    repository.run("merge", "theirs", env={"MERGEBERT": "0"})
    left = {name: repository.read(name) for name in BASE}
    repository.git("merge", "--abort")
    return left


def stages(repository, name: str) -> str:
    return repository.git("ls-files", "-u", "--", name)


@pytest.mark.parametrize("folder", ["", "deep/er"])
@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_text_and_index_are_as_git_left_them(installed, review: Run, style: str, folder: str) -> None:
    installed.git("config", "merge.conflictStyle", style)
    installed.diverge(BASE | {"deep/er/x": ""}, OURS, THEIRS)
    wanted = conflicted(installed)
    installed.run("merge", "theirs", env={"MERGEBERT": "0"})
    index = installed.git("ls-files", "-s")
    installed.git("merge", "--abort")

    assert installed.run("merge", "theirs").returncode == 1
    assert stages(installed, "app.py") == ""
    done = review("--undo", folder=installed.path / folder)
    assert done.returncode == 0, done.stderr
    assert {name: installed.read(name) for name in BASE} == wanted
    assert installed.git("ls-files", "-s") == index
    assert "UU app.py" in installed.git("status", "--porcelain")
    assert "undone already" in review("--undo").stderr
    assert "0 of 2 conflicts resolved" in review().stdout


def test_one_conflict_of_several(installed, review: Run) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "theirs")
    assert review("--undo", "--conflict", "3").stderr.count("\n") == 1
    assert installed.read("app.py") == THEIRS["app.py"].encode()
    assert review("--undo", "--conflict", "2").returncode == 0
    left = "<<<<<<< HEAD\nours two\n=======\ntheirs two\n>>>>>>> theirs\n"
    assert installed.read("app.py").decode() == f"theirs one\n{KEPT}{left}"
    assert stages(installed, "app.py").count("\n") == 2
    assert review("--undo", "--conflict", "1").returncode == 0
    assert installed.read("app.py").startswith(b"<<<<<<< HEAD\nours one\n")


def test_a_file_added_by_both_has_no_base_again(installed, review: Run) -> None:
    installed.diverge({"x": "x\n"}, {"new.py": "ours\n"}, {"new.py": "theirs\n"})
    installed.run("merge", "--no-commit", "theirs")
    assert review("--undo").returncode == 0
    assert "AA new.py" in installed.git("status", "--porcelain")


def test_the_mode_stays(installed, review: Run) -> None:
    installed.write({"app.py": BASE["app.py"]})
    (installed.path / "app.py").chmod(0o755)
    installed.commit("executable")
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "--no-commit", "theirs")
    assert review("--undo").returncode == 0
    assert stages(installed, "app.py").count("100755") == 3
    assert (installed.path / "app.py").stat().st_mode & 0o111


@pytest.mark.parametrize(
    "attributes", ["*.py text eol=crlf", "*.py ident", "*.py text working-tree-encoding=UTF-16"]
)
def test_the_work_tree_has_its_own_form(installed, review: Run, attributes: str) -> None:
    texts = [{name: f"# $Id$\n{text}" for name, text in side.items()} for side in (BASE, OURS, THEIRS)]
    installed.commit("attributes", {".gitattributes": f"{attributes}\n"})
    encoding = "utf-16" if "UTF-16" in attributes else "utf-8"
    forms = [{name: text.encode(encoding) for name, text in side.items()} for side in texts]
    installed.diverge(*forms)
    wanted = conflicted(installed)
    installed.run("merge", "theirs")
    done = review("--undo")
    assert done.returncode == 0, done.stderr
    assert installed.read("app.py") == wanted["app.py"]


def test_nobodys_work_is_touched(installed, review: Run) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "theirs")
    installed.write({"app.py": "mine\n"})
    before = installed.git("ls-files", "-s")
    assert "has changed since" in review("--undo").stderr
    assert installed.read("app.py") == b"mine\n"
    (installed.path / "app.py").unlink()
    assert "not there any more" in review("--undo").stderr
    assert installed.git("ls-files", "-s") == before


def end_by_abort(repository) -> None:
    repository.git("merge", "--abort")


def end_by_commit(repository) -> None:
    repository.git("commit", "-qam", "done")


def end_by_another(repository) -> None:
    repository.git("merge", "--abort")
    repository.git("branch", "later", "theirs~0")
    repository.git("commit", "-q", "--allow-empty", "-m", "more")
    repository.git("reset", "-q", "--soft", "HEAD~1")
    repository.git("checkout", "-q", "later")
    repository.commit("later", {"z": "z"})
    repository.git("checkout", "-q", "main")
    repository.run("merge", "later")


@pytest.mark.parametrize("end", [end_by_abort, end_by_commit, end_by_another])
def test_a_merge_that_is_over_stays_as_it_is(installed, review: Run, end: Callable, script: Path) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "theirs")
    listed = subprocess.run(
        [script, "review"], cwd=installed.path, capture_output=True, check=True, text=True
    )
    end(installed)
    before = installed.read("app.py"), installed.git("ls-files", "-s")
    command = [script, "review", listed.stdout[:8], "--undo"]
    done = subprocess.run(command, cwd=installed.path, capture_output=True, check=False, text=True)
    assert "is over; nothing was undone" in done.stderr
    assert (installed.read("app.py"), installed.git("ls-files", "-s")) == before


def test_another_work_tree_is_not_touched(installed, review: Run, tmp_path: Path) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.git("worktree", "add", "-q", str(tmp_path / "linked"), "HEAD~0")
    installed.run("merge", "theirs")
    done = review("--undo", folder=tmp_path / "linked")
    assert f"belongs to {installed.path}" in done.stderr


@pytest.mark.parametrize("command", ["rebase", "cherry-pick", "revert", "stash"])
def test_every_operation_can_be_taken_back(installed, review: Run, command: str) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    if command == "revert":
        installed.git("checkout", "-q", "theirs")
        installed.commit("again", {name: text + "more\n" for name, text in THEIRS.items()})
        done = installed.run("revert", "--no-commit", "HEAD~1")
    elif command == "stash":
        installed.git("checkout", "-q", "theirs~1")
        installed.write(THEIRS)
        installed.git("stash", "push", "-q")
        installed.git("checkout", "-q", "main")
        done = installed.run("stash", "apply")
    elif command == "rebase":
        done = installed.run("rebase", "main", "theirs")
    else:
        done = installed.run("cherry-pick", "theirs")
    assert "resolved" in done.stderr, done.stdout + done.stderr
    done = review("--undo")
    assert done.returncode == 0, done.stderr
    assert b"<<<<<<< " in installed.read("app.py")
    assert stages(installed, "app.py").count("\n") == 2


def test_what_solve_did_is_taken_back(installed, review: Run, script: Path) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "theirs", env={"MERGEBERT": "0"})
    before = installed.read("app.py")
    solve = [script, "solve", "app.py"]
    done = subprocess.run(solve, cwd=installed.path, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed.read("app.py") == THEIRS["app.py"].encode()
    shown = review()
    assert "2 of 2 conflicts resolved by solve" in shown.stdout
    assert review("--undo", "--conflict", "1").returncode == 0
    assert installed.read("app.py").count(b"<<<<<<< ") == 1
    assert review("--undo").returncode == 0
    assert installed.read("app.py") == before


def test_replays_that_change_nothing_leave_no_entry(installed, script: Path) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.git("config", "core.attributesFile", str(installed.path / "attributes"))
    installed.write({"attributes": "* merge=mergebert\n"})
    installed.run("merge-tree", "--write-tree", "main", "theirs")
    installed.run("merge", "-q", "-Xours", "theirs")
    installed.run("log", "-1", "--remerge-diff")
    listed = subprocess.run(
        [script, "review"], cwd=installed.path, capture_output=True, check=True, text=True
    )
    assert listed.stdout == "mergebert has resolved nothing here yet.\n"


def test_an_old_merge_is_shown_as_git_alone_makes_it(installed) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "-q", "--no-commit", "theirs")
    installed.git("commit", "-qam", "merged")
    alone = installed.git("log", "-1", "--remerge-diff", env={"MERGEBERT": "0"})
    assert "remerge CONFLICT" in alone
    assert installed.git("log", "-1", "--remerge-diff") == alone


@pytest.mark.parametrize(
    "words", [("checkout", "-m", "--"), ("checkout", "--conflict=diff3", "--"), ("restore", "-m")]
)
def test_a_conflict_that_is_asked_for_again_is_given(installed, words: tuple[str, ...]) -> None:
    installed.diverge(BASE, OURS, PART)
    installed.run("merge", "theirs")
    alone = installed.run(*words, "app.py", env={"MERGEBERT": "0"})
    wanted = installed.read("app.py")
    assert wanted.count(b"<<<<<<< ours") == 2, alone.stderr
    installed.write({"app.py": "spoilt\n"})
    installed.run(*words, "app.py")
    assert installed.read("app.py") == wanted


def test_what_the_driver_resolved_is_nobodys_answer(installed) -> None:
    installed.diverge(BASE, OURS, PART)
    installed.run("merge", "theirs")
    text = read_work_file(installed.path / "app.py").text
    assert len(text.open_conflicts) == 1
    assert text.answers == {}
    by_hand = installed.read("app.py").replace(b"theirs one\n", b"by hand\n")
    installed.write({"app.py": by_hand})
    assert read_work_file(installed.path / "app.py").text.answers == {0: "by hand\n"}


def test_nor_is_it_one_in_the_editor(installed) -> None:
    installed.diverge(BASE, OURS, PART)
    installed.run("merge", "theirs")
    repository, file = Repository(installed.path), installed.path / "app.py"
    versions, own = repository.versions_of(file), repository.own_in(file)
    assert versions is not None
    text = EditorText(installed.read("app.py").decode(), None, "app.py")
    assert reconciled_text(text, versions, None, own).file.answers == {}
    by_hand = replace(text, text=text.text.replace("theirs one\n", "by hand\n"))
    assert reconciled_text(by_hand, versions, None, own).file.answers == {0: "by hand\n"}
