from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what a process holds")
def test_a_process_that_holds_much_already_can_go_on_and_not_without_end() -> None:
    """As a fork of a program that has loaded a lot before it asked for a merge."""
    program = """
from mergebert.ranking import limits
held = bytearray(200_000_000)
limits.MEMORY = limits.ROOM = 100_000_000
limits.limit_memory()
more = bytearray(50_000_000)
try:
    bytearray(100_000_000)
except MemoryError:
    print("refused")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, check=False, text=True
    )
    assert done.stdout == "refused\n", done.stderr
