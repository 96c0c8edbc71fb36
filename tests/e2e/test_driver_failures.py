"""The driver broken on purpose: what is left is byte for byte what `git merge-file` would have written."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.driver import registration
from mergebert.driver.registration import install, scope_of
from tests.e2e.driver_program import driver_program, line_merge, plain_program

resource = pytest.importorskip("resource")

BASE, OURS, THEIRS = b"a\nb\nc\n", b"a\nours\nc\n", b"a\ntheirs\nc\n"
VERSIONS = (BASE, OURS, THEIRS)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with three conflicting versions of a file, outside of every repository."""
    folder = tmp_path / "work"
    put(folder, VERSIONS)
    return folder


@pytest.fixture
def oracle(tmp_path: Path) -> bytes:
    """git's own merge of the three."""
    return line_merge(VERSIONS, tmp_path / "oracle")[1]


def put(folder: Path, versions: tuple[bytes, bytes, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in zip(("base", "ours", "theirs"), versions, strict=True):
        (folder / name).write_bytes(content)


def arguments(script: Path) -> list[str]:
    return [str(script), "merge", "--git", "base", "ours", "theirs", "-p", "app.py"]


def merge(script: Path, folder: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        arguments(script), cwd=folder, capture_output=True, check=False, encoding="utf-8", **options
    )


def assert_left_to_git(done: subprocess.CompletedProcess[str], folder: Path, oracle: bytes) -> None:
    assert done.returncode == 1
    assert (folder / "ours").read_bytes() == oracle
    assert sorted(os.listdir(folder)) == ["base", "ours", "theirs"]
    assert done.stdout == ""
    assert done.stderr.startswith("mergebert: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        "raise MemoryError",
        "raise RuntimeError('broken')",
        "sys.exit(0)",
        "os._exit(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.abort()",
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)",
        "os.kill(os.getppid(), signal.SIGINT); time.sleep(60)",
        "signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)",
    ],
)
def test_whatever_happens_to_the_model(behaviour: str, work: Path, oracle: bytes, tmp_path: Path) -> None:
    done = merge(driver_program(tmp_path / "bin", behaviour), work)
    if behaviour == "os._exit(0)":  # nothing was said, since nothing was seen
        assert (done.returncode, (work / "ours").read_bytes()) == (1, oracle)
    else:
        assert_left_to_git(done, work, oracle)


def test_a_model_that_hangs(work: Path, oracle: bytes, tmp_path: Path) -> None:
    start = time.monotonic()
    script = driver_program(tmp_path / "bin", "time.sleep(60)")
    done = merge(script, work, env={**os.environ, "MERGEBERT_TIMEOUT": "0.5"})
    assert time.monotonic() - start < 30
    assert_left_to_git(done, work, oracle)
    assert "longer than the 0.5 seconds of mergebert.timeout" in done.stderr


def test_too_little_memory(work: Path, oracle: bytes, tmp_path: Path) -> None:
    behaviour = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); bytes(2**30)"
    done = merge(driver_program(tmp_path / "bin", behaviour), work)
    assert_left_to_git(done, work, oracle)
    assert "not enough memory" in done.stderr


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.3])
def test_kill_while_the_model_runs(delay: float, work: Path, oracle: bytes, tmp_path: Path) -> None:
    """The model takes a moment and then answers; by then nobody may listen to it any more."""
    script = driver_program(tmp_path / "bin", "time.sleep(0.6)")
    process = subprocess.Popen(arguments(script), cwd=work, stderr=subprocess.DEVNULL)
    while (work / "ours").read_bytes() == OURS and process.poll() is None:
        time.sleep(0.001)
    assert (work / "ours").read_bytes() == oracle
    time.sleep(delay)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    time.sleep(1.0)
    assert (work / "ours").read_bytes() == oracle
    assert sorted(os.listdir(work)) == ["base", "ours", "theirs"]


def test_kill_at_any_moment(work: Path, oracle: bytes, tmp_path: Path) -> None:
    """Before the line merge is in place the file is untouched, after it git's; nothing in between."""
    script = driver_program(tmp_path / "bin", "time.sleep(0.2)")
    for step in range(12):
        put(work, VERSIONS)
        process = subprocess.Popen(arguments(script), cwd=work, stderr=subprocess.DEVNULL)
        time.sleep(step * 0.005)
        process.kill()
        process.wait()
        assert (work / "ours").read_bytes() in (OURS, oracle)


def obey_permissions() -> None:
    """Makes permissions count for root too: the programs it starts lose the capability to override them."""
    drop_from_bounding_set, dac_override = 24, 1  # linux/prctl.h, linux/capability.h
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0):
        raise PermissionError("root cannot give up its rights here")


def test_a_folder_that_takes_no_files(work: Path, oracle: bytes, tmp_path: Path) -> None:
    script = driver_program(tmp_path / "bin")
    work.chmod(0o555)
    try:
        done = merge(script, work, preexec_fn=obey_permissions)
    except subprocess.SubprocessError:
        pytest.skip("run as a root that cannot give up its rights")
    finally:
        work.chmod(0o755)
    assert_left_to_git(done, work, oracle)
    assert "takes no new file" in done.stderr


def limited(size: int) -> Callable[[], None]:
    """What makes every file end at this size, as a full disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_too_full_for_the_line_merge(work: Path, tmp_path: Path) -> None:
    done = merge(driver_program(tmp_path / "bin"), work, preexec_fn=limited(len(OURS) + 5))
    assert done.returncode == 255  # the registered line merges then; a conflict code would stand for a merge
    assert (work / "ours").read_bytes() == OURS
    assert sorted(os.listdir(work)) == ["base", "ours", "theirs"]
    assert "mergebert: nothing was written:" in done.stderr
    assert "File too large; git merges without us." in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_disk_too_full_for_the_journal(work: Path, tmp_path: Path) -> None:
    """It takes all versions; the line merge and the objects of a temporary repository are shorter."""
    line = b"x" * 800 + b"\n"
    put(work, (line + BASE, line + OURS, line + THEIRS))
    done = merge(driver_program(tmp_path / "bin"), work, preexec_fn=limited(1400))
    assert done.returncode == 0, done.stderr
    assert (work / "ours").read_bytes() == line + THEIRS
    assert "could not be noted" in done.stderr


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "not onnx"])
def test_a_damaged_bundle(
    damage: str, work: Path, oracle: bytes, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle = tmp_path / "bundle"
    if damage == "empty":
        bundle.mkdir()
    elif damage != "missing":
        shutil.copytree(request.getfixturevalue("shipped_bundle"), bundle)
        for model in bundle.glob("*.onnx"):
            content = model.read_bytes()
            model.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"#!/bin/sh\n")
    environment = {**os.environ, "MERGEBERT_BUNDLE": str(bundle)}
    assert_left_to_git(merge(plain_program(tmp_path / "bin"), work, env=environment), work, oracle)


def test_a_large_file(tmp_path: Path) -> None:
    lines = b"".join(b"line %d of a file that nobody wrote by hand\n" % number for number in range(1_150_000))
    assert len(lines) > 50_000_000
    versions = tuple(lines.replace(b"line 7 of", b"line %s of" % word) for word in (b"7", b"seven", b"VII"))
    _, wanted = line_merge(versions, tmp_path / "oracle")  # type: ignore[arg-type]
    put(tmp_path / "work", versions)  # type: ignore[arg-type]
    done = merge(driver_program(tmp_path / "bin"), tmp_path / "work")
    assert done.returncode == 1
    assert (tmp_path / "work" / "ours").read_bytes() == wanted


@pytest.fixture
def driven(repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A function that merges with a driver of a given command line and gives git's exit code."""

    def run(command: str, versions: tuple[bytes, bytes, bytes] = VERSIONS) -> int:
        monkeypatch.setattr(registration, "program", lambda: command)
        install(scope_of("--local", repository.path))
        repository.diverge(*({"app.py": version} for version in versions))
        code: int = repository.run("merge", "theirs").returncode
        return code

    return run


BROKEN = {
    "a program that is not there": "/no/such/place/mergebert",
    "a program that cannot be run": "/etc/passwd",
    "a package that cannot be imported": f"{sys.executable} -P -c 'import no_such_module' --",
    "a program of another version": f"{sys.executable} -P -c 'import sys; sys.exit(129)' --",
    "a program that dies at once": f"{sys.executable} -P -c 'import os; os.kill(os.getpid(), 9)' --",
}


@pytest.mark.parametrize("command", BROKEN.values(), ids=BROKEN.keys())
def test_git_merges_by_itself_with(command: str, driven, repository, oracle: bytes) -> None:
    assert driven(command) == 1
    assert repository.read("app.py") == oracle
    assert repository.git("status", "--porcelain") == "UU app.py"


@pytest.mark.parametrize("command", BROKEN.values(), ids=BROKEN.keys())
def test_git_merges_cleanly_with(command: str, driven, repository) -> None:
    assert driven(command, (BASE, b"A\nb\nc\n", b"a\nb\nC\n")) == 0
    assert repository.read("app.py") == b"A\nb\nC\n"


def test_a_driver_killed_while_the_model_runs(driven, repository, tmp_path: Path) -> None:
    script = driver_program(tmp_path / "bin", "os.kill(os.getppid(), signal.SIGKILL); time.sleep(0.3)")
    assert driven(str(script)) == 1
    wanted = b"a\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> theirs\nc\n"
    assert repository.read("app.py") == wanted
    time.sleep(0.5)
    assert repository.read("app.py") == wanted
    assert repository.git("status", "--porcelain") == "UU app.py"


@pytest.mark.parametrize("content", [b"\x89PNG\0%d", "wide %d\n".encode("utf-16")])
def test_binary_files_end_as_git_ends_them(content: bytes, driven, repository, tmp_path: Path) -> None:
    versions = tuple(content.replace(b"%", bytes([65 + number])) for number in range(3))
    assert driven(str(plain_program(tmp_path / "bin")), versions) == 1
    assert repository.read("app.py") == versions[1]
    assert repository.git("status", "--porcelain") == "UU app.py"


@pytest.mark.parametrize(
    "versions",
    [
        tuple(text.encode("latin-1") for text in ("é\n", "è\n", "ê\n")),
        tuple(("\ufeff" + text).encode() for text in ("é\r\n", "è\r\n", "ê\r\n")),
        (b"a", b"b", b"c"),
    ],
    ids=["Latin-1", "BOM and CRLF", "no final newline"],
)
def test_bytes_are_kept(versions: tuple[bytes, bytes, bytes], driven, repository, tmp_path: Path) -> None:
    environment = f"env MERGEBERT_BUNDLE={tmp_path}/nowhere {plain_program(tmp_path / 'bin')}"
    assert driven(environment, versions) == 1
    labels = ("base", "HEAD", "theirs")
    assert repository.read("app.py") == line_merge(versions, tmp_path / "oracle", labels=labels)[1]
