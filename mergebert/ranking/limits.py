"""How much memory the models of a bundle may make a process take."""

from __future__ import annotations

from contextlib import suppress

# Bytes. Files of several megabytes and a thousand conflicts stay below it; the whole process stays below 1.5 GB.
MEMORY = 1_200_000_000


def limit_memory() -> None:
    """Makes every allocation fail that would take this process beyond MEMORY; nothing where the system has no such limit."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    # Not the address space: threads and libraries reserve far more of that than they ever use.
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (MEMORY, soft, hard) if limit != resource.RLIM_INFINITY]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
