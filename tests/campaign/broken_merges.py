"""Random and real merges by the registered line while something breaks, each held against what may never happen.

`python -m tests.campaign.broken_merges --merges 10000 [REPOSITORY.git ...]` is the long form, where every second merge
is of a file that conflicted in the history of a repository. Every merge is run as git runs a driver: a shell
line, three temporary files, and whatever is left in `%A` with the exit code is what git goes on with.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mergebert.driver.registration import driver_line
from mergebert.git.byte_merge import ByteMerge, byte_merge, is_binary
from mergebert.git.command import git_version
from mergebert.git.merge_options import MYERS, MergeOptions
from mergebert.text.threeway import ThreeWay
from tests.campaign.random_merges import random_merge
from tests.campaign.real_merges import Replays
from tests.e2e.driver_program import driver_program

STYLES = ("merge", "diff3", "zdiff3")
LABELS = ("base", "ours", "theirs")  # what there is without a git command above us
SIGNALS = ("KILL", "TERM", "INT", "HUP", "QUIT", "ABRT", "SEGV", "USR1", "ALRM")
LONG_AGO = 10**18  # nanoseconds since 1970
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # what asks a process to stop
NAMES = (
    "app.py",
    "a b.py",
    "-x.py",
    "caf\udce9.py",
    "new\nline.py",
    "it's.py",
    "$(touch owned).py",
    "%A.py",
    "x" * 240,
)
LONGEST = 60  # seconds for one merge
MERGES_OF_A_REPOSITORY = 150  # that conflict


@dataclass
class Trial:
    """One merge: its versions, how it is run, and what is done to it meanwhile."""

    versions: ThreeWay[bytes]
    style: str
    name: str
    environment: dict[str, str] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    redirect: str = ""
    signal: int = 0
    delay: float = 0.0


Fault = Callable[[Random, Trial, Path], None]


def no_fault(draw: Random, trial: Trial, folder: Path) -> None:
    """Nothing is wrong."""


def a_signal(draw: Random, trial: Trial, folder: Path) -> None:
    """The driver gets a signal at some moment."""
    trial.signal, trial.delay = getattr(signal, f"SIG{draw.choice(SIGNALS)}"), draw.random() * 0.25


def a_full_disk(draw: Random, trial: Trial, folder: Path) -> None:
    """No file can grow beyond some bytes."""
    trial.limits[resource.RLIMIT_FSIZE] = draw.choice((0, 1, 20, 60, 100, 200, 400, 2000))


def little_memory(draw: Random, trial: Trial, folder: Path) -> None:
    """Memory runs out somewhere between the interpreter's start and the model."""
    trial.limits[resource.RLIMIT_AS] = draw.choice((20, 40, 60, 80, 120, 200)) * 1_000_000


def few_files(draw: Random, trial: Trial, folder: Path) -> None:
    """Hardly any file can be opened; below five the shell that git starts does not start itself."""
    trial.limits[resource.RLIMIT_NOFILE] = draw.randint(5, 16)


def no_temporary_folder(draw: Random, trial: Trial, folder: Path) -> None:
    """The temporary folder is not there."""
    trial.environment["TMPDIR"] = str(folder / "missing")


def no_home(draw: Random, trial: Trial, folder: Path) -> None:
    """The user's folder is not there, or a file stands where the journal should be."""
    (folder / "file").write_bytes(b"")
    trial.environment["HOME"] = draw.choice((str(folder / "missing"), str(folder / "file")))
    trial.environment["XDG_STATE_HOME"] = str(folder / "file")


def a_damaged_bundle(draw: Random, trial: Trial, folder: Path) -> None:
    """The model is no model."""
    (folder / "bundle").mkdir(exist_ok=True)
    (folder / "bundle" / "bundle.json").write_bytes(draw.choice((b"", b"{}", b"\0" * 50, b"[" * 5000)))
    trial.environment["MERGEBERT_BUNDLE"] = str(folder / draw.choice(("bundle", "missing", "file")))
    trial.environment["REAL"] = "1"


def junk_settings(draw: Random, trial: Trial, folder: Path) -> None:
    """Settings that mean nothing."""
    name = draw.choice(("MERGEBERT_MAX_ERROR", "MERGEBERT_TIMEOUT", "MERGEBERT_BUNDLE", "MERGEBERT"))
    trial.environment[name] = draw.choice(
        ("", "junk", "-1", "nan", "1e400", "\udcff", "0.0000001", "~nobody/x")
    )


def a_strange_environment(draw: Random, trial: Trial, folder: Path) -> None:
    """What other programs leave in the environment."""
    trial.environment |= draw.choice(
        (
            {"GIT_DIR": "/nowhere"},
            {"GIT_WORK_TREE": "/nowhere", "GIT_INDEX_FILE": "/nowhere/index"},
            {"GIT_CONFIG_COUNT": "x"},
            {"GIT_CONFIG_PARAMETERS": "'merge.conflictstyle=nonsense'"},
            {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"},
            {"PYTHONPATH": ":", "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "x"},
            {"TZ": "nonsense", "COLUMNS": "-1", "TERM": ""},
        )
    )


def closed_streams(draw: Random, trial: Trial, folder: Path) -> None:
    """Nobody listens."""
    trial.redirect = draw.choice((">&-", "2>&-", "<&-", ">/dev/full", "2>/dev/full", ">&- 2>&- <&-"))


FAULTS: tuple[Fault, ...] = (
    no_fault,
    a_signal,
    a_full_disk,
    little_memory,
    few_files,
    no_temporary_folder,
    no_home,
    a_damaged_bundle,
    junk_settings,
    a_strange_environment,
    closed_streams,
)


class Breaker:
    """Runs trials in a folder of its own, with a driver whose model takes theirs unless that says "unsure"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.line = driver_line(shlex.quote(str(driver_program(folder / "bin"))), git_version())
        self.work = folder / "work"
        for name in ("home", "work"):
            (folder / name).mkdir()

    def violations(self, trial: Trial) -> list[str]:
        """What a trial did that may never happen."""
        code, left = self._run(trial)
        wanted = _by_git(trial.versions, MergeOptions(style=trial.style))
        # By the shell line, with Myers' diff before git 2.44; outside of a repository it does not read the style.
        fallbacks = [
            _by_git(trial.versions, options)
            for style in {trial.style, "merge"}
            for options in (MergeOptions(MYERS, style=style), MergeOptions(style=style))
        ]
        # Killed between writing a file and putting it in its place, nobody is left to remove it.
        is_killed = trial.signal and trial.signal not in STOPS
        left_over = {*os.listdir(self.work), *os.listdir(self.temporary)} - {"B", "O"}
        found = [f"{name} is left behind" for name in sorted(left_over) if not is_killed]
        # These end git's own merge-file too.
        may_stop = trial.signal or trial.limits or trial.environment.get("GIT_CONFIG_COUNT") == "x"
        found += ["a merge that git can make was given up"] if left is None and not may_stop else []
        found += ["something ran"] if (self.work / "owned").exists() else []
        return found + list(_wrong_result(code, left, wanted, fallbacks))

    def _run(self, trial: Trial) -> tuple[int, bytes | None]:
        """The exit code of the registered line and what is left in `%A`, None where nothing is."""
        shutil.rmtree(self.work)
        self.work.mkdir()
        # A new one each time: git may still write into that of a driver that was killed.
        self.temporary = Path(tempfile.mkdtemp(dir=self.folder))
        for name, content in zip("OAB", trial.versions, strict=True):
            (self.work / name).write_bytes(content)
            os.utime(self.work / name, ns=(LONG_AGO, LONG_AGO))  # a shell may compare whole seconds
        line = self.line
        values = {
            "O": "O",
            "A": "A",
            "B": "B",
            "L": "7",
            "P": shlex.quote(trial.name),
            "S": "''",
            "X": "''",
            "Y": "''",
        }
        for key, value in values.items():
            line = line.replace(f"%{key}", value)
        config = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "merge.conflictStyle",
            "GIT_CONFIG_VALUE_0": trial.style,
        }
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.temporary)}
        environment = {**os.environ, **config, **own, **trial.environment}
        child = subprocess.Popen(
            ["sh", "-c", f"{{ {line}; }} {trial.redirect}"],
            cwd=self.work,
            env=environment,
            preexec_fn=lambda: [
                resource.setrlimit(kind, (most, most)) for kind, most in trial.limits.items()
            ],  # type: ignore[arg-type, return-value]
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if trial.signal:
            time.sleep(trial.delay)
            for number in _children(child.pid):
                with suppress(ProcessLookupError):
                    os.kill(number, trial.signal)
        code = child.wait(LONGEST)
        result = self.work / "A"
        left = result.read_bytes() if result.exists() else None
        result.unlink(missing_ok=True)
        return code, left


def _children(process: int) -> list[int]:
    try:
        return [
            int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    except OSError:
        return []


def _by_git(versions: ThreeWay[bytes], options: MergeOptions) -> ByteMerge | None:
    return byte_merge((versions.base, versions.ours, versions.theirs), options)


def _wrong_result(
    code: int, left: bytes | None, wanted: ByteMerge | None, fallbacks: Sequence[ByteMerge | None]
) -> Iterator[str]:
    """What is wrong with an exit code and the file that git would go on with."""
    if left is None:
        if 0 <= code <= 128:
            yield f"exit code {code} without a result"
        return
    if not 0 <= code <= 1:
        yield f"exit code {code} with a result, which git before 2.42 commits"
        return
    assert wanted is not None
    known = [wanted, *(one for one in fallbacks if one is not None)]
    if code == 0 and re.search(rb"(?m)^(<{7}|>{7}) ", left) and wanted.has_conflicts:
        yield "exit code 0 with markers"
    texts = [one.marked(LABELS, 7) for one in known]
    if code == 1 and left in texts:
        return
    if not wanted.has_conflicts and left not in texts:
        yield "a clean merge that is not git's"
    if wanted.has_conflicts and not any(_keeps_agreed(left, one) for one in known):
        yield "text outside of conflicts was changed"


def _keeps_agreed(left: bytes, merged: ByteMerge) -> bool:
    """Whether all that stands outside of the conflicts of a merge is still there in order."""
    marks = rb"(?ms)^<{%d} .*?^>{%d} [^\n]*\n?" % (merged.size, merged.size)
    at = 0
    for text in re.split(marks, merged.marked(LABELS, merged.size)):
        found = left.find(text, at)
        if found < 0:
            return False
        at = found + len(text)
    return True


def trials(
    draw: Random, count: int, folder: Path, files: Sequence[ThreeWay[bytes]] = ()
) -> Iterator[tuple[str, Trial]]:
    """So many merges, each with one fault in turn; every second one of these files, where there are any."""
    for number in range(count):
        fault = FAULTS[number % len(FAULTS)]
        versions = files[number // 2 % len(files)] if files and number % 2 else random_merge(draw)
        if re.search(rb"(?m)^[<>]{7}", b"\n".join(versions)):
            versions = versions.map(lambda text: re.sub(rb"(?m)^[<>]", b"(", text))
        trial = Trial(versions, draw.choice(STYLES), draw.choice(NAMES))
        fault(draw, trial, folder)
        yield fault.__name__, trial


def real_files(repository: Path, scratch: Path) -> list[ThreeWay[bytes]]:
    """The versions of text files that conflicted in the history of a repository."""
    replays = Replays(repository, scratch)
    merges = replays.conflicting(MERGES_OF_A_REPOSITORY)
    files = [file for parents in merges for file in replays.conflicted_files(parents)]
    return [file for file in files if not any(map(is_binary, file))]


def main(arguments: Sequence[str]) -> int:
    """Runs the long form; 0 where nothing happened that may never happen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repositories", nargs="*", type=Path, metavar="REPOSITORY")
    parser.add_argument("--merges", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    tried: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        breaker = Breaker(Path(name))
        files = [
            file for path in asked.repositories for file in real_files(path, Path(name) / path.parent.name)
        ]
        print(f"{len(files)} files of real merges", flush=True)
        for fault, trial in trials(Random(asked.seed), asked.merges, Path(name), files):
            tried[fault] += 1
            for violation in breaker.violations(trial):
                wrong[fault] += 1
                print(f"{fault}: {violation}\n  {trial}", flush=True)
            if sum(tried.values()) % 500 == 0:
                print(f"{sum(tried.values())} merges, {sum(wrong.values())} violations", flush=True)
    for fault, count in tried.items():
        print(f"{fault.replace('_', ' ')}: {count} merges, {wrong[fault]} violations")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
