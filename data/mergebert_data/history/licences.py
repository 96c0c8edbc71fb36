"""The licence of a repository, as an SPDX name, recognised by the words of its licence files.

The text is matched, not judged: several licences are named side by side, and which applies to what is for a person to
read.
"""

from __future__ import annotations

import re
from pathlib import Path

from mergebert.errors import GitError
from mergebert_data.history.gitpython import answer
from mergebert_data.history.plumbing import environment_of, git_result

UNKNOWN = "unknown"
_LARGEST = 500_000  # bytes; what follows in longer files are other people's licences
_WINDOW = 3_000  # characters in which the clauses of one licence follow its opening words

_FILE = re.compile(
    r"(un)?licen[cs]e([-_.][\w.+-]+)?|copying([-_.][\w.+-]+)?|mit-licen[cs]e(\.\w+)?", re.IGNORECASE
)
_OTHER = re.compile(
    r"third|3rd|party|header|template|faq|asset|ignore|\.(csv|json|ya?ml|spdx|py|js)$", re.IGNORECASE
)

# Titles and openings in lower case, punctuation as one blank; of several in a file the first counts, since licences
# name one another further down.
_OPENINGS = {
    "AGPL-3.0": r"gnu affero general public license version 3 19 november 2007",
    "LGPL-3.0": r"gnu lesser general public license version 3 29 june 2007",
    "LGPL-2.1": r"gnu lesser general public license version 2 1 february 1999",
    "GPL-3.0": r"gnu general public license version 3 29 june 2007",
    "GPL-2.0": r"gnu general public license version 2 june 1991",
    "Apache-2.0": r"apache license version 2 0|apache license 2 0",
    "ECL-2.0": r"educational community license version 2 0",
    "MPL-2.0": r"mozilla public license version 2 0",
    "EPL-2.0": r"eclipse public license v(ersion)? 2 0",
    "EPL-1.0": r"eclipse public license v(ersion)? 1 0",
    "EUPL-1.2": r"european union public licence v ?1 2",
    "EUPL-1.1": r"european union public licence v ?1 1",
    "CC0-1.0": r"cc0 1 0 universal",
    "Unlicense": r"this is free and unencumbered software released into the public domain",
    "BUSL-1.1": r"business source license 1 1",
    "BSL-1.0": r"boost software license version 1 0",
    "SSPL-1.0": r"server side public license",
    "Elastic-2.0": r"elastic license 2 0",
    "CAL-1.0": r"cryptographic autonomy license version 1 0",
    "Artistic-2.0": r"the artistic license 2 0",
    "Zlib": r"altered source versions must be plainly marked as such",
    "ISC": r"permission to use copy modify( and)?( or)? distribute this software for any purpose with or without fee is hereby"
    r" granted provided that",
    "0BSD": r"permission to use copy modify( and)?( or)? distribute this software for any purpose with or without fee is hereby"
    r" granted the software",
    "MIT": r"permission is hereby granted free of charge to any person obtaining a copy",
    "BSD": r"redistribution and use in source and binary forms with or without modification are permitted",
}
_NOTICE = re.compile(
    r"gnu (affero |lesser )?general public license as published by the free software foundation either version"
    r" (\d)( \d)? of the license or at your option any later version"
)
_KINDS = {"affero ": "AGPL", "lesser ": "LGPL", None: "GPL"}


def licence_of(git_dir: Path) -> str:
    """The licences whose texts stand in the top folder of the newest commit, in order of name; `unknown` if none does."""
    try:
        listing = answer(git_dir, "ls-tree", "-z", answer(git_dir, "rev-list", "--max-count=1", "HEAD"))
    except GitError:  # a mirror whose HEAD names no branch it has
        try:
            listing = answer(git_dir, "ls-tree", "-z", answer(git_dir, "rev-list", "--all", "--max-count=1"))
        except GitError:
            return UNKNOWN
    found = {name_of(_content(git_dir, blob)) for blob in _licence_blobs(listing)} - {UNKNOWN}
    return ", ".join(sorted(found)) or UNKNOWN


def name_of(text: str) -> str:
    """The SPDX name of the licence whose words come first in `text`; `unknown` if none is known."""
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    found = {name: re.search(opening, words) for name, opening in _OPENINGS.items()}
    starts = {match.start(): name for name, match in found.items() if match}
    notice = _NOTICE.search(words)
    if notice and not any(start < notice.start() for start in starts):
        minor = f".{notice[3].strip()}" if notice[3] else ".0"
        return f"{_KINDS[notice[1]]}-{notice[2]}{minor}-or-later"
    if not starts:
        return UNKNOWN
    first = min(starts)
    return _exact(starts[first], words[first : first + _WINDOW])


def _exact(name: str, words: str) -> str:
    """The licence among those that open alike."""
    if name == "MIT":
        return name if "copyright notice and this permission notice" in words else "MIT-0"
    if name == "BSD":
        if "all advertising materials" in words:
            return "BSD-4-Clause"
        return "BSD-3-Clause" if re.search(r"\b(neither|nor) the names?\b", words) else "BSD-2-Clause"
    return name


def _licence_blobs(listing: str) -> list[str]:
    entries = (entry.partition("\t") for entry in listing.split("\0") if entry)
    return [
        head.split(" ")[2]
        for head, _, name in entries
        if head.split(" ")[1] == "blob" and _FILE.fullmatch(name) and not _OTHER.search(name)
    ]


def _content(git_dir: Path, blob: str) -> str:
    told = git_result(environment_of(git_dir), "cat-file", "blob", blob)
    # It may be lost, damaged, or not in this partial clone.
    return "" if told.status else told.output[:_LARGEST].decode("utf-8", "replace")
