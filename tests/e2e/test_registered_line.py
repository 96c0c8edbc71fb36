"""The registered line when the driver behind it is gone, and with clients that are not git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.driver import registration
from mergebert.driver.registration import driver_line, install, scope_of
from mergebert.git.command import git_version, shell_result
from tests.e2e.driver_program import plain_program

BASE, OURS, THEIRS = ({"app.py": f"a\n{word}\nc\n", "clean.py": "same\n"} for word in ("b", "ours", "theirs"))
CONFLICT = "a\n<<<<<<< {ours}\nours\n=======\ntheirs\n>>>>>>> {theirs}\nc\n"


@pytest.fixture
def registered(repository, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that installs a command as driver of the repository."""

    def register(command: str) -> None:
        monkeypatch.setattr(registration, "program", lambda: command)
        install(scope_of("--local", repository.path))

    return register


@pytest.mark.parametrize("command", ["/nowhere/python -m mergebert", "false", "true", "sh -c 'kill -9 $$'"])
def test_whatever_is_wrong_with_the_driver_git_merges(registered, repository, command: str) -> None:
    registered(command)
    text = "<<<<<<< a line of the user's own\n"
    versions = [{**side, "app.py": text + side["app.py"]} for side in (BASE, OURS, THEIRS)]
    repository.diverge(*versions)
    done = repository.run("merge", "theirs")
    assert done.returncode == 1, done.stdout + done.stderr
    assert repository.read("app.py").decode().startswith(f"{text}a\n<<<<<<< ")
    assert repository.git("status", "--porcelain") == "UU app.py"


def test_what_cannot_be_merged_at_all_stops_git(registered, repository) -> None:
    """Before 2.42 git goes on after any exit code and commits the file it finds, which was ours."""
    registered("/nowhere/python -m mergebert")
    repository.diverge(BASE, {**OURS, "app.py": "\0ours"}, {**THEIRS, "app.py": "\0theirs"})
    head = repository.git("rev-parse", "HEAD")
    done = repository.run("merge", "theirs")
    assert done.returncode not in (0, 1)
    assert repository.git("rev-parse", "HEAD") == head
    assert repository.read("app.py") == b"\0ours"
    assert repository.git("status", "--porcelain") == ""


@pytest.mark.parametrize("size", [1, 15, 32768])
def test_markers_of_any_size(registered, repository, tmp_path: Path, size: int) -> None:
    registered(f"'{plain_program(tmp_path / 'bin')}'")
    attributes = {".gitattributes": f"*.py conflict-marker-size={size}\n"}
    repository.diverge(BASE | attributes, OURS, THEIRS)
    repository.run("merge", "theirs", env={"MERGEBERT": "0"})
    lines = repository.read("app.py").decode().split("\n")
    assert lines[1] == "<" * size + " HEAD"
    assert lines[3] == "=" * size
    assert lines[5] == ">" * size + " theirs"


@pytest.mark.parametrize("version", [(2, 39), (2, 44)])
@pytest.mark.parametrize("program", ["plain", "/nowhere/python"])
def test_a_client_that_quotes_no_empty_label(program: str, version: tuple[int, int], tmp_path: Path) -> None:
    """gitoxide leaves nothing at all there."""
    for name, side in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        (tmp_path / name).write_text(side["app.py"])
    command = f"'{plain_program(tmp_path / 'bin')}'" if program == "plain" else program
    line = driver_line(command, version)
    if program != "plain" and version > git_version():
        line = line.replace(" --diff-algorithm=histogram", "")
    values = {
        "%A": "ours",
        "%O": "base",
        "%B": "theirs",
        "%P": "app.py",
        "%L": "7",
        "%S": "",
        "%X": "",
        "%Y": "",
    }
    for placeholder, value in values.items():
        line = line.replace(placeholder, value)
    code, complaint = shell_result(f"MERGEBERT=0; export MERGEBERT; {line}", tmp_path)
    assert code == 1, complaint
    left = (tmp_path / "ours").read_text()
    names = ("", "") if program != "plain" and version == (2, 44) else ("ours", "theirs")
    assert left == CONFLICT.format(ours=names[0], theirs=names[1])
