"""How the server ends: by a signal or with its editor, never without its worker, and not by a pipe that nobody reads."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOBase
from threading import Thread

EDITOR_GONE = 1  # the exit code, as where an editor closes the streams without a `shutdown`
_BETWEEN_LOOKS = 2.0  # seconds
_STANDARD_ERROR = 2
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def end_with_signals(close: Callable[[], None]) -> None:
    """Has signals that end a process end this one too, once `close` was called.

    The thread that reads from the editor cannot be interrupted: a process that waited for it would stay.
    """

    def end(number: int, _: object) -> None:
        close()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def end_with_editor(editor: int, close: Callable[[], None]) -> None:
    """Has this process end when the process of the editor is gone: another one may hold its streams open.

    A process that is not there to begin with is one of another machine or container, and tells nothing. A thread looks,
    for the loop may wait until somebody reads what it sends.
    """
    if os.name == "posix" and _is_running(editor):
        Thread(target=_end_after, args=(editor, close), daemon=True).start()


def _end_after(editor: int, close: Callable[[], None]) -> None:
    while _is_running(editor):
        time.sleep(_BETWEEN_LOOKS)
    try:
        close()
    finally:
        os._exit(EDITOR_GONE)


class UnblockedError(TextIOBase):
    """Standard error less what does not fit into a pipe that nobody reads: the server must not wait for that."""

    def write(self, text: str) -> int:
        """Writes as much as there is room for."""
        content = text.encode("utf-8", "backslashreplace")
        with suppress(OSError, ValueError):  # it may be closed
            while content and select.select((), (_STANDARD_ERROR,), (), 0)[1]:
                content = content[os.write(_STANDARD_ERROR, content[: select.PIPE_BUF]) :]
        return len(text)


def _is_running(process: int) -> bool:
    if process <= 0:  # a group of processes
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
