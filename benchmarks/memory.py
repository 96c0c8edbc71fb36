"""The most memory that any process of a command takes, on inputs as large as the command accepts.

    python benchmarks/memory.py [-k NAME]

Texts of 10 MB, with 190 conflicts or as a single one; a mined folder of rows as large as the miner writes them; checkpoints
of 1.5 GB. Larger ones are refused or left to git. Every command is held to 1,500 MB.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from interleaved import Result, parser_of, scratch, tell
from language_server import IDENTITY, Server

from mergebert.driver.registration import driver_line, program
from mergebert.git.command import git_version
from mergebert.regular_files import LARGEST_TEXT

BUDGET = 1_500.0  # MB
CONFLICTS = 190  # a file with more than 200 is left to git
ROWS, LARGEST_MINED = 40, 1_000_000  # rows of each repository; bytes of a mined text
TENSORS, LARGEST_TENSOR = 24, 1 << 24  # of each checkpoint; numbers of a tensor


@dataclass(frozen=True)
class Case:
    """A command to measure, run in `folder`, which `prepare` fills."""

    name: str
    prepare: Callable[[Path], object]
    words: Sequence[str]
    program: str = "mergebert"  # or git
    settings: Sequence[str] = ()


def text(side: str, conflicts: int, size: int = LARGEST_TEXT - 100_000) -> str:
    """A Python text of about this size whose versions conflict in so many places; in one of all lines for 1."""
    draw, lines, left = random.Random(0), [], size
    while left > 0:
        word = f"{draw.randrange(1 << 40):x}"
        lines.append(f"value_{word} = read({word!r}, {draw.randrange(1000)})")
        left -= len(lines[-1]) + 1
    step = max(1, len(lines) // conflicts) if conflicts > 1 else 1
    if side != "base":
        for at in range(step // 2, len(lines), step):
            lines[at] = lines[at].replace(")", f", {side}={at})")
    return "\n".join(lines) + "\n"


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """A command of git in this folder, whatever its exit code."""
    return subprocess.run(["git", *IDENTITY, *words], cwd=folder, capture_output=True, check=False)


def versions(conflicts: int) -> Callable[[Path], None]:
    """Writes three versions of a file."""

    def prepare(folder: Path) -> None:
        for side in ("base", "ours", "theirs"):
            size = LARGEST_TEXT // 3 if conflicts == 1 else LARGEST_TEXT  # as a marked text it is that large
            (folder / f"{side}.py").write_text(text(side, conflicts, size - 200_000))

    return prepare


def merging(conflicts: int, files: int = 1, is_started: bool = True) -> Callable[[Path], None]:
    """Makes a repository of two branches that conflict in files of 10 MB; git has merged them, into as much, if
    `is_started`."""
    size = LARGEST_TEXT // 3 if is_started and conflicts == 1 else LARGEST_TEXT

    def prepare(folder: Path) -> None:
        git(folder, "init", "--quiet", "--initial-branch=main")
        for branch, side in (("base", "base"), ("theirs", "theirs"), ("ours", "ours")):
            git(folder, "checkout", "--quiet", "-B", branch, *(["base"] if side != "base" else []))
            for number in range(files):
                (folder / f"{number}.py").write_text(text(side, conflicts, size - 200_000))
            git(folder, "add", "--all")
            git(folder, "commit", "--quiet", "--message", side)
        if is_started:
            git(folder, "merge", "--quiet", "theirs")

    return prepare


def batch(folder: Path) -> None:
    """Writes a batch of three lines as large as a line may be."""
    row = {side: text(side, CONFLICTS) for side in ("base", "ours", "theirs")}
    rows = [json.dumps(row | {"id": number, "path": "a.py"}) + "\n" for number in range(3)]
    (folder / "rows.jsonl").write_text("".join(rows))


def mineable(folder: Path) -> None:
    """Makes a repository of merges of a file as large as the miner reads it."""
    place = folder / "repository"
    place.mkdir()

    def commit(side: str) -> None:
        (place / "0.py").write_text(text(side, 20, LARGEST_MINED - 50_000))
        git(place, "add", "--all")
        git(place, "commit", "--quiet", "--message", side)

    git(place, "init", "--quiet", "--initial-branch=base")
    commit("base")
    for merge in range(10):
        for branch in ("theirs", f"ours-{merge}"):
            git(place, "checkout", "--quiet", "-B", branch, "base")
            commit(f"{branch}_{merge}")
        git(place, "merge", "--quiet", "theirs")
        commit(f"merged_{merge}")


def mined(folder: Path) -> None:
    """Writes a mined folder whose rows hold the largest texts, in a script of four bytes a character in memory."""
    import pyarrow
    import pyarrow.parquet as parquet

    from mergebert.example import ConflictExample, FileExample
    from mergebert.git.pack import object_name
    from mergebert.text.history import MergeContext
    from mergebert.text.threeway import ThreeWay
    from mergebert_data.dataset.store import SCHEMA

    body = f"# \U0001f600 {'word ' * 10}\n" * (LARGEST_MINED // 60)
    hunks = ThreeWay("value = 1\n", "value = 2\n", "value = 3\n")
    conflicted = (
        f"{body}<<<<<<< ours\n{hunks.ours}||||||| base\n{hunks.base}=======\n{hunks.theirs}>>>>>>> theirs\n"
    )
    texts = hunks.map(lambda hunk: body + hunk)
    label = ConflictExample(0, hunks.ours, ("aligned",), (), False, ("lines: ours",))
    context = MergeContext(20, 30, 10, 40, 2, 3, True, False, "main", None)
    splits = {"own/train": "train", "own/development": "development", "own/test": "test"}
    with parquet.ParquetWriter(folder / "examples.parquet", SCHEMA) as table:
        for name in splits:
            rows = [
                FileExample(
                    name, f"{number:040x}", *("0" * 40,) * 3, f"{number}.py", "python",
                    texts.map(lambda one: object_name("blob", one.encode())), texts, conflicted, texts.ours, context,
                    (label,),
                ).to_json()
                for number in range(ROWS)
            ]  # fmt: skip
            table.write_table(pyarrow.Table.from_pylist(rows, SCHEMA))
    (folder / "splits.json").write_text(json.dumps(splits))
    (folder / "training.toml").write_text(
        f"examples = {str(folder)!r}\nworkspace = {str(folder / 'work')!r}\n"
    )


def checkpoints(folder: Path) -> None:
    """Writes three checkpoints of 1.5 GB, and a recipe that merges them."""
    import torch
    from safetensors.torch import save_file

    for name in ("base", "one", "two"):
        (folder / name).mkdir()
        tensors = {f"layer.{at}.weight": torch.randn(4096, LARGEST_TENSOR // 4096) for at in range(TENSORS)}
        save_file(tensors, folder / name / "model.safetensors", {"format": "pt"})
        (folder / name / "config.json").write_text("{}")
    (folder / "recipe.yaml").write_text(
        "merge_method: ties\nbase_model: base\nmodels:\n- model: one\n- model: two\nparameters:\n  density: 0.5\n"
    )


def cases() -> Iterator[Case]:
    """Every command that reads what may be large."""
    one, many = "one conflict of all lines", f"{CONFLICTS} conflicts"
    for name, conflicts in ((many, CONFLICTS), (one, 1)):
        files = ("base.py", "ours.py", "theirs.py")
        yield Case(f"merge, {name}", versions(conflicts), ("merge", *files, "-o", "out.py"))
        driver = f"merge.mergebert.driver={driver_line(program(), git_version())}"
        settings = ("-c", driver, "-c", "merge.default=mergebert", *IDENTITY)
        yield Case(f"the driver, {name}", merging(conflicts, 1, False), ("merge", "theirs"), "git", settings)
        yield Case(f"solve, {name}", merging(conflicts), ("solve", "0.py"))
        yield Case(f"suggest, {name}", merging(conflicts), ("suggest", "--json", "0.py"))
        yield Case(
            f"suggest with versions, {name}",
            versions(conflicts),
            ("suggest", "--base", "base.py", "--ours", "ours.py", "--theirs", "theirs.py", "-p", "a.py"),
        )
    yield Case(
        "solve, ten files", merging(CONFLICTS, 10), ("solve", *(f"{number}.py" for number in range(10)))
    )
    yield Case("suggest --batch", batch, ("suggest", "--json", "--batch", "rows.jsonl"))
    yield Case("mine", mineable, ("mine", "repository", "-o", "out", "-j", "1"))
    dataset = ("stats .", "split .", "dedupe .", "sample .", "card . -o card --no-pictures")
    for name in (*dataset, "export . -o out --no-pictures", "manifest . -o out.jsonl"):
        yield Case(f"dataset {name.split()[0]}", mined, ("dataset", *name.split()))
    yield Case("evaluate", mined, ("evaluate", ".", "-j", "1"))
    stages = ("--stage", "tokenizer", "--stage", "prepare", "--jobs", "1")
    yield Case("train, to its arrays", mined, ("train", "training.toml", *stages))
    yield Case("fuse", checkpoints, ("fuse", "recipe.yaml", "-o", "out", "--quiet"))


def prepare(case: Case, folder: Path) -> None:
    """Fills the folder from a process of its own: what this one has held would count as held by those it starts."""
    child = get_context("fork").Process(target=case.prepare, args=(folder,))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"{case.name} could not be prepared.")


def peak(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[float, int]:
    """The most megabytes that the command, or any process it started, held; and its exit code."""
    with (folder / "said").open("wb") as said:
        child = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1000, child.returncode


def server_peak(command: Path, environment: Mapping[str, str], folder: Path) -> float:
    """The most megabytes that server or worker held with a file of 8 MB and 190 conflicts open."""
    prepare(Case("language server", merging(CONFLICTS), ()), folder)
    server = Server(command.with_name("mergebert-lsp"), environment)
    content = (folder / "0.py").read_text()[: 8_000_000 - 1]
    content = content[: content.rindex(">>>>>>>")]
    content = content[: content.rindex(">>>>>>>")] + ">>>>>>> theirs\n"
    (folder / "0.py").write_text(content)
    server.open((folder / "0.py").as_uri(), content)
    server.settled()
    most = max(map(_held, _family(server.child.pid)))
    server.stop()
    return most


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _held(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().split("\n")
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Measures and prints."""
    parser = parser_of(__doc__ or "", 1)
    parser.add_argument("-k", dest="wanted", default="", help="only the commands whose name holds this")
    arguments = parser.parse_args()
    results = []
    for case in [*cases(), None]:
        name = case.name if case else f"language server, {CONFLICTS} conflicts"
        if arguments.wanted not in name:
            continue
        with scratch(arguments) as (folder, environment):
            if case is None:
                megabytes = server_peak(arguments.command, environment, folder)
            else:
                prepare(case, folder)
                program = str(arguments.command) if case.program == "mergebert" else case.program
                megabytes, code = peak([program, *case.settings, *case.words], folder, environment)
                if code not in (0, 1):
                    sys.exit(f"{name} ended with {code}: {(folder / 'said').read_text()[-500:]}")
        results.append(Result(name, "MB", megabytes, None, megabytes, BUDGET, False, 1))
        print(results[-1], file=sys.stderr, flush=True)
    tell(results, arguments)


if __name__ == "__main__":
    main()
