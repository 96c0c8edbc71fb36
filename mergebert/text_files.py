"""Files of text, read whole and decoded; what is no text of a usual size is refused in a sentence that says what to do."""

from __future__ import annotations

import errno
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from pathlib import Path

from mergebert.errors import InputError
from mergebert.regular_files import LARGEST_TEXT, bytes_in

_ADVICE = {errno.EINVAL: "; name one that holds text", errno.EFBIG: "; resolve it by hand"}


def read_version(path: Path) -> str:
    """The text of one version of a file; the null device is an empty one, as everywhere in git."""
    return "" if str(path) == os.devnull else decoded(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of a usual size."""
    try:
        return bytes_in(path, LARGEST_TEXT)
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "")
        raise InputError(f"{path} cannot be read: {error.strerror}{advice}.") from error


def decoded(path: Path | str, content: bytes) -> str:
    """`content` as text, newlines untouched."""
    encoding = _wide_encoding(content)
    if encoding:
        raise InputError(f"{path} is {encoding}, {_advice(Path(path), encoding)}")
    if b"\0" in content:
        raise InputError(f"{path} is binary; choose a version with `git checkout --ours` or `--theirs`.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; resolve it by hand.") from error


def _advice(path: Path, encoding: str) -> str:
    """What to do with a text of two or four bytes a character."""
    from mergebert.git.index_stages import attribute_of

    if attribute_of("working-tree-encoding", path.name, path.parent):
        return "as its `working-tree-encoding` asks: resolve its markers in an editor that keeps that, then `git add` it."
    return (
        "which git merges as binary: convert all three versions to UTF-8 "
        f"(`git show :1:FILE | iconv -f {encoding} -t UTF-8`; :2: is ours, :3: theirs), merge those with "
        "`mergebert merge` and convert the result back; `working-tree-encoding` in .gitattributes spares the next one."
    )


def _wide_encoding(content: bytes) -> str:
    """The name of the Unicode encoding of two or four bytes a character that `content` is in; empty where it is in none."""
    marks = {"UTF-32": (BOM_UTF32_LE, BOM_UTF32_BE), "UTF-16": (BOM_UTF16_LE, BOM_UTF16_BE)}
    for name, starts in marks.items():
        if content.startswith(starts) and _decodes(content, name):
            return name
    # Without a mark: of mostly western text every second byte is zero, and of other files hardly ever.
    halves = {"UTF-16LE": (content[1::2], content[::2]), "UTF-16BE": (content[::2], content[1::2])}
    for name, (high, low) in halves.items():
        is_wide = high.count(0) > 0.7 * len(high) and b"\0" not in low
        if len(content) > 3 and is_wide and _decodes(content, name):
            return name
    return ""


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
