"""How much memory and how many threads the models of a bundle may take."""

from __future__ import annotations

import os
from contextlib import suppress

# Bytes of all that a process which ranks may hold. Files of several megabytes and thousands of conflicts stay below it,
# and with the code of libraries a process of ours stays below 1.5 GB.
MEMORY = 1_300_000_000
ROOM = 600_000_000  # beyond what it holds already: a fork has what its parent holds
THREADS = 2  # of the classifier; more gain nothing on conflicts of a usual size


def limit_memory() -> None:
    """Makes every allocation fail that would take this process beyond MEMORY, or ROOM where it holds much already.

    Nothing where the system has no such limit.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    # Not the address space: threads and libraries reserve far more of that than they ever use.
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (max(MEMORY, _held() + ROOM), soft, hard) if limit != resource.RLIM_INFINITY]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))


def _held() -> int:
    """Bytes of data this process holds already, as the limit counts them: a fork has those of its parent. 0 if unknown."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
