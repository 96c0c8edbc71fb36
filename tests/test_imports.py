"""What each entry imports, seen in a fresh process: nothing that only training or mining needs, and no model
where the lines merge cleanly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRAINING = {"torch", "transformers", "sklearn", "lightgbm", "scipy", "matplotlib", "onnx", "skl2onnx"}
MINING = {"git", "gitdb", "pyarrow", "rich", "mergebert_data"}
MODEL = {"numpy", "onnxruntime", "tokenizers", "tree_sitter"}

BASE = (
    "def total(items):\n    return sum(items)\n\n\ndef mean(items):\n    return total(items) / len(items)\n"
)
OURS = BASE.replace("sum(items)", "sum(items, start=0)")
FAR = BASE.replace("len(items)", "max(1, len(items))")
NEAR = BASE.replace("sum(items)", "sum(list(items))")

REPORT = "json.dump(sorted(sys.modules), open(os.environ['MODULES_FILE'], 'w', encoding='utf-8'))"
RUN_COMMAND = f"""
import json, os, sys
from mergebert.cli import main
try:
    main()
except SystemExit:
    pass
{REPORT}
"""


def packages_after(program: str, folder: Path, *arguments: str) -> set[str]:
    """The top packages a fresh Python holds after running this program with these arguments in `folder`."""
    out = folder / "modules.json"
    path = os.pathsep.join([str(ROOT), str(ROOT / "data"), str(ROOT / "lsp")])
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "MODULES_FILE": str(out)},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert out.exists(), done.stderr
    return {name.partition(".")[0] for name in json.loads(out.read_text(encoding="utf-8"))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three versions of a file: `far.py` merges cleanly with `ours.py`, `near.py` conflicts."""
    texts = {"base.py": BASE, "ours.py": OURS, "far.py": FAR, "near.py": NEAR}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_importing_the_package_costs_next_to_nothing(folder: Path) -> None:
    program = f"import json, os, sys\nimport mergebert\n{REPORT}"
    assert not packages_after(program, folder) & (TRAINING | MINING | MODEL)


def test_the_language_server_starts_without_the_model(folder: Path) -> None:
    program = f"import json, os, sys\nfrom mergebert_lsp.server.handlers import server\nserver()\n{REPORT}"
    assert not packages_after(program, folder) & (TRAINING | MINING | MODEL)


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_help_loads_no_model(folder: Path, command: str) -> None:
    assert not packages_after(RUN_COMMAND, folder, command) & (TRAINING | MINING | MODEL)


def test_a_clean_merge_loads_no_model(folder: Path) -> None:
    merge = ("merge", "base.py", "ours.py", "far.py", "-p", "stats.py", "-o", "out.py")
    assert not packages_after(RUN_COMMAND, folder, *merge) & (TRAINING | MINING | MODEL)
    assert (folder / "out.py").read_text(encoding="utf-8") == OURS.replace("len(items)", "max(1, len(items))")


@pytest.mark.usefixtures("shipped_bundle")
@pytest.mark.parametrize(
    "command",
    [
        ("merge", "base.py", "ours.py", "near.py", "-p", "stats.py", "-o", "out.py"),
        (
            "suggest",
            "--json",
            "--base",
            "base.py",
            "--ours",
            "ours.py",
            "--theirs",
            "near.py",
            "-p",
            "stats.py",
        ),
        ("model", "verify"),
        ("doctor",),
        ("languages",),
    ],
    ids=lambda command: command[0],
)
def test_the_run_time_never_loads_training_or_mining(folder: Path, command: tuple[str, ...]) -> None:
    assert not packages_after(RUN_COMMAND, folder, *command) & (TRAINING | MINING)
