"""JSON that every program reads: written without NaN and infinities, read from regular files of a bounded size."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mergebert.atomic import write_atomically
from mergebert.regular_files import bytes_in


def json_text(value: object, **layout: Any) -> str:
    """`value` as JSON, laid out as `json.dumps` does; raises ValueError where it holds NaN or an infinity."""
    return json.dumps(value, allow_nan=False, **layout)


def print_json(value: object, **layout: Any) -> None:
    """Prints `value` as `json_text` has it, a piece at a time: of large texts there is no second copy."""
    json.dump(value, sys.stdout, allow_nan=False, **layout)
    print(flush=True)


def write_json(path: Path, value: object) -> None:
    """Replaces a file, or makes it, with one JSON value, indented for people, in one step."""
    write_atomically(str(path), (json_text(value, indent=1) + "\n").encode())


def json_in(path: Path) -> Any:
    """What the JSON of a regular file says; raises OSError where it cannot be read, ValueError where it is no JSON."""
    try:
        return json.loads(bytes_in(path).decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
