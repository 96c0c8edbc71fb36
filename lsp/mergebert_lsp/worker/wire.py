"""What the server and its worker say to each other: JSON, each message led by its length."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

LARGEST_TEXT = 8_000_000  # characters; what is larger is generated, and comparing it would take minutes
MOST_BYTES = 1 << 28  # of one message; a length beyond it is no message of ours


@dataclass(frozen=True, slots=True)
class Source:
    """A text as the editor holds it: where it lies, if it is a file, and what names its language."""

    text: str
    path: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the worker has to know of the settings."""

    max_error: float | None = None
    bundle: str | None = None
    suggestions: int = 3
    feedback: bool = False


@dataclass(slots=True)
class Task:
    """What has changed since the last task: texts by their URI, None for closed ones, and what is wanted."""

    generation: int
    texts: dict[str, Source | None] = field(default_factory=dict)
    wishes: Wishes = Wishes()
    folders: tuple[str, ...] = ()  # folders whose whole merge is wanted
    saved: tuple[str, ...] = ()  # texts that were saved just now
    is_halt: bool = False  # whether to do nothing until the next task

    def to_json(self) -> dict[str, Any]:
        """The task as `task_of` reads it."""
        return asdict(self)


def task_of(row: dict[str, Any]) -> Task:
    """The task that `Task.to_json` wrote."""
    texts = {uri: None if found is None else Source(**found) for uri, found in row["texts"].items()}
    return Task(
        row["generation"],
        texts,
        Wishes(**row["wishes"]),
        tuple(row["folders"]),
        tuple(row["saved"]),
        row["is_halt"],
    )


def framed(message: dict[str, Any]) -> bytes:
    """A message as it travels."""
    body = json.dumps(message).encode("ascii")  # lone surrogates are written out
    return b"%d\n" % len(body) + body


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message of a stream; None at its end, and where what comes is no message."""
    size = size_of(stream.readline(32))
    body = stream.read(size) if size else b""
    return message_of(body) if size and len(body) == size else None


def size_of(line: bytes) -> int:
    """The size that a leading line announces; 0 where it announces none."""
    digits = line.strip()
    size = int(digits) if digits.isdigit() else 0
    return size if size <= MOST_BYTES else 0


def message_of(body: bytes) -> dict[str, Any]:
    """The message that `framed` wrote."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("A message is one object.")
    return message
