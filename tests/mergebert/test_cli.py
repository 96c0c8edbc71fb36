from __future__ import annotations

import importlib
import os
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mergebert import __version__, cli
from mergebert.errors import InputError


class Command:
    """A command that does what a test wants."""

    def __init__(self, act) -> None:
        self.act = act

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int)

    def run(self, arguments) -> int:
        return self.act(arguments)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """A function that puts a command named `train` into the table."""

    def put(act) -> None:
        monkeypatch.setitem(sys.modules, "mergebert_test_command", Command(act))
        monkeypatch.setitem(
            cli.COMMANDS, "train", ("mergebert_test_command", "act", "mergebert train --count 3")
        )

    return put


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


def test_the_way_to_the_driver_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import mergebert.cli, mergebert.driver.merge;"
        "print(*sorted(set(sys.modules) - before))"
    )
    names = python(
        "-I", "-c", f"import sys; sys.path.insert(0, {str(Path(cli.__file__).parent.parent)!r}); {code}"
    )
    loaded = set(names.stdout.split())

    assert not loaded & {
        "argparse",
        "dataclasses",
        "typing",
        "re",
        "subprocess",
        "json",
        "importlib.metadata",
    }
    assert {name for name in loaded if name.startswith("mergebert")} == {
        "mergebert",
        "mergebert.atomic",
        "mergebert.cli",
        "mergebert.driver",
        "mergebert.driver.merge",
        "mergebert.git",
        "mergebert.git.byte_merge",
        "mergebert.git.caller",
        "mergebert.git.command",
        "mergebert.git.command_words",
        "mergebert.git.config",
        "mergebert.git.merge_options",
        "mergebert.git.notes",
        "mergebert.regular_files",
        "mergebert.stops",
    }


def test_merge_goes_straight_to_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    from mergebert.driver import merge as driver

    monkeypatch.setattr(driver, "main", lambda arguments: len(arguments))

    assert cli.main(["merge", "a", "b", "c"]) == 3


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = cli.COMMANDS[name][0].partition(":")[0]
    pytest.importorskip(module)
    try:
        code = cli.main([name, "--help"])
    except ModuleNotFoundError as error:  # pragma: no cover
        pytest.skip(str(error))

    shown = capsys.readouterr().out
    assert code == 0
    assert f"mergebert {name}" in shown.partition("example:")[2]


def test_the_table_names_modules_of_ours() -> None:
    for home, summary, example in cli.COMMANDS.values():
        assert home.startswith(("mergebert.", "mergebert_"))
        assert summary[0].islower()
        assert not summary.endswith(".")
        assert example.startswith("mergebert ")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)


def test_without_a_command_help_is_shown_and_it_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: mergebert COMMAND" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"mergebert {__version__}\n"


def test_an_unknown_command_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sovle"]) == 2
    assert "did you mean 'solve'?" in capsys.readouterr().err


def test_a_wrong_argument_is_an_exit_code(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(lambda arguments: 0)
    assert cli.main(["train", "--count", "x"]) == 2
    assert "--count" in capsys.readouterr().err


def test_the_exit_code_is_the_command_s(command) -> None:
    command(lambda arguments: arguments.count)
    assert cli.main(["train", "--count", "7"]) == 7


def test_an_error_is_one_sentence(command, capsys: pytest.CaptureFixture[str]) -> None:
    def act(arguments):
        raise InputError("that is \x1b[2J wrong; do this.")

    command(act)
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err == "mergebert train: that is \\x1b[2J wrong; do this.\n"


def test_a_failure_of_the_system_is_one_sentence(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(lambda arguments: Path("/no/such/file").stat().st_mode)
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err == "mergebert train: /no/such/file: No such file or directory.\n"


def test_a_missing_package_says_what_to_install(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(lambda arguments: importlib.import_module("torch_that_is_not_there"))
    assert cli.main(["train"]) == 2
    error = capsys.readouterr().err
    assert error == "mergebert train needs torch_that_is_not_there: pip install 'mergebert[train]'\n"


def test_a_library_that_cannot_be_loaded_says_what_went_wrong_first(
    command, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(arguments):
        try:
            raise OSError("libgomp.so.1: cannot open shared object file.")
        except OSError as error:
            raise ImportError("\n\nPlease read this\nfor advice.") from error

    command(act)
    assert cli.main(["train"]) == 2
    said = "mergebert train: a library cannot be loaded: libgomp.so.1: cannot open shared object file.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("code", ["import mergebert.not_there", "from mergebert import not_there"])
def test_a_missing_module_of_ours_is_a_bug_and_not_hidden(command, code: str) -> None:
    command(lambda arguments: exec(code))
    with pytest.raises(ImportError):
        cli.main(["train"])


def test_where_no_file_can_be_opened_any_more_it_is_still_said() -> None:
    code = (
        "import os, sys, mergebert.cli as cli\n"
        "class C:\n"
        "    add_arguments = staticmethod(lambda parser: None)\n"
        "    run = staticmethod(lambda arguments: [os.open('/', os.O_RDONLY) for _ in range(99)])\n"
        "sys.modules['c'] = C; cli.COMMANDS['c'] = ('c', 'x', 'y'); sys.exit(cli.main(['c']))"
    )
    line = f'ulimit -n 20; exec {sys.executable} -c "$0"'
    done = subprocess.run(["sh", "-c", line, code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "mergebert c: /: Too many open files.\n")


def test_ctrl_c(command) -> None:
    def act(arguments):
        raise KeyboardInterrupt

    command(act)
    assert cli.main(["train"]) == 130


def test_a_reader_that_goes_away_is_no_reason_to_complain() -> None:
    code = (
        "import sys, mergebert.cli as cli\n"
        "class C:\n"
        "    add_arguments = staticmethod(lambda parser: None)\n"
        "    run = staticmethod(lambda arguments: [print('x' * 99) for _ in range(99999)] and 0)\n"
        "sys.modules['c'] = C; cli.COMMANDS['c'] = ('c', 'x', 'y'); sys.exit(cli.main(['c']))"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as started:
        assert started.stdout and started.stderr
        started.stdout.readline()
        started.stdout.close()
        assert started.stderr.read() == b""
        assert started.wait() == cli.BROKEN_PIPE


def test_python_m_does_not_import_from_the_folder_it_runs_in(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('the repository ran its code')")
    done = python("-m", "mergebert", "languages", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "python" in done.stdout


@pytest.mark.parametrize("module", ["mergebert", "mergebert_lsp"])
def test_python_m_works_in_a_folder_that_is_gone(module: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f'rmdir "{gone}"; exec {sys.executable} -m {module} --version'
    done = subprocess.run(["sh", "-c", line], cwd=gone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_public_names_are_there() -> None:
    import mergebert

    for name in mergebert.__all__:
        assert getattr(mergebert, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mergebert.nothing  # noqa: B018


def test_gitattributes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["languages", "--gitattributes"]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert "*.py merge=mergebert" in lines
    assert "Makefile merge=mergebert" in lines


def redirected(command: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """What the shell says of `mergebert COMMAND` with a redirection; Python buffers as it does for a user."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = str(Path(cli.__file__).parent.parent)
    line = f"exec {sys.executable} -m mergebert {command} {redirection}"
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=False, env=environment, timeout=60
    )


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
PRINTING = ("", "--help", "--version", "merge --help", "languages", "model info", "doctor", "review --help")


@needs_full
@pytest.mark.parametrize("command", PRINTING)
def test_an_output_that_is_full_is_one_sentence(command: str) -> None:
    done = redirected(command, ">/dev/full")
    assert done.returncode == cli.UNUSABLE
    assert done.stderr.startswith("mergebert")
    assert done.stderr.endswith("No space left on device.\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [name for name in cli.COMMANDS if name != "merge"])
def test_an_output_that_is_closed_is_one_sentence(command: str) -> None:
    done = redirected(command, ">&-")
    said = "mergebert: standard output is closed; open it, with >/dev/null where nobody reads it.\n"
    assert (done.returncode, done.stderr) == (cli.UNUSABLE, said)


def test_a_merge_into_a_closed_output_is_one_sentence_and_needs_none_for_a_file(tmp_path: Path) -> None:
    for name in ("base", "ours", "theirs"):
        (tmp_path / name).write_text("same\n")
    files = " ".join(str(tmp_path / name) for name in ("base", "ours", "theirs"))
    done = redirected(f"merge {files}", ">&-")
    assert done.returncode == 255
    assert done.stderr.startswith("mergebert: nothing was written: Bad file descriptor;")
    done = redirected(f"merge {files} -o {tmp_path / 'out'}", ">&- 2>&- <&-")
    assert (done.returncode, (tmp_path / "out").read_text()) == (0, "same\n")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&-"])
def test_no_other_stream_is_needed(redirection: str) -> None:
    assert redirected("languages", redirection).returncode == 0
    assert redirected("no-such-command", redirection).returncode == cli.UNUSABLE
