"""What the server and its worker say to each other: JSON Lines, a message each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from mergebert.strict_json import json_text

LARGEST_TEXT = 8_000_000  # characters; what is larger is generated, and comparing it would take minutes
MOST_BYTES = 1 << 28  # of one message; a line beyond it is no message of ours


class StaleError(Exception):
    """A newer task has come in; what was worked out so far is kept."""


@dataclass(frozen=True, slots=True)
class EditorText:
    """A text as the editor holds it: where it lies, if it is a file, and what names its language."""

    text: str
    path: str | None
    name: str


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the worker has to know of the settings."""

    max_error: float | None = None
    bundle: str | None = None
    suggestions: int = 3
    feedback: bool = False


@dataclass(slots=True)
class RankingTask:
    """What has changed since the last task: texts by their URI, None for closed ones, and what is wanted."""

    generation: int
    texts: dict[str, EditorText | None] = field(default_factory=dict)
    settings: WorkerSettings = WorkerSettings()
    folders: tuple[str, ...] = ()  # folders whose whole merge is wanted
    saved: tuple[str, ...] = ()  # texts that were saved just now
    is_halt: bool = False  # whether to do nothing until the next task

    def to_json(self) -> dict[str, Any]:
        """The task as `task_of` reads it."""
        return asdict(self)


def task_of(row: dict[str, Any]) -> RankingTask:
    """The task that `RankingTask.to_json` wrote."""
    texts = {uri: None if found is None else EditorText(**found) for uri, found in row["texts"].items()}
    return RankingTask(
        row["generation"],
        texts,
        WorkerSettings(**row["settings"]),
        tuple(row["folders"]),
        tuple(row["saved"]),
        row["is_halt"],
    )


def encoded(message: dict[str, Any]) -> bytes:
    """A message as it is sent: a line of JSON."""
    return json_text(message).encode("ascii") + b"\n"  # lone surrogates are written out


def decoded(line: bytes) -> dict[str, Any] | None:
    """The message that `encoded` wrote; None at the end of a stream, and where what comes is no message."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
