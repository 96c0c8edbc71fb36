from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from mergebert.driver.child import ChildError, output_of


def never() -> None:
    raise AssertionError("only where there are no child processes")


def test_the_answer_comes_back_whole() -> None:
    answer = os.urandom(3_000_000)
    assert output_of(lambda: answer, 10, never) == answer


def test_the_task_runs_elsewhere() -> None:
    assert output_of(lambda: str(os.getpid()).encode(), 10, never) != str(os.getpid()).encode()


def test_a_task_that_raises_answers_nothing() -> None:
    def task() -> bytes:
        raise MemoryError

    assert output_of(task, 10, never) == b""


def test_a_crash_is_an_error_here() -> None:
    def task() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b"unreachable"

    with pytest.raises(ChildError, match="ended by signal 9"):
        output_of(task, 10, never)


def test_time_is_up_even_without_python() -> None:
    def task() -> bytes:
        sum(range(10**12))  # one computation in C that looks at no signal
        return b"too late"

    start = time.monotonic()
    with pytest.raises(ChildError, match=r"0\.2 seconds of mergebert\.timeout"):
        output_of(task, 0.2, never)
    assert time.monotonic() - start < 5


def test_a_child_that_stands_still_is_given_up() -> None:
    """A stopped process hears no alarm, nor does one that waits for a dead disk."""
    reading, writing = os.pipe()

    def task() -> bytes:
        os.write(writing, b"%d\n" % os.getpid())
        os.kill(os.getpid(), signal.SIGSTOP)
        return b"too late"

    start = time.monotonic()
    with pytest.raises(ChildError, match=r"0\.1 seconds of mergebert\.timeout"):
        output_of(task, 0.1, never)
    assert time.monotonic() - start < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int(os.read(reading, 20)), 0)
    os.close(reading)
    os.close(writing)


def test_a_signal_to_stop_takes_the_child_along() -> None:
    """Whenever it comes: the child sends it at once, so it meets the parent in every step of beginning to wait."""
    reading, writing = os.pipe()

    def task() -> bytes:
        os.write(writing, b"%d\n" % os.getpid())
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(60)
        return b"too late"

    before = signal.getsignal(signal.SIGTERM)
    for _ in range(50):
        with pytest.raises(KeyboardInterrupt):
            output_of(task, 30, never)
        child = int(os.read(reading, 20))
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_child_processes_a_clock_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert output_of(lambda: b"here", 10, never) == b"here"
    gave_up = threading.Event()
    assert output_of(lambda: b"late" if gave_up.wait(10) else b"", 0.05, gave_up.set) == b"late"
