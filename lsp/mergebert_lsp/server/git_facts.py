"""What git itself tells of the markers in a text, for where the worker tells nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from mergebert.errors import GitError
from mergebert.git.index_stages import marker_size_of, stage_texts, unmerged_file
from mergebert_lsp.text.marker_facts import MarkerFacts, marker_facts


def ask_git(path: str, text: str, take: Callable[[MarkerFacts], None]) -> None:
    """Has `take` called with what git tells, once it does; a thread waits for it, which holds up no end of the server."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        facts = facts_of(Path(path), text)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(take, facts)

    Thread(target=ask, daemon=True).start()


def facts_of(path: Path, text: str) -> MarkerFacts:
    """What git tells of the markers in the text of a file; nothing where it is in no conflict, or git cannot say."""
    try:
        index = unmerged_file(path)
        stages = stage_texts(index.entries, index.name, index.root) if index else None
    except (GitError, OSError, ValueError):  # of a file that is reached by a link elsewhere
        return MarkerFacts()
    if index is None or stages is None:
        return MarkerFacts()
    return marker_facts(text, marker_size_of(index.name, index.root), stages)
