"""Mining as a user runs it: several repositories, interrupted and resumed, read back with ordinary tools."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import mergebert_data.dataset.statistics
import mergebert_data.mine.local_engine
from mergebert.cli import main
from mergebert.errors import DatasetError
from mergebert.example import example_from_json
from mergebert_data.dataset.store import read_rows
from mergebert_data.mine.join import joined
from mergebert_data.mine.merge_block import mine_block
from mergebert_data.mine.plan import MiningSettings, planned
from tests.conftest import Repository

ROOT = Path(__file__).resolve().parent.parent.parent.parent
FILE = "import a\nimport b\n\ndef f{n}(x):\n    return x\n\n\ndef g():\n    return 0\n"
OURS, THEIRS = "return x + 1", "return 2 * x"


def conflicting_merges(repository: Repository, count: int, folder: str = "src") -> Repository:
    """The repository with that many merges off one commit, each with a conflict of its own, ours taken."""
    files = {f"{folder}/f{n}.py": FILE.format(n=n) for n in range(count)}
    base = repository.commit("base", files)
    for n in range(count):
        text = FILE.format(n=n)
        repository.git("checkout", "--quiet", "--detach", base)
        theirs = repository.commit("theirs", {f"{folder}/f{n}.py": text.replace("return x", THEIRS)})
        repository.git("checkout", "--quiet", "-b", f"branch-{n}", base)
        repository.commit("ours", {f"{folder}/f{n}.py": text.replace("return x", OURS + f" + {n}")})
        repository.run("merge", "--quiet", theirs)
        repository.commit("merge", {f"{folder}/f{n}.py": text.replace("return x", OURS + f" + {n}")})
    return repository


@pytest.fixture
def two(make_repository: Callable[..., Repository]) -> list[Path]:
    """Two repositories of three merges, with the same conflicts in files of other names."""
    return [conflicting_merges(make_repository(f"owner+{name}"), 3, name).path for name in ("one", "two")]


def mine(paths: list[Path], out: Path, *options: str) -> int:
    return main(["mine", *map(str, paths), "--output", str(out), "--jobs", "1", *options])


def test_two_repositories_into_one_dataset(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert mine(two, out, "--jsonl") == 0
    assert "| python | 2 | 6 | 6 | 6 (100.0%) | 3 | 3 (100.0%) |" in capsys.readouterr().out
    examples = list(map(example_from_json, read_rows(out)))
    assert [example.repository for example in examples] == ["owner/one"] * 3 + ["owner/two"] * 3
    assert [example.conflicts[0].duplicate for example in examples] == [False] * 3 + [True] * 3
    assert {example.conflicts[0].resolution for example in examples} == {
        f"    {OURS} + {n}\n" for n in range(3)
    }
    assert list(map(example_from_json, read_rows(out / "examples.jsonl"))) == examples
    assert (
        pq.read_table(out / "examples.parquet", columns=["language"])["language"].to_pylist()
        == ["python"] * 6
    )
    figures = json.loads((out / "statistics.json").read_text(encoding="utf-8"))
    assert figures["counts"]["merges"] == 6
    assert figures["patterns"] == {"lines: ours": 3}
    capsys.readouterr()
    assert mergebert_data.dataset.statistics.main([str(out)]) == 0
    assert capsys.readouterr().out == (out / "statistics.md").read_text(encoding="utf-8")
    assert mergebert_data.dataset.statistics.main([str(tmp_path)]) == 2
    assert set(json.loads((out / "splits.json").read_text(encoding="utf-8"))) == {"owner/one", "owner/two"}
    assert list((out / "scratch").iterdir()) == []


def test_a_repository_that_cannot_be_mined_is_skipped_with_its_reason(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert mine([*two, two[0], tmp_path / "nowhere"], out) == 1
    told = capsys.readouterr().err
    assert "nowhere is not a git repository" in told
    assert "already among the repositories" in told
    assert len(list(read_rows(out))) == 6


def test_a_sample_is_the_same_for_a_seed(two: list[Path], tmp_path: Path) -> None:
    merges = []
    for folder in ("first", "second"):
        mine(two, tmp_path / folder, "--max-merges", "2", "--seed", "7", "--json")
        merges.append([row["merge"] for row in read_rows(tmp_path / folder, ["merge"])])
    assert len(merges[0]) == 4
    assert merges[0] == merges[1]


def test_a_finished_block_is_not_mined_again(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    mine(two, out)
    monkeypatch.setattr(mergebert_data.mine.local_engine, "mine_block", None)
    before = {shard: shard.stat().st_mtime_ns for shard in (out / "shards").iterdir()}
    assert mine(two, out) == 0
    assert {shard: shard.stat().st_mtime_ns for shard in (out / "shards").iterdir()} == before
    assert [run["merges"] for run in read_rows(out / "runs.jsonl")] == [6, 0]


def test_a_file_of_a_fork_is_kept_once(make_repository: Callable[..., Repository], tmp_path: Path) -> None:
    original = conflicting_merges(make_repository("owner+original"), 2)
    fork = tmp_path / "zoo+fork"
    original.git("clone", "--quiet", "--mirror", str(original.path), str(fork))
    mine([original.path, fork], tmp_path / "out")
    assert [row["repository"] for row in read_rows(tmp_path / "out")] == ["owner/original"] * 2
    figures = json.loads((tmp_path / "out" / "statistics.json").read_text(encoding="utf-8"))
    assert figures["counts"]["file: same conflict and result seen before"] == 2


def test_no_time_mines_nothing_and_says_so(two: list[Path], tmp_path: Path) -> None:
    mine(two, tmp_path, "--minutes", "0")
    figures = json.loads((tmp_path / "statistics.json").read_text(encoding="utf-8"))
    assert figures["counts"]["block: not mined"] == 2
    assert list(read_rows(tmp_path)) == []


def test_replays_are_kept_and_give_the_same_rows(two: list[Path], tmp_path: Path) -> None:
    mine(two, tmp_path / "whole")
    out = tmp_path / "in two steps"
    assert mine(two, out) == 0
    for shard in (out / "shards").iterdir():
        shard.unlink()
    kept = {path: path.stat().st_mtime_ns for path in (out / "replays").iterdir()}
    assert len(kept) == 2
    assert mine(two, out) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert list(read_rows(out)) == list(read_rows(tmp_path / "whole"))


def test_torn_replays_say_what_to_do(two: list[Path], tmp_path: Path) -> None:
    (block,) = planned(two[:1], MiningSettings(tmp_path)).blocks
    block.replays.write_bytes(b"torn")
    assert "delete it and mine again" in (mine_block(block).failure or "")


def test_a_block_that_fails_is_reported(two: list[Path], tmp_path: Path) -> None:
    settings = MiningSettings(tmp_path)
    plan = planned(two[:1], settings)
    (block,) = plan.blocks
    block.plan.unlink()
    assert "owner/one" in (mine_block(block).failure or "")
    assert joined(plan, settings).counts["block: not mined"] == 1


def test_a_broken_shard_says_what_to_do(two: list[Path], tmp_path: Path) -> None:
    settings = MiningSettings(tmp_path)
    plan = planned(two[:1], settings)
    plan.blocks[0].shard.write_bytes(b"PAR1 torn")
    with pytest.raises(DatasetError, match="delete it and mine again"):
        joined(plan, settings)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    listing = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listing.stdout.split()]


LAUNCHER = """
import sys
import mergebert_data.mine.plan
from mergebert.cli import main
mergebert_data.mine.plan.BLOCK = 2
if __name__ == "__main__":
    sys.exit(main(["mine", *sys.argv[1:]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_and_resumed_gives_the_same_rows(
    make_repository: Callable[..., Repository], tmp_path: Path
) -> None:
    path = conflicting_merges(make_repository("owner+many"), 12).path
    mine([path], tmp_path / "whole")
    out = tmp_path / "killed"
    launcher = tmp_path / "launch.py"
    launcher.write_text(LAUNCHER, encoding="utf-8")
    command = [sys.executable, str(launcher), str(path), "-o", str(out), "-j", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "data")])}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and not list(out.glob("shards/*.parquet")):
        time.sleep(0.01)
    workers = children_of(running.pid)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (out / "examples.parquet").exists()
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert len(list((out / "shards").iterdir())) == 6
    assert sorted(read_rows(out), key=str) == sorted(read_rows(tmp_path / "whole"), key=str)
    assert list((out / "scratch").iterdir()) == []


def test_a_folder_that_mining_would_clear_is_not_cleared(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "home" / "scratch" / "own.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert mine(two, tmp_path / "home") == 2
    assert "scratch is in the way" in capsys.readouterr().err
    assert own.read_text() == "mine"


def test_a_file_lists_repositories(two: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "listed"
    listed.write_text("".join(f"{path}\n" for path in two))
    assert main(["mine", f"@{listed}", "--output", str(tmp_path / "out"), "--jobs", "1"]) == 0
    assert {row["repository"] for row in read_rows(tmp_path / "out")} == {"owner/one", "owner/two"}


def test_a_repository_whose_name_is_not_utf8_is_named_and_the_others_go_on(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = two[0].rename(two[0].with_name("od\udcff"))
    assert mine([odd, two[1]], tmp_path / "out\udcff") == 1
    assert "\\udcff has a name that is not UTF-8" in capsys.readouterr().err
    assert {row["repository"] for row in read_rows(tmp_path / "out\udcff")} == {"owner/two"}
