"""URIs of files as paths, and back: a path is bytes, of which not all are UTF-8.

Those of pygls replace such bytes, which then name another file, and cut a name at its semicolon.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pygls.uris import from_fs_path, to_fs_path


def path_of(uri: str) -> str | None:
    """The path of a file, as Python reads paths; None for whatever is no file."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or os.name != "posix":  # elsewhere names are Unicode
        return to_fs_path(uri)
    path = unquote(parts.path, errors="surrogateescape")
    return f"//{parts.netloc}{path}" if parts.netloc and path else path


def uri_of(path: str) -> str:
    """The URI of the file at an absolute path."""
    return Path(path).as_uri() if os.name == "posix" else from_fs_path(path) or ""
