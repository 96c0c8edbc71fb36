"""Nothing leaves the machine and nothing is left outside our own folders, by us or by a library we load.

onnxruntime 1.32 does both unless it is told not to: files in the user's cache and temporary folder at once, and a
look at the network once its process is nine seconds old.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.driver_program import ROOT, plain_program

VERSIONS = {"base": "a = 1\nb = 2\n", "ours": "a = 1\nb = 3\n", "theirs": "a = 1\nb = 4\n"}
OLD_ENOUGH = 11  # seconds
NETWORK = re.compile(r"AF_INET|sin_port|/nscd/|getaddrinfo")
WRITING = re.compile(r'"([^"]+)".*O_(?:WRONLY|RDWR|CREAT)|^\d+ mkdir(?:at)?\([^"]*"([^"]+)"')

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A home, a temporary folder and a work folder that a test can look through."""
    found = {name: tmp_path / name for name in ("home", "temporary", "work")}
    for folder in found.values():
        folder.mkdir()
    monkeypatch.setenv("HOME", str(found["home"]))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("TMPDIR", str(found["temporary"]))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    for name, text in VERSIONS.items():
        (found["work"] / name).write_text(text)
    return found


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.usefixtures("shipped_bundle")
def test_a_merge_leaves_its_journal_and_nothing_else(places: dict[str, Path], tmp_path: Path) -> None:
    command = [
        plain_program(tmp_path / "bin"),
        "merge",
        "--git",
        "base",
        "ours",
        "theirs",
        "--max-error",
        "1",
    ]
    done = subprocess.run(
        [*command, "-p", "a.py"], cwd=places["work"], capture_output=True, check=False, text=True
    )
    assert "resolved 1 of 1" in done.stderr
    assert files_below(places["work"]) == ["base", "ours", "theirs"]
    assert files_below(places["temporary"]) == []
    left = [name for name in files_below(places["home"]) if name.endswith(".json")]
    assert left == [name for name in files_below(places["home"]) if (places["home"] / name).is_file()]
    assert len(left) == 1 and left[0].startswith(".local/state/mergebert/")


@pytest.mark.slow
@needs_strace
@pytest.mark.usefixtures("shipped_bundle")
def test_a_process_that_stays_writes_nothing_and_looks_up_no_name(
    places: dict[str, Path], tmp_path: Path
) -> None:
    log = tmp_path / "calls"
    traced = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=%network,openat,open,creat,mkdir,mkdirat"]
    command = [sys.executable, "-P", "-m", "mergebert", "suggest", "--batch", "-", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [*traced, *command],
        cwd=places["work"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as batch:
        assert batch.stdin is not None and batch.stdout is not None
        batch.stdin.write(json.dumps({"id": 1, "path": "a.py", **VERSIONS}).encode() + b"\n")
        batch.stdin.flush()
        time.sleep(OLD_ENOUGH)
        batch.stdin.close()
        assert b'"candidates"' in batch.stdout.read()
    calls = log.read_text(errors="replace").splitlines()
    assert not [call for call in calls if NETWORK.search(call) and "AF_UNIX" not in call]
    written = {name for call in calls if (found := WRITING.search(call)) for name in found.groups() if name}
    assert {
        name for name in written if not name.startswith((str(places["temporary"]), "/dev/", "/proc/"))
    } == set()
    assert files_below(places["temporary"]) == files_below(places["home"]) == []
