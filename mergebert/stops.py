"""What asks a process to stop, held back while something temporary lies on the disk; on the path of every merged file."""

from __future__ import annotations

# The builtin behind `signal`, whose import costs milliseconds.
import _signal  # type: ignore[import-not-found]

_NAMES = ("SIGTERM", "SIGHUP", "SIGINT")
_STOPS = [getattr(_signal, name) for name in _NAMES if hasattr(_signal, name)]


class StopsHeldBack:
    """`with StopsHeldBack():` a signal to stop comes when the block has ended, and what the block made is gone by then.

    What is started in the block has to be given an empty signal mask, or it would wait too. Windows can hold back none.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        if hasattr(_signal, "pthread_sigmask"):
            self._before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _STOPS)

    def __exit__(self, *_: object) -> None:
        if hasattr(_signal, "pthread_sigmask"):
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._before)
