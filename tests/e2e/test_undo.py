"""What was resolved taken back in real merges of real git: the text, the index, and nothing of anybody's work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mergebert.commands.workfile import read_work_file
from mergebert.driver import registration
from mergebert.driver.journal import entries, journal_folder
from mergebert.driver.registration import install, scope_of
from mergebert.driver.undo import undo
from mergebert.errors import InputError
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


def rebase(repository) -> None:
    repository.run("rebase", "main", "theirs")


def rebase_by_patches(repository) -> None:
    repository.run("rebase", "--apply", "main", "theirs")


def am(repository) -> None:
    patch = repository.git("format-patch", "--stdout", "-1", "theirs")
    (repository.path / ".git" / "patch").write_text(patch)
    repository.run("am", "-3", ".git/patch")


def cherry_pick(repository) -> None:
    repository.run("cherry-pick", "theirs")


def cherry_pick_for_later(repository) -> None:
    repository.run("cherry-pick", "--no-commit", "theirs")


def revert(repository) -> None:
    """The revert of a commit that went from theirs to the base."""
    repository.git("checkout", "-q", "theirs")
    repository.git("revert", "--no-edit", "HEAD")
    repository.git("branch", "back")
    repository.git("checkout", "-q", "main")
    repository.run("revert", "back")


def stash(repository) -> None:
    repository.git("checkout", "-q", "--detach", "theirs~1")
    repository.git("checkout", "-q", "theirs", "--", ".")
    repository.git("stash", "push", "-q")
    repository.git("checkout", "-q", "main")
    repository.run("stash", "apply")


def switch(repository) -> None:
    repository.git("checkout", "-q", "--detach", "theirs~1")
    repository.git("checkout", "-q", "theirs", "--", ".")
    repository.git("reset", "-q")
    repository.run("checkout", "--merge", "main")


def merge(repository) -> None:
    repository.run("merge", "theirs")


def merge_of_a_tag(repository) -> None:
    if repository.run("tag", "--annotate", "-m", "one", "v1", "theirs").returncode == 0:
        repository.git("tag", "--annotate", "-m", "two", "v2", "v1")
    repository.run("merge", "v2")


def squash(repository) -> None:
    repository.run("merge", "--squash", "theirs")


OPERATIONS = [
    merge,
    merge_of_a_tag,
    squash,
    rebase,
    rebase_by_patches,
    am,
    cherry_pick,
    cherry_pick_for_later,
    revert,
    stash,
    switch,
]


def alone(repository, operation: Callable) -> tuple[bytes, str]:
    """A text and the index as git alone leaves them; the repository is then as it was."""
    copy = replace(repository, path=repository.path.with_name("alone"))
    shutil.copytree(repository.path, copy.path, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERGEBERT", "0")
        operation(copy)
    return copy.read("app.py"), copy.git("ls-files", "-s")


def plain(stages: str) -> list[str]:
    return sorted(line for line in stages.split("\n") if line.endswith("\tapp.py"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_can_be_taken_back(installed, review: Run, operation: Callable) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    wanted, index = alone(installed, operation)
    operation(installed)
    assert installed.read("app.py") == THEIRS["app.py"].encode()
    done = review("--undo")
    assert done.returncode == 0, done.stderr
    assert re.sub(rb"(?m)^([<>]{7}).*", rb"\1", installed.read("app.py")) == re.sub(
        rb"(?m)^([<>]{7}).*", rb"\1", wanted
    )
    assert plain(installed.git("ls-files", "-s")) == plain(index)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_is_undone_once_it_is_given_up(
    installed, review: Run, script: Path, operation: Callable
) -> None:
    """Where what was resolved is what HEAD has, the text tells nothing."""
    script.write_text(script.read_text().replace("conflict.sides.theirs\n", "conflict.sides.ours\n"))
    ours = {**OURS, "other.py": "unsure ours\n"}
    installed.diverge(BASE, ours, THEIRS)
    operation(installed)
    assert installed.read("app.py") == ours["app.py"].encode()
    ends = {
        rebase: "rebase",
        rebase_by_patches: "rebase",
        am: "am",
        cherry_pick: "cherry-pick",
        revert: "revert",
    }
    if operation in ends:
        installed.git(ends[operation], "--abort")
    else:
        installed.git("reset", "--hard", "-q")
    before = installed.git("status", "--porcelain"), installed.git("ls-files", "-s")
    done = review("--undo")
    assert "nothing was undone" in done.stderr
    assert (installed.git("status", "--porcelain"), installed.git("ls-files", "-s")) == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_the_driver_resolved_is_nobodys_answer_in_any_operation(installed, operation: Callable) -> None:
    installed.diverge(BASE, OURS, PART)
    operation(installed)
    text = read_work_file(installed.path / "app.py").text
    assert len(text.open_conflicts) == 1
    assert text.answers == {}


@pytest.mark.skipif(os.name != "posix", reason="no symbolic links")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_nothing_is_written_through_a_link(installed, review: Run, tmp_path: Path, what: str) -> None:
    sides = ({f"deep/{name}": text for name, text in side.items()} for side in (BASE, OURS, THEIRS))
    installed.diverge(*sides)
    installed.run("merge", "theirs")
    index = installed.git("ls-files", "-s")
    replaced = installed.path / ("deep/app.py" if what == "file" else "deep")
    replaced.rename(tmp_path / "outside")
    replaced.symlink_to(tmp_path / "outside")
    assert "symbolic link, which is not followed; nothing was undone" in review("--undo").stderr
    outside = tmp_path / "outside" / ("" if what == "file" else "app.py")
    assert outside.read_text() == THEIRS["app.py"]
    assert installed.git("ls-files", "-s") == index


def test_a_held_lock_is_named_and_nothing_changes(installed, review: Run) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "theirs")
    index = installed.git("ls-files", "-s")
    lock = installed.path / ".git" / "index.lock"
    lock.touch()
    done = review("--undo")
    assert done.returncode != 0
    assert f"{lock} is there: another git command" in done.stderr
    assert "nothing was undone" in done.stderr
    lock.unlink()
    assert installed.git("ls-files", "-s") == index
    assert installed.read("app.py") == THEIRS["app.py"].encode()
    assert review("--undo").returncode == 0


def test_a_file_that_cannot_be_written_leaves_the_index(installed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    installed.diverge(BASE, OURS, THEIRS)
    installed.run("merge", "theirs")
    index = installed.git("ls-files", "-s")
    [entry] = entries(journal_folder(installed.path))
    monkeypatch.setattr("mergebert.driver.undo.replace_file", full)
    with pytest.raises(InputError, match="No space left on device; nothing was undone"):
        undo(entry.id, installed.path)
    assert installed.git("ls-files", "-s") == index


def test_another_commit_is_picked_onto_the_same_one(installed, review: Run, script: Path) -> None:
    installed.diverge(BASE, OURS, {"app.py": THEIRS["app.py"]})
    installed.git("checkout", "-q", "theirs")
    installed.commit("later", {"other.py": "unsure\n"})
    installed.git("checkout", "-q", "main")
    installed.run("cherry-pick", "--no-commit", "theirs~1")
    installed.git("reset", "--hard", "-q")
    listed = subprocess.run(
        [script, "review"], cwd=installed.path, capture_output=True, check=True, text=True
    )
    installed.run("cherry-pick", "theirs")
    installed.write({"app.py": THEIRS["app.py"]})
    installed.git("add", "app.py")
    command = [script, "review", listed.stdout[:8], "--undo"]
    done = subprocess.run(command, cwd=installed.path, capture_output=True, check=False, text=True)
    assert "is over; nothing was undone" in done.stderr


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_empty_base_is_one(installed, review: Run, operation: Callable) -> None:
    installed.diverge(
        *(
            {**side, "app.py": text}
            for side, text in zip((BASE, OURS, THEIRS), ("", "x = 1\n", "x = 2\n"), strict=True)
        )
    )
    _, index = alone(installed, operation)
    operation(installed)
    done = review("--undo")
    assert done.returncode == 0, done.stderr
    assert plain(installed.git("ls-files", "-s")) == plain(index)
    assert "UU app.py" in installed.git("status", "--porcelain")


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_modes_are_those_of_the_commits(
    installed, review: Run, operation: Callable, renamed: bool
) -> None:
    installed.diverge(BASE, OURS, THEIRS)
    installed.git("checkout", "-q", "theirs")
    installed.git("update-index", "--chmod=+x", "app.py")
    installed.git("commit", "-q", "--amend", "--no-edit")
    installed.git("reset", "-q", "--hard")
    installed.git("checkout", "-q", "main")
    if renamed:
        installed.git("checkout", "-q", "--detach", "theirs~1")
        installed.git("mv", "app.py", "old.py")
        installed.git("commit", "-q", "-m", "old name")
        old = installed.git("rev-parse", "HEAD")
        installed.git("rm", "-q", "-f", "old.py")
        for branch in ("main", "theirs"):
            installed.git("checkout", "-q", "-f", "--detach", old)
            installed.git("checkout", "-q", branch, "--", ".")
            installed.git("rm", "-q", "-f", "old.py")
            if branch == "theirs":
                installed.git("mv", "app.py", "old.py")
            installed.git("commit", "-q", "-m", branch)
            installed.git("branch", "-f", branch)
        installed.git("checkout", "-q", "main")
    _, index = alone(installed, operation)
    operation(installed)
    done = review("--undo")
    assert done.returncode == 0, done.stderr
    assert plain(installed.git("ls-files", "-s")) == plain(index)


# What is not committed was normalised before `git checkout --merge` stored it, and is nowhere once it is resolved.
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one is not switch])
def test_what_git_renormalises_comes_back_as_it_was(installed, review: Run, operation: Callable) -> None:
    crlf = [{name: text.replace("\n", "\r\n") for name, text in side.items()} for side in (BASE, THEIRS)]
    installed.diverge(crlf[0], {**OURS, ".gitattributes": "* text=auto\n"}, crlf[1])
    installed.git("config", "merge.renormalize", "true")
    installed.git("config", "core.safecrlf", "false")
    _, index = alone(installed, operation)
    operation(installed)
    if "app.py" not in review().stdout:
        pytest.skip("git does not renormalise here")
    done = review("--undo")
    assert done.returncode == 0, done.stderr
    assert plain(installed.git("ls-files", "-s")) == plain(index)


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


@pytest.mark.parametrize("is_added", [False, True], ids=["", "after add"])
@pytest.mark.parametrize(
    "words",
    [("checkout", "-m"), ("checkout", "-m", "--"), ("checkout", "--conflict=diff3", "--"), ("restore", "-m")],
)
def test_a_conflict_that_is_asked_for_again_is_given(
    installed, words: tuple[str, ...], is_added: bool
) -> None:
    installed.diverge(BASE, OURS, PART)
    installed.run("merge", "theirs")
    if is_added:  # git makes the conflict again in memory alone
        installed.git("add", "app.py")
    alone = installed.run(*words, "app.py", env={"MERGEBERT": "0"})
    wanted = installed.read("app.py")
    assert wanted.count(b"<<<<<<< ours") == 2, alone.stderr
    installed.write({"app.py": "spoilt\n"})
    if is_added:
        installed.git("add", "app.py")
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
