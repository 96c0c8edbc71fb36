"""What people chose is kept whole, private and bounded, and training reads it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mergebert.commands.workfile import open_work_files
from mergebert.errors import InputError
from mergebert.example import FileExample, example_from_json
from mergebert.ranking.evidence import FileEvidence
from mergebert.text.conflicted_text import ConflictedText
from mergebert.text.markers import parse
from mergebert.text.reconcile import unreconciled
from mergebert.text.threeway import ThreeWay
from mergebert.training.dataset.prepare import file_merge
from mergebert_data.dataset.store import read_rows
from mergebert_lsp.text.suggestions import Suggestion
from mergebert_lsp.worker import feedback_log
from mergebert_lsp.worker.feedback_log import CHOSEN, Verdict, feedback_folder, record

TWO = """\
import os
<<<<<<< HEAD
import re
||||||| 1234567 (Secret plan)
=======
import json
>>>>>>> topic
between
<<<<<<< HEAD
one
||||||| 1234567 (Secret plan)
none
=======
two
>>>>>>> topic
"""
SUGGESTED = (
    Suggestion("import json\nimport re\n", 0.9, "union", "lines"),
    Suggestion("import re\n", 0.05, "ours", "lines"),
)


def file_of(text: str, name: str = "src/a.py") -> ConflictedText:
    return ConflictedText(name, unreconciled(parse(text).parts))


def lines_in(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the files, the older ones first."""
    files = sorted(folder.glob("*.jsonl"), key=lambda path: "older" not in path.name)
    lines = [line for path in files for line in path.read_bytes().splitlines()]
    return [json.loads(line) for line in lines if line.endswith(b"}")]


def examples_in(folder: Path) -> list[FileExample]:
    return [example_from_json(row) for row in lines_in(folder)]


def resolutions(examples: Sequence[FileExample]) -> list[list[str | None]]:
    return [[one.resolution for one in example.conflicts] for example in examples]


def test_a_choice_is_read_back_as_an_example(tmp_path: Path) -> None:
    taken = SUGGESTED[1].text
    assert record(Verdict(file_of(TWO), 0, taken, "2", SUGGESTED), tmp_path / "a.py", tmp_path / "state")
    (example,) = examples_in(tmp_path / "state")
    assert [(one.resolution, one.proof) for one in example.conflicts] == [(taken, (CHOSEN,)), (None, ())]
    assert (example.path, example.language, example.kind) == ("src/a.py", "python", "conflict")
    assert example.merged == TWO.replace(TWO[TWO.index("<") : TWO.index("between")], taken)
    assert example.stages == ThreeWay(
        "import os\nbetween\nnone\n",
        "import os\nimport re\nbetween\none\n",
        "import os\nimport json\nbetween\ntwo\n",
    )
    assert [one.sides for one in parse(example.conflicted).conflicts] == [
        one.sides for one in parse(TWO).conflicts
    ]


def test_what_was_refused_is_kept_beside(tmp_path: Path) -> None:
    verdicts = [
        Verdict(file_of(TWO), 0, "import re\n", "2", SUGGESTED),
        Verdict(file_of(TWO), 0, "import sys\n", "edited", SUGGESTED),
        Verdict(file_of(TWO), 1, None, "", SUGGESTED),
    ]
    assert all(record(verdict, tmp_path / "a.py", tmp_path) for verdict in verdicts)
    rows = [row["feedback"] for row in lines_in(tmp_path)]
    assert [(row["index"], row["choice"], row["taken"]) for row in rows] == [
        (0, "2", 2),
        (0, "edited", None),
        (1, "", None),
    ]
    assert [one["text"] for one in rows[2]["suggested"]] == [one.text for one in SUGGESTED]


def test_the_files_are_what_training_and_mining_read(tmp_path: Path) -> None:
    for index, text in enumerate(["import re\n", "one\n"]):
        record(Verdict(file_of(TWO), index, text), tmp_path / "a.py", tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    mined = list(map(example_from_json, read_rows(path)))
    assert resolutions(mined) == [["import re\n", None], [None, "one\n"]]
    assert [len(FileEvidence(file_merge(example)).conflicts) for example in mined] == [2, 2]


def test_no_label_of_a_person_or_commit_is_kept(tmp_path: Path) -> None:
    record(Verdict(file_of(TWO), 0, "x\n"), tmp_path / "a.py", tmp_path)
    (row,) = lines_in(tmp_path)
    assert "Secret" not in row["conflicted"] and "HEAD" not in row["conflicted"]
    assert str(tmp_path) not in json.dumps(row)


def test_a_conflict_of_jj_is_kept_as_git_would_write_it(tmp_path: Path) -> None:
    case = Path(__file__).parents[2] / "mergebert" / "text" / "cases_markers" / "jj_diff" / "text"
    text = case.read_text(encoding="utf-8")
    merged = parse(text)
    (conflict,) = merged.conflicts
    file = ConflictedText("a.txt", unreconciled(merged.parts))
    assert record(Verdict(file, 0, "apple\n"), None, tmp_path)
    (example,) = examples_in(tmp_path)
    assert parse(example.conflicted).conflicts[0].sides == conflict.sides
    assert example.merged == "fruits:\napple\nrest\n"
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["unsaved.jsonl"]


def test_a_conflict_that_git_could_not_write_is_not_kept(tmp_path: Path) -> None:
    conflict = parse(TWO).conflicts[0]
    glued = replace(conflict, sides=ThreeWay("a", "b", "c"))  # jj's, of a file without a final newline
    file = ConflictedText("a", unreconciled((glued,)))
    assert not record(Verdict(file, 0, "b"), None, tmp_path)
    assert not record(Verdict(file_of(TWO), 2, "b"), None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_versions_of_the_index_are_kept_and_work_trees_share_a_file(
    conflicted_repository: Any, tmp_path: Path
) -> None:
    path = conflicted_repository.path / "app.py"
    assert conflicted_repository.run("merge", "theirs").returncode == 1
    (file,), _ = next(open_work_files([path]))
    assert file.text.stages is not None
    state = tmp_path / "state"
    assert record(Verdict(file.text, 0, "def total(items):\n", "edited"), path, state)
    conflicted_repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    assert record(Verdict(file_of(TWO), 0, ""), tmp_path / "other" / "file.txt", state)
    (kept,) = state.glob("*.jsonl")
    assert kept.name.startswith(f"{conflicted_repository.path.name}-")
    first, _ = examples_in(state)
    assert (first.stages, first.merged) == (file.text.stages, "def total(items):\n")
    assert "|||||||" in first.conflicted and "|||||||" not in path.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_may_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path / "state")
    finally:
        os.umask(before)
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == {".jsonl": 0o600, ".lock": 0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        record(Verdict(file_of(TWO, name), 0, "x\n"), None, tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-40])
    assert [example.path for example in examples_in(tmp_path)] == ["a.py"]
    record(Verdict(file_of(TWO, "c.py"), 0, "x\n"), None, tmp_path)
    assert [example.path for example in examples_in(tmp_path)] == ["a.py", "c.py"]


def test_the_oldest_go_when_the_files_are_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(Verdict(file_of(TWO, "000"), 0, "x\n"), None, tmp_path)
    size = next(tmp_path.glob("*.jsonl")).stat().st_size
    monkeypatch.setattr(feedback_log, "LARGEST_FILE", 4 * size)
    for number in range(1, 30):
        record(Verdict(file_of(TWO, f"{number:03}"), 0, "x\n"), None, tmp_path)
        assert all(path.stat().st_size <= 4 * size for path in tmp_path.glob("*.jsonl"))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert [example.path for example in examples_in(tmp_path)] == [f"{at:03}" for at in range(24, 30)]


def test_a_file_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_log, "LARGEST_LINE", 500)
    assert not record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    before = path.read_bytes()

    def full(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feedback_log, "write_all", full)
    with pytest.raises(InputError, match="No space left"):
        record(Verdict(file_of(TWO), 1, "x\n"), None, tmp_path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be kept in .*; free it or turn feedback off\.$"):
        record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["unsaved.jsonl", "unsaved.lock"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(os.devnull)])
def test_what_is_no_file_is_neither_waited_for_nor_taken_for_one(
    name: str, make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / name)
    try:
        record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path)
    except InputError as error:
        assert re.search("regular file|directory", str(error))
    else:
        assert len(examples_in(tmp_path)) == 1


def test_a_writer_that_never_ends_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_log, "_PATIENCE", 0.05)
    with feedback_log._locked(tmp_path / "unsaved.lock"), pytest.raises(InputError, match="another program"):
        record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path)
    assert record(Verdict(file_of(TWO), 0, "x\n"), None, tmp_path)


WRITER = """
import sys
from pathlib import Path
from mergebert.text.markers import parse
from mergebert.text.reconcile import unreconciled
from mergebert.text.conflicted_text import ConflictedText
from mergebert_lsp.worker import feedback_log
folder, name, count, largest = sys.argv[1:]
feedback_log.LARGEST_FILE = int(largest)
feedback_log._PATIENCE = 60.0
text = sys.stdin.read()
file = ConflictedText(name, unreconciled(parse(text).parts))
for number in range(int(count)):
    assert feedback_log.record(feedback_log.Verdict(file, 0, f"{name} {number}\\n"), None, Path(folder))
"""


def run_two_writers(folder: Path, count: int, largest: int) -> None:
    command = [sys.executable, "-c", WRITER, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen(
            [*command, name, str(count), str(largest)], stdin=subprocess.PIPE, text=True, env=environment
        )
        for name in ("one", "two")
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(TWO + "padding\n" * 2000)  # more than a pipe or a page takes at once
        process.stdin.close()
    assert [process.wait(timeout=120) for process in running] == [0, 0]


def test_two_programs_write_whole_lines_and_lose_none(tmp_path: Path) -> None:
    run_two_writers(tmp_path, count=40, largest=1 << 30)
    written = [row["conflicts"][0]["resolution"] for row in lines_in(tmp_path)]
    for name in ("one", "two"):
        assert [text for text in written if text.startswith(name)] == [f"{name} {at}\n" for at in range(40)]


def test_two_programs_that_run_out_of_room_keep_the_latest(tmp_path: Path) -> None:
    run_two_writers(tmp_path, count=40, largest=800_000)
    written = [row["conflicts"][0]["resolution"] for row in lines_in(tmp_path)]
    assert all(path.stat().st_size <= 800_000 for path in tmp_path.glob("*.jsonl"))
    numbers = {name: [int(text[4:]) for text in written if text.startswith(name)] for name in ("one", "two")}
    for kept in numbers.values():
        assert kept == list(range(40 - len(kept), 40))
    assert 5 <= len(written) < 80


def test_the_folder_is_the_state_folder_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert feedback_folder() == Path("/state/mergebert/feedback")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/x"))
    places = {
        "linux": "/home/x/.local/state",
        "darwin": "/home/x/Library/Application Support",
        "win32": "/home/x/local",
    }
    monkeypatch.setenv("LOCALAPPDATA", "/home/x/local")
    for system, place in places.items():
        monkeypatch.setattr(feedback_log.sys, "platform", system)
        assert feedback_folder() == Path(place, "mergebert", "feedback")


def test_nothing_is_read_where_nothing_was_kept(tmp_path: Path) -> None:
    assert list(examples_in(tmp_path / "absent")) == []
