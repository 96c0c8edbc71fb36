from __future__ import annotations

import shlex
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from shutil import rmtree

import pytest

from mergebert.commands.install import add_install_arguments, run_install, run_uninstall
from mergebert.driver.registration import (
    BLOCK,
    NAME,
    attributes_file,
    driver_line,
    install,
    program,
    scope_of,
    uninstall,
)
from mergebert.errors import InputError


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("flag", ["--local", "--global"])
def test_uninstall_takes_back_exactly_what_install_did(flag: str, repository, isolated_git: Path) -> None:
    attributes = isolated_git / ".config" / "git" / "attributes"
    attributes.parent.mkdir(parents=True)
    attributes.write_bytes(b"*.po merge=po\n# no newline at the end")
    repository.git("config", "merge.conflictStyle", "diff3")
    repository.git("config", "--global", "merge.tool", "meld")
    before = files_below(repository.path / ".git"), files_below(isolated_git)
    scope = scope_of(flag, repository.path)
    install(scope)
    installed = files_below(repository.path / ".git"), files_below(isolated_git)
    assert installed != before
    install(scope)
    assert (files_below(repository.path / ".git"), files_below(isolated_git)) == installed
    assert uninstall(scope)
    assert (files_below(repository.path / ".git"), files_below(isolated_git)) == before
    assert not uninstall(scope)


def test_an_attributes_file_of_ours_alone_goes_again(tmp_path: Path) -> None:
    scope = scope_of("--global", tmp_path)
    install(scope)
    assert attributes_file().read_text(encoding="utf-8") == BLOCK
    uninstall(scope)
    assert not attributes_file().exists()


def test_the_attributes_file_the_user_chose_is_used(tmp_path: Path, repository) -> None:
    (tmp_path / "real attributes").write_bytes(b"*.po merge=po\n")
    (tmp_path / "attributes").symlink_to("real attributes")
    repository.git("config", "--global", "core.attributesFile", str(tmp_path / "attributes"))
    install(scope_of("--global", tmp_path))
    assert (tmp_path / "real attributes").read_text(encoding="utf-8") == f"{BLOCK}*.po merge=po\n"
    uninstall(scope_of("--global", tmp_path))
    assert (tmp_path / "attributes").is_symlink()
    assert (tmp_path / "real attributes").read_bytes() == b"*.po merge=po\n"


def test_an_attributes_file_named_from_home_need_not_be_there(isolated_git: Path, repository) -> None:
    repository.git("config", "--global", "core.attributesFile", "~/attributes")
    install(scope_of("--global", repository.path))
    assert (isolated_git / "attributes").read_text(encoding="utf-8") == BLOCK
    assert repository.git("check-attr", "merge", "app.py") == f"app.py: merge: {NAME}"
    uninstall(scope_of("--global", repository.path))
    assert not (isolated_git / "attributes").exists()


def test_a_repository_without_its_info_folder_is_installed_to(conflicted_repository) -> None:
    rmtree(conflicted_repository.path / ".git" / "info")
    install(scope_of("--local", conflicted_repository.path))
    assert conflicted_repository.run("merge", "theirs", env={"MERGEBERT": "0"}).returncode == 1
    assert conflicted_repository.git("config", "merge.default") == NAME


@pytest.mark.parametrize("flag", ["--local", "--global"])
def test_attributes_of_others_win(flag: str, repository, isolated_git: Path) -> None:
    repository.write({".gitattributes": "CHANGES merge=union\n*.png -merge\n"})
    attributes = isolated_git / ".config" / "git" / "attributes"
    attributes.parent.mkdir(parents=True)
    attributes.write_text("*.po merge=po\n", encoding="utf-8")
    install(scope_of(flag, repository.path))
    shown = repository.git("check-attr", "merge", "CHANGES", "a.png", "a.po", "a.py").split("\n")
    values = [line.rpartition(": ")[2] for line in shown]
    assert values[:3] == ["union", "unset", "po"]
    used = repository.run("config", "merge.default").stdout.strip() or values[3]
    assert used == "mergebert"


def test_the_default_driver_of_someone_else_stays(repository) -> None:
    repository.git("config", "merge.default", "other")
    with pytest.raises(InputError, match=r"merge\.default is 'other'"):
        install(scope_of("--local", repository.path))
    assert repository.run("config", "merge.mergebert.driver").stdout == ""
    assert not uninstall(scope_of("--local", repository.path))
    assert repository.git("config", "merge.default") == "other"


def test_settings_of_the_user_in_our_section_stay(repository) -> None:
    install(scope_of("--local", repository.path))
    repository.git("config", "merge.mergebert.note", "mine")
    uninstall(scope_of("--local", repository.path))
    assert repository.git("config", "--get-regexp", r"^merge\.") == "merge.mergebert.note mine"


def test_the_scope_without_a_flag(repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (repository.path / "deep").mkdir()
    assert scope_of(None, repository.path / "deep") == scope_of("--local", repository.path)
    outside = tmp_path / "outside"
    outside.mkdir()
    assert scope_of(None, outside).is_global
    with pytest.raises(InputError, match="not in a git repository"):
        scope_of("--local", outside)


def test_the_commands_say_what_they_did(
    repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.path)
    parser = ArgumentParser()
    add_install_arguments(parser)
    assert run_install(parser.parse_args([])) == 0
    assert run_uninstall(parser.parse_args(["--local"])) == 0
    assert run_uninstall(parser.parse_args(["--local"])) == 0
    said = capsys.readouterr().out.split("\n")
    assert said[0].startswith(f"git now merges with mergebert in the repository {repository.path};")
    assert said[1].startswith("git no longer merges")
    assert said[2].startswith("mergebert was not installed")


def test_labels_are_asked_for_where_git_knows_them() -> None:
    assert "--base-label=%S --ours-label=%X --theirs-label=%Y" in driver_line("mergebert", (2, 44, 0))
    assert "%S" not in driver_line("mergebert", (2, 43, 9))
    assert "/100%%/mergebert merge" in driver_line("/100%/mergebert", (2, 39))


def test_the_program_is_this_python_deaf_to_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/it's here/python")
    assert shlex.split(program()) == ["/opt/it's here/python", "-E", "-P", "-m", "mergebert"]


WRITES = "echo merged > ours; touch -d '+5 seconds' ours"


@pytest.mark.parametrize(
    ("status", "action", "by_git", "wanted"),
    [
        (0, WRITES, 9, 0),
        (1, WRITES, 9, 1),
        (137, WRITES, 9, 1),
        (0, "true", 0, 0),  # whatever calls itself mergebert there has not merged
        (1, "true", 3, 1),
        (127, "true", 0, 0),
        (2, "true", 255, 255),
        (255, "rm ours", 255, 255),
    ],
)
def test_the_driver_line_trusts_no_driver_that_has_written_nothing(
    tmp_path: Path, status: int, action: str, by_git: int, wanted: int
) -> None:
    """Program and git are stubs here; what they leave is what git goes on with."""
    for name, body in (("program", f"{action}; exit {status}"), ("git", f"echo git >> ours; exit {by_git}")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    for name in ("b", "ours", "t"):
        (tmp_path / name).write_text(f"{name}\n", encoding="utf-8")
    line = driver_line("./program", (2, 39))
    for placeholder, value in {"%A": "ours", "%O": "b", "%B": "t", "%P": "p", "%L": "7"}.items():
        line = line.replace(placeholder, value)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == wanted
    left = None if wanted == 255 else "merged\n" if action == WRITES else "ours\ngit\n"
    assert ((tmp_path / "ours").read_text() if left else None) == left
    assert (tmp_path / "ours").exists() == (left is not None)
