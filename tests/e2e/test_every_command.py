"""Every command and subcommand where it was not meant to be run, and with what it was not meant to be given.

A command that is not in the table of `tests/e2e/commands.py` fails the first test. Every name that is given to one is
relative to a folder of the test: run by root, a command that writes where it should not could replace a device.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TextIO

import pytest

from mergebert import cli
from tests.conftest import Repository
from tests.e2e.commands import TYPED, filled, options, parsers

NAMES = tuple(TYPED)
CODES = (0, 1, cli.UNUSABLE)  # documented
NOBODY = 65534
CODES_OF_MERGE = (*CODES, 129, 255)
XDG = ("CONFIG", "DATA", "STATE", "CACHE")
Say = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """A folder with everything that commands work on, which anybody may read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield filled(folder)
    shutil.rmtree(folder)


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the current folder."""
    copy = Path(shutil.copytree(original, tmp_path / "folder", symlinks=True))
    make_endless(copy / "endless")
    os.mkfifo(copy / "pipe")
    monkeypatch.chdir(copy)
    return copy


def make_endless(path: Path) -> None:
    """A file without end: a device of its own for root, who could replace the one of the machine."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def told(words: list[str], capsys: Say) -> str:
    """What a command complained of: one sentence, or argparse's own words; a traceback fails the test."""
    sys.stderr.reconfigure(errors="backslashreplace")  # as it is outside of a test
    capsys.readouterr()
    code = cli.main(words)
    said = capsys.readouterr().err
    assert code in (CODES_OF_MERGE if words[0] == "merge" else CODES), said
    assert "Traceback" not in said
    if code == cli.UNUSABLE and not said.startswith("usage:"):
        assert said.startswith("mergebert"), said
        assert said.count("\n") == 1, said
    return said


def test_every_command_is_tried() -> None:
    assert set(NAMES) == {"merge", *parsers()}


@pytest.mark.parametrize("name", NAMES)
def test_it_works(name: str, folder: Path, capsys: Say) -> None:
    code = cli.main(TYPED[name].split())
    said = capsys.readouterr().err
    wanted = {"merge": 1, "solve": 1, "doctor": 1, "dataset rebuild": 1, "export": 2}
    assert code == wanted.get(name, 0), said


def vanish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(folder)


def forget_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the system's list of users tells a home then, and that is none of this person's."""
    for variable in ("HOME", "GIT_CONFIG_GLOBAL", *(f"XDG_{kind}_HOME" for kind in XDG)):
        monkeypatch.delenv(variable)
    user = pwd.getpwuid(os.getuid())
    listed = pwd.struct_passwd((*user[:5], str(folder / "home"), user[6]))
    monkeypatch.setattr(pwd, "getpwuid", lambda number: listed)


def lose_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_home(folder, monkeypatch)
    monkeypatch.setenv("HOME", str(folder / "a.py" / "nonexistent"))


def break_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "settings").write_text("[merge\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "settings"))


def lose_temporary_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(folder / "nonexistent"))
    monkeypatch.setattr(tempfile, "tempdir", None)


def lose_git(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder / "out"))


def plain_locale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL")
    monkeypatch.setenv("LANG", "C")


def enter_bare_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository(folder).git("init", "--quiet", "--bare")


def enter_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository(folder).git("init", "--quiet")


def damage_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository(folder).git("init", "--quiet")
    (folder / ".git" / "config").write_bytes(b"[\xff")
    (folder / ".git" / "index").write_bytes(b"DIRC junk")


def inherit_nonsense(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (("GIT_DIR", "/dev/null"), ("GIT_WORK_TREE", "/none"), ("GIT_PREFIX", "none/")):
        monkeypatch.setenv(variable, value)


PLACES: tuple[Callable[[Path, pytest.MonkeyPatch], None], ...] = (
    vanish,
    forget_home,
    lose_home,
    lose_temporary_folder,
    lose_git,
    break_settings,
    plain_locale,
    enter_repository,
    enter_bare_repository,
    damage_repository,
    inherit_nonsense,
)


@pytest.fixture
def fresh_miner() -> Iterator[None]:
    """The miner as it is imported first: GitPython runs git as it is imported."""
    kept = forgotten_miner()
    yield
    forgotten_miner()
    sys.modules.update(kept)


def forgotten_miner() -> dict[str, ModuleType]:
    """The modules of the miner and of GitPython, which are no longer imported."""
    packages = ("mergebert_data", "git", "gitdb")
    names = [name for name in sys.modules if name.partition(".")[0] in packages]
    return {name: sys.modules.pop(name) for name in names}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("fresh_miner")
def test_where_it_was_not_meant_to_be_run(
    name: str,
    place: Callable[[Path, pytest.MonkeyPatch], None],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Say,
) -> None:
    place(folder, monkeypatch)
    told(TYPED[name].split(), capsys)


# What asks git cannot do without its answer; the others do their work. `doctor` says it where it says all else.
ASKING = ("solve", "suggest", "install", "uninstall", "review", "model", "mine", "dataset rebuild")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(ASKING)])
@pytest.mark.usefixtures("fresh_miner")
def test_what_git_complains_of_is_said_once(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    break_settings(folder, monkeypatch)
    said = told(TYPED[name].split(), capsys)
    assert f"fatal: bad config line 1 in file {folder / 'settings'}.\n" in said


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("dataset")])
@pytest.mark.usefixtures("fresh_miner")
def test_what_only_reads_mined_data_needs_no_git(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    lose_git(folder, monkeypatch)
    asks = name == "dataset rebuild"
    assert told(TYPED[name].split(), capsys).startswith("mergebert") == asks


@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("descriptors", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 11, 16))])
@pytest.mark.usefixtures("folder")
def test_few_descriptors_and_no_input(
    name: str, descriptors: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    line = f'exec <&-; ulimit -n {descriptors}; exec "$0" -m mergebert "$@"'
    command = ["sh", "-c", line, sys.executable, *TYPED[name].split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (CODES_OF_MERGE if name == "merge" else CODES), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode == cli.UNUSABLE:
        [said] = [line for line in done.stderr.split("\n") if line.startswith("mergebert")]
        assert said.endswith(".")
    assert list(tmp_path.glob("mergebert-*")) == []


@pytest.mark.skipif(
    not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can become another user"
)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("folder")
def test_a_folder_that_may_only_be_read(
    name: str, original: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    told(TYPED[name].split(), capsys)  # which imports what another user may not be allowed to read
    monkeypatch.chdir(original)
    os.seteuid(NOBODY)
    try:
        told(TYPED[name].split(), capsys)
    finally:
        os.seteuid(0)


STRANGE = ("", "\udcff", "a\nb", "out", "endless", "pipe", "@endless", "@compare.yaml")
RARE = ("-", "--", "-1", "nan", "1e999", "\u0663", "9" * 5000, "~nosuchuser/x", "x" * 5000)
strange = pytest.mark.parametrize(
    "values", [STRANGE, pytest.param(RARE, marks=pytest.mark.slow)], ids=["", "rare"]
)


@strange
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("folder")
def test_names_that_were_not_meant(name: str, values: tuple[str, ...], capsys: Say) -> None:
    words = TYPED[name].split()
    start = len(name.split())
    for value in values:
        for at in range(start, len(words)):
            told([*words[:at], value, *words[at + 1 :]], capsys)
        told([*words[:start], value], capsys)
        told([*words, value], capsys)


@strange
@pytest.mark.parametrize("name", [name for name in NAMES if options(name)])
@pytest.mark.usefixtures("folder")
def test_values_that_were_not_meant(name: str, values: tuple[str, ...], capsys: Say) -> None:
    for option in options(name):
        for value in values:
            told([*TYPED[name].split(), option.option_strings[-1], value], capsys)


@contextmanager
def full_output() -> Iterator[TextIO]:
    """An output that has no room."""
    with open("/dev/full", "w", encoding="utf-8") as stream:
        yield stream


@contextmanager
def unread_output() -> Iterator[TextIO]:
    """An output whose reader has gone away, as `head -1` does."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        yield stream


SILENT = ("merge", "export", "fuse restore")  # what is typed prints nothing, or is refused
HALVES = (".*.part", "*.partial", ".mergebert-*", ".figures.json*")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("output", [full_output, unread_output], ids=lambda output: output.__name__)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in SILENT])
def test_an_output_that_takes_nothing(
    name: str,
    output: Callable[[], AbstractContextManager[TextIO]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Say,
) -> None:
    with output() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        code = cli.main(TYPED[name].split())
    said = capsys.readouterr().err
    assert code == (cli.UNUSABLE if output is full_output else cli.BROKEN_PIPE), said
    complaints = [line for line in said.split("\n") if line.startswith("mergebert")]
    assert len(complaints) == (1 if output is full_output else 0)
    assert all(line.endswith("No space left on device.") for line in complaints)
    assert "Traceback" not in said
    assert [path for half in HALVES for path in folder.rglob(half)] == []
