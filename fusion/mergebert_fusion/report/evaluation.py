"""How a comparison scores a checkpoint: a function of Python, or a command that prints the score last."""

from __future__ import annotations

import importlib
import importlib.util
import math
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from mergebert_fusion.errors import FusionError
from mergebert_fusion.report.comparison_file import Comparison

Score: TypeAlias = Callable[[Path, str], float]  # of a checkpoint folder on a task; more is better


def scorer(comparison: Comparison) -> Score:
    """The function that scores a checkpoint, whether the comparison names a function or a command.

    Raises FusionError where there is no such function; the score raises it where a command prints no number, and
    where one is not finite.
    """
    score = _unchecked_scorer(comparison)

    def checked(folder: Path, task: str) -> float:
        found = score(folder, task)
        if not math.isfinite(found):
            raise FusionError(f"The score of {folder} on {task} is {found}: give a finite number.")
        return found

    return checked


def _unchecked_scorer(comparison: Comparison) -> Score:
    if comparison.command is not None:
        command = comparison.command
        return lambda folder, task: _printed_score(command, folder, task)
    home, _, name = (comparison.evaluate or "").rpartition(":")
    if not home or not name:
        raise FusionError(
            f"evaluate is {comparison.evaluate!r}, but has to be MODULE:FUNCTION or FILE.py:FUNCTION."
        )
    module = _module(home, comparison.file.parent)
    function = getattr(module, name, None)
    if not callable(function):
        raise FusionError(
            f"{home} has no function {name}: it gets a checkpoint folder and a task, and gives a score."
        )
    return lambda folder, task: float(function(folder, task))


def _module(home: str, near: Path) -> Any:
    """The module of an evaluation: a file beside the comparison, or an installed module."""
    if not home.endswith(".py"):
        try:
            return importlib.import_module(home)
        except ModuleNotFoundError as error:
            raise FusionError(f"There is no module {home}: install it, or give FILE.py:FUNCTION.") from error
    path = (near / home).resolve()
    if not path.is_file():
        raise FusionError(f"There is no file {path} to evaluate with.")
    spec = importlib.util.spec_from_file_location(f"evaluation_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _printed_score(command: str, folder: Path, task: str) -> float:
    arguments = [
        part.replace("{folder}", str(folder)).replace("{task}", task) for part in shlex.split(command)
    ]
    done = subprocess.run(arguments, capture_output=True, check=False, encoding="utf-8", errors="replace")
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        if done.returncode == 0:
            return float(last)
    except ValueError:
        pass
    said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
    raise FusionError(
        f"`{shlex.join(arguments)}` gave no score as its last line (exit code {done.returncode}): {said}"
    )
