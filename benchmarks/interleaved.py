"""Two sides timed in turns, A/B/A/B, so that whatever else the machine does falls on both alike."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """What was measured: ours and its reference in `unit`, or ours alone against an absolute budget."""

    name: str
    unit: str
    ours: float
    reference: float | None
    ratio: float
    budget: float
    at_least: bool  # else at most
    repetitions: int

    @property
    def is_within(self) -> bool:
        """Whether the ratio keeps its budget."""
        return self.ratio >= self.budget if self.at_least else self.ratio <= self.budget

    def __str__(self) -> str:
        beside = "" if self.reference is None else f" against {self.reference:.4g}"
        bound = f"{'at least' if self.at_least else 'at most'} {self.budget:g}"
        verdict = "kept" if self.is_within else "MISSED"
        return (
            f"{self.name}: {self.ours:.4g}{beside} {self.unit}, {f'ratio {self.ratio:.2f}, ' if beside else ''}"
            f"budget {bound}: {verdict} (median of {self.repetitions})"
        )


def parser_of(text: str, repetitions: int) -> ArgumentParser:
    """A parser with what every benchmark takes; `text` is the docstring of the script."""
    parser = ArgumentParser(description=text, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "-r", "--repetitions", type=int, default=repetitions, help=f"of each side ({repetitions})"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    default = Path(sysconfig.get_path("scripts")) / "mergebert"
    parser.add_argument("--command", type=whole_path, default=default, help="the installed mergebert command")
    parser.add_argument("--bundle", type=whole_path, help="a model bundle instead of the one that ships")
    return parser


def whole_path(text: str) -> Path:
    """A path that still means the same in another working folder."""
    return Path(text).absolute()


def medians(sides: Sequence[Callable[[], float | None]], repetitions: int, warm_ups: int = 1) -> list[float]:
    """The median of each side: what it returns, or the seconds it took where it returns nothing."""
    values: list[list[float]] = [[] for _ in sides]
    for turn in range(-warm_ups, repetitions):
        for side, kept in zip(sides, values, strict=True):
            value = _timed(side)
            if turn >= 0:
                kept.append(value)
    return [statistics.median(kept) for kept in values]


def _timed(side: Callable[[], float | None]) -> float:
    start = time.perf_counter()
    value = side()
    return time.perf_counter() - start if value is None else value


def process(
    command: Sequence[str], environment: Mapping[str, str], codes: Sequence[int] = (0,)
) -> Callable[[], None]:
    """A function that runs a command to its end, its output thrown away; ends the benchmark at any other exit code."""
    # subprocess would add a millisecond or two to both sides, which flatters the slower one.
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]

    def run() -> None:
        child = os.posix_spawn(command[0], command, environment, file_actions=silent)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in codes:
            sys.exit(f"{' '.join(command)} ended with exit code {code}.")

    return run


def complaint_of(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command says on standard error."""
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr


@contextmanager
def scratch(arguments: Namespace) -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty folder, made the working folder, and an environment without anybody's own settings."""
    if not arguments.command.is_file():
        sys.exit(f"{arguments.command} is not there; install mergebert (pip install .) or give --command.")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MERGEBERT"))}
    if arguments.bundle:
        clean["MERGEBERT_BUNDLE"] = str(arguments.bundle)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        homes = {variable: str(folder / "home") for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        before = Path.cwd()
        os.chdir(folder)
        try:
            yield (
                folder,
                {**clean, **homes, "XDG_DATA_HOME": str(folder / "home"), "GIT_CONFIG_NOSYSTEM": "1"},
            )
        finally:
            os.chdir(before)


def tell(results: Sequence[Result], arguments: Namespace) -> None:
    """Prints the results; a missed budget is a result too, so the exit code stays 0."""
    if arguments.json:
        rows = [{**asdict(result), "is_within": result.is_within} for result in results]
        print(json.dumps(rows, indent=1))
    else:
        print("\n".join(map(str, results)))
