"""The name of a repository (`owner/name`) as the name of a file (`owner+name`), and back."""

from __future__ import annotations

import re
from urllib.parse import unquote

# What means something here or to a file system; a dot in front hides a file, Windows drops dots and blanks at the end.
_UNSAFE = re.compile(r"""[%+\\:*?"<>|\x00-\x1f\x7f]|\A\.|[. ]\Z""")


def file_name(repository: str) -> str:
    """The file name of a repository: `/` is written as `+`, and what is unsafe in a file name percent-encoded."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", repository).replace("/", "+")


def repository_name(file_name: str) -> str:
    """The repository of a file name: the inverse of `file_name`."""
    return unquote(file_name.replace("+", "/"))
