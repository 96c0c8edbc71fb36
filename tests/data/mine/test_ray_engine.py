"""The Ray engine on real Ray nodes of this computer: the same rows as the local engine, whoever is killed meanwhile.

Workers get a git from the tests, a script in front of the real one: once it is armed for a node, the next replay
there says which process asked for it, and waits; others wait until then. So a worker or node is killed in the very
middle of a block, every time.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mergebert.cli import main
from mergebert_data.dataset.store import read_rows
from mergebert_data.mine.plan import MiningSettings, planned
from mergebert_data.mine.ray_worker import SharedFolder, checked_in, mined_block, mining_task, versions
from tests.conftest import Repository
from tests.data.commands.test_mine import conflicting_merges

pytest.importorskip("ray", reason="the Ray engine needs the extra ray")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9, and Ray has no clusters on Windows")

ROOT = Path(__file__).resolve().parent.parent.parent.parent
NAMES = ("one", "two", "three", "four")
PATIENCE = 300.0  # seconds; busy machines start Ray slowly
GIT = """#!/bin/sh
case "$*" in
*merge-tree*--stdin*)
    echo "$PPID" >>"{post}/asked"
    if grep -q -f "{post}/deadly" "$GIT_DIR/objects/info/alternates" 2>/dev/null; then kill -9 "$PPID"; fi
    if rmdir "{post}/armed-$NODE" 2>/dev/null; then
        echo "$PPID" >"{post}/waiting.part"
        mv "{post}/waiting.part" "{post}/waiting"
        while [ -d "{post}" ] && [ ! -e "{post}/go" ]; do sleep 0.05; done
    fi
    while [ -n "$(ls -d "{post}"/armed-* 2>/dev/null)" ]; do sleep 0.05; done
    ;;
esac
exec "{git}" "$@"
"""


def until(is_so: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE:.0f} s"
        time.sleep(0.02)


def process(pid: int, column: str) -> str:
    """What ps says of a process in one column; nothing once it is gone."""
    listing = subprocess.run(
        ["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.strip()


@dataclass(frozen=True)
class Post:
    """Where the git of the tests waits and is waited for, and the environment that leads to it."""

    folder: Path
    environment: dict[str, str]

    def arm(self, node: str = "head") -> None:
        for name in ("asked", "waiting", "go"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / f"armed-{node}").mkdir()

    def caught(self) -> int:
        """The process whose git waits in the middle of a block."""
        waiting = self.folder / "waiting"
        until(waiting.exists, "a block at work")
        return int(waiting.read_text())

    def release(self) -> None:
        (self.folder / "go").touch()

    @property
    def replayed(self) -> int:
        """How many times a block was begun since the post was armed."""
        return len((self.folder / "asked").read_text().split())

    @property
    def processes(self) -> list[int]:
        """Who lives of all that was started in this environment, where /proc tells."""
        token = self.environment["RAY_AUTH_TOKEN"].encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if token in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    @property
    def scratch(self) -> list[str]:
        """The scratch folders on the nodes."""
        return sorted(path.name for path in (self.folder / "tmp").glob("mergebert-*"))


def new_post(folder: Path) -> Post:
    for name in ("bin", "tmp"):
        (folder / name).mkdir(parents=True)
    git = folder / "bin" / "git"
    git.write_text(GIT.format(post=folder, git=shutil.which("git")))
    git.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "RAY_"))}
    environment |= {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "data")]),
        "TMPDIR": str(folder / "tmp"),
        "NODE": "head",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
    }
    return Post(folder, environment)


@pytest.fixture
def repositories(make_repository: Callable[..., Repository]) -> list[Path]:
    """Four repositories, a block each."""
    return [conflicting_merges(make_repository(f"owner+{name}"), 2, name).path for name in NAMES]


@pytest.fixture
def rows(repositories: list[Path], tmp_path: Path) -> list[dict[str, Any]]:
    """What the local engine makes of them."""
    assert main(["mine", *map(str, repositories), "-o", str(tmp_path / "local"), "-j", "1"]) == 0
    found = list(read_rows(tmp_path / "local"))
    assert len(found) == 2 * len(NAMES)
    return found


@contextmanager
def mining(post: Post, repositories: list[Path], out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command of a user, who stands in a repository with a git.py of its own."""
    hostile = out.parent / "hostile"
    hostile.mkdir(exist_ok=True)
    (hostile / "git.py").write_text(f"open({str(hostile / 'was_run')!r}, 'w')\nraise SystemExit(3)\n")
    command = [
        sys.executable,
        "-P",
        "-W",
        "error",
        "-m",
        "mergebert",
        "mine",
        *map(str, repositories),
    ]
    with subprocess.Popen(
        [*command, "-o", str(out), "--engine", "ray", "--json", *options],
        cwd=hostile, env=post.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        try:
            yield running
            assert not (hostile / "was_run").exists()
        finally:
            post.release()
            running.kill()


def finished(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, told = running.communicate(timeout=PATIENCE)
    return running.returncode, out, told


def left_in(out: Path) -> list[Path]:
    """What a run has left in its folder that is no result."""
    return [*out.glob(".*"), *out.glob("*/.*"), *out.glob("scratch/*")]


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_block_changes_no_row(
    repositories: list[Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    post, out = new_post(tmp_path / "post"), tmp_path / "out"
    post.arm()
    with mining(post, repositories, out, "--jobs", "2") as running:
        worker = post.caught()
        assert process(worker, "command").startswith("ray::")
        assert (len(post.scratch) >= 1, worker in post.processes) == (True, True)
        assert len(list(out.glob("shards/*"))) < len(NAMES)
        os.kill(worker, signal.SIGKILL)
        code, printed, told = finished(running)
    assert (code, told.count("left out")) == (0, 0), told
    assert printed.startswith("{"), "what Ray says must not stand where programs read our figures"
    assert post.replayed == len(NAMES) + 1
    assert list(read_rows(out)) == rows
    assert (left_in(out), post.scratch) == ([], [])
    until(lambda: not post.processes, "the end of the cluster that was started")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Post]]:
    """The address of a cluster of one node with two CPUs, and its post."""
    post = new_post(tmp_path_factory.mktemp("cluster") / "post")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not below TMPDIR: the path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as own:
        options = [
            "--head",
            f"--port={port}",
            f"--temp-dir={own}",
            "--include-dashboard=false",
            "--num-cpus=2",
        ]
        with ray_node(post, "head", *options):
            yield f"127.0.0.1:{port}", post


@contextmanager
def ray_node(post: Post, name: str, *options: str) -> Iterator[None]:
    """A node as a person starts it, while it lives."""
    fixed = [
        "--block",
        "--node-ip-address=127.0.0.1",
        "--object-store-memory=80000000",
        "--disable-usage-stats",
        # Ports that are free: these nodes share a computer.
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--dashboard-agent-listen-port=0",
    ]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *fixed, *options]
    environment = post.environment | {"NODE": name}
    log = post.folder / f"{name}.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=post.folder, env=environment, stdout=out, stderr=out) as node,
    ):
        try:
            until(lambda: b"Ray runtime started" in log.read_bytes() or node.poll() is not None, name)
            assert node.poll() is None, log.read_text()
            yield
        finally:
            post.release()
            node.terminate()
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                node.kill()


@pytest.mark.slow
def test_a_running_cluster_makes_the_same_rows(
    head: tuple[str, Post], repositories: list[Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    address, post = head
    out = tmp_path / "out"
    with mining(post, repositories, out, "--address", address) as running:
        code, _, told = finished(running)
    assert code == 0, told
    assert list(read_rows(out)) == rows
    assert (left_in(out), post.scratch) == ([], [])


@pytest.mark.slow
def test_interrupted_on_a_cluster_and_gone_on_with(
    head: tuple[str, Post], repositories: list[Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    address, post = head
    out = tmp_path / "out"
    post.arm()
    with mining(post, repositories, out, "--address", address) as running:
        worker = post.caught()
        running.send_signal(signal.SIGINT)
        code, _, _ = finished(running)
    assert code != 0
    until(lambda: not process(worker, "pid"), "the end of the worker")
    assert not (out / "examples.parquet").exists()
    assert (left_in(out), post.scratch) == ([], [])
    assert main(["mine", *map(str, repositories), "-o", str(out), "-j", "1"]) == 0
    assert list(read_rows(out)) == rows


@pytest.mark.slow
def test_a_block_that_every_worker_dies_of_is_left_out_and_the_others_go_on(
    head: tuple[str, Post], repositories: list[Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    address, post = head
    out, deadly = tmp_path / "out", post.folder / "deadly"
    deadly.write_text("owner+three/.git/objects\n")
    with mining(post, repositories, out, "--address", address) as running:
        code, _, told = finished(running)
    deadly.unlink()
    assert code == 1, told
    assert "left out: owner/three: given up after 5 workers died of it" in told
    assert [row["merge"] for row in read_rows(out)] == [
        row["merge"] for row in rows if row["repository"] != "owner/three"
    ]
    assert post.scratch == []


@pytest.mark.slow
def test_a_node_lost_in_the_middle_of_a_block_changes_no_row(
    head: tuple[str, Post], repositories: list[Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    address, post = head
    out = tmp_path / "out"
    post.arm("second")
    with (
        ray_node(post, "second", f"--address={address}", "--num-cpus=1"),
        mining(post, repositories, out, "--address", address) as running,
    ):
        node = int(process(post.caught(), "ppid"))
        assert "raylet" in process(node, "command")
        os.kill(node, signal.SIGKILL)
        code, _, told = finished(running)
    assert (code, told.count("left out")) == (0, 0), told
    assert post.replayed == len(NAMES) + 1
    assert list(read_rows(out)) == rows
    assert left_in(out) == []


def test_a_repository_that_is_not_on_the_node_is_named_and_the_others_go_on(
    repositories: list[Path], tmp_path: Path
) -> None:
    folder = SharedFolder(tmp_path / "out", "token")
    plan = planned(repositories, MiningSettings(folder.out))
    repositories[1].rename(tmp_path / "elsewhere")
    steps = [mined_block(folder, block) for block in plan.blocks]
    (failure,) = [step.failure for step in steps if step.failure]
    assert failure.startswith(f"owner/two: {repositories[1] / '.git'} is not on node {socket.gethostname()}")
    assert sum(block.shard.exists() for block in plan.blocks) == 3


def test_a_block_that_is_done_is_not_mined_again(repositories: list[Path], tmp_path: Path) -> None:
    folder = SharedFolder(tmp_path / "out", "token")
    (block,) = planned(repositories[:1], MiningSettings(folder.out)).blocks
    assert mined_block(folder, block).files == 2
    gone = replace(block, source=replace(block.source, objects="nowhere"))
    assert mined_block(folder, gone).was_done


def test_a_node_without_the_folder_says_so(tmp_path: Path) -> None:
    folder = SharedFolder(tmp_path, "token")
    assert "does not share the folder" in str(checked_in(folder, "node"))
    assert "does not share the folder" in str(mining_task(folder, str.upper, "mined"))
    assert list(tmp_path.iterdir()) == []
    folder.mark.touch()
    assert "git" in checked_in(folder, "node")
    assert folder.answer("node").exists()
    assert mining_task(folder, str.upper, "mined") == "MINED"


def test_a_node_that_would_mine_otherwise_is_named() -> None:
    from mergebert_data.mine.ray_engine import objection

    assert objection("far", versions()) is None
    assert "Node far has git 2.20.1, this computer" in (
        objection("far", versions() | {"git": "2.20.1"}) or ""
    )
    assert objection("far", "Node far does not share the folder") == "Node far does not share the folder"


def test_what_ray_tells_at_length_is_a_line_of_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    from mergebert_data.mine.ray_engine import Notices

    with redirect_stdout(Notices()):
        print(
            "\x1b[33m(raylet)\x1b[0m A worker died. To troubleshoot the problem, check the logs.\nAnd more."
        )
        print(
            "(raylet) Task f failed. There are 3 retries remaining, so the task will be retried. Error: died."
        )
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.split("\n") == [
        "(raylet) A worker died.",
        "(raylet) Task f failed. There are 3 retries remaining, so the task will be retried.",
        "",
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--engine", "ray", "--address", "127.0.0.1:9"), "No Ray cluster answers at 127.0.0.1:9"),
        (("--engine", "ray", "--address", "head"), "is no HOST:PORT"),
        (("--address", "head:6379"), "add --engine ray"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence(
    options: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mine", str(tmp_path), "-o", str(tmp_path / "out"), *options]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
