"""Work that may crash, hang or be killed, done in a child process so that its parent can carry on."""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Callable

GRACE = 1.0  # seconds a child may be late; one that is stopped, or waits for a dead disk, cannot end itself


class ChildError(Exception):
    """The child was ended by a signal, such as the one that tells it its time is up."""


def output_of(task: Callable[[], bytes], seconds: float, give_up: Callable[[], None]) -> bytes:
    """What `task` gives within this time, run in a child process; empty where it raised.

    Raises ChildError where a signal ended the child, and KeyboardInterrupt, the child gone, where one was
    meant for this process. Where processes cannot be forked (Windows) the task runs in this one, and
    `give_up`, which must not return, is called when the time is up.
    """
    if not hasattr(os, "fork"):
        return _timed(task, seconds, give_up)
    stops = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(stop, signal.default_int_handler) for stop in stops]
    try:
        return _forked(task, seconds)
    finally:
        for stop, handler in zip(stops, before, strict=True):
            signal.signal(stop, handler)


def _forked(task: Callable[[], bytes], seconds: float) -> bytes:
    reading, writing = os.pipe()
    # A signal between the fork and the `try` would leave the child behind: it has to wait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _stops())
    try:
        child = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if not child:
        os.close(reading)
        _run(task, seconds, writing)
    code = None
    try:
        os.close(writing)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        output = _content_of(reading, seconds)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(reading)
        if code is None:
            _kill(child)
    if code < 0:
        raise ChildError(_end_of(-code, seconds))
    return output if code == 0 else b""


def _kill(child: int) -> None:
    """Ends a child; one that not even this ends within the grace is left to the system."""
    os.kill(child, signal.SIGKILL)
    end = time.monotonic() + GRACE
    while os.waitpid(child, os.WNOHANG)[0] == 0 and time.monotonic() < end:
        time.sleep(0.001)


def _stops() -> tuple[signal.Signals, ...]:
    """What asks a process to stop; Windows, where nothing is forked, does not have all of them."""
    return (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def _content_of(pipe: int, seconds: float) -> bytes:
    """All that is written to a pipe until it is closed; a signal is heard even if it comes just before the wait begins.

    Raises ChildError where it stays open for longer than this time and the grace.
    """
    end = time.monotonic() + seconds + GRACE
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.set_wakeup_fd(wake)
    content = b""
    try:
        while True:
            ready, _, _ = select.select([pipe, woken], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise ChildError(_end_of(signal.SIGALRM, seconds))
            if woken in ready:
                os.read(woken, 64)  # the signal's handler has had its turn
            if pipe in ready:
                part = os.read(pipe, 1 << 16)
                if not part:
                    return content
                content += part
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wake)


def _run(task: Callable[[], bytes], seconds: float, writing: int) -> None:
    """Runs `task` in the child and ends it there, past every handler and buffer it shares with its parent."""
    code = 1
    try:
        for stop in (*_stops(), signal.SIGALRM):
            signal.signal(stop, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _stops())
        from mergebert.ranking.limits import limit_memory

        limit_memory()
        # The system itself ends the child in time, even in a computation that never returns to Python.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        # A third of a second of imports and one answer: looking for garbage costs time and finds none.
        gc.disable()
        with open(writing, "wb") as pipe:
            pipe.write(task())
        code = 0
    finally:
        os._exit(code)


def _timed(task: Callable[[], bytes], seconds: float, give_up: Callable[[], None]) -> bytes:
    import threading

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        return task()
    finally:
        timer.cancel()


def _end_of(signal_number: int, seconds: float) -> str:
    if signal_number == signal.SIGALRM:
        return f"the model took longer than the {seconds:g} seconds of mergebert.timeout;"
    return f"the model's process was ended by signal {signal_number};"
