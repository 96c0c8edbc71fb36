from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import multiprocessing, time
from concurrent.futures import ProcessPoolExecutor
from mergebert.pool_workers import end_with_parent

def work():
    print("working", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent) as pool:
        pool.submit(work).result()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_worker_at_work_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"working\n"
        process.kill()
        # The worker holds the same standard output, which ends with the last process that does.
        assert process.communicate(timeout=60) == (b"", None)
