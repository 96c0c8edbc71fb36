"""How the server ends: by a signal or with its editor, and never without its worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

EDITOR_GONE = 1  # the exit code, as where an editor closes the streams without a `shutdown`
_BETWEEN_LOOKS = 2.0  # seconds
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


async def end_with_editor(editor: int, close: Callable[[], None]) -> None:
    """Ends this process when the process of the editor is gone: another one may hold its streams open.

    A process that is not there to begin with is one of another machine or container, and tells nothing.
    """
    if os.name != "posix" or not _is_running(editor):
        return
    while _is_running(editor):
        await asyncio.sleep(_BETWEEN_LOOKS)
    close()
    os._exit(EDITOR_GONE)


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
