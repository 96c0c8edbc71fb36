"""What a commit's .gitattributes files say of its paths, for the attributes of GitHub's linguist, as git reads them.

`git check-attr --source=COMMIT` exists from git 2.40 on, the miner works from 2.38 on. The package pathspec matches as
.gitignore does: for 9 of 42 kinds of pattern it differed from git (`b` and `b/` match all below them, `?` a letter and not
a byte). So the .gitattributes files above a path are put into the index of the scratch repository, and one long-lived
`git check-attr --cached` answers for all merges of a block. Where every merge has such attributes it costs 4 % more
processor time of a run than patterns matched here as regular expressions; elsewhere nothing.

Each distinct set of files stands in a numbered folder of the index. Sets rarely change from merge to merge, and git is
started again only for a new one. Below the top folder git ignores macros (`[attr]`), so the miner does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO

from mergebert.git.pack import object_name
from mergebert_data.history.plumbing import BatchProcess, git_result

FILE_NAME = ".gitattributes"
LARGEST = 1_000_000  # bytes; a longer file counts as none
_NAMES = ("linguist-generated", "linguist-language", "linguist-vendored")
_SETTINGS = ("-c", f"core.attributesFile={os.devnull}", "-c", "core.ignoreCase=false")
_VALUES = {"set": "true", "unset": "false"}

AttributeFiles = tuple[tuple[str, str], ...]  # path and blob id of each .gitattributes file above a path


class AttributeIndex:
    """Sets of .gitattributes files in the index of a bare repository, and the git that answers from it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, "GIT_ATTR_NOSYSTEM": "1"}
        self._git = BatchProcess(self._environment, *_SETTINGS, "check-attr", "--cached", "--stdin", *_NAMES)
        self._numbers: dict[AttributeFiles, int] = {}
        self.close = self._git.close

    def values(self, wanted: Mapping[str, AttributeFiles]) -> dict[str, dict[str, str]]:
        """The attributes of each path, given the files above it; none for a path that git refuses."""
        self._add(wanted.values())
        lines = [os.fsencode(f"{self._numbers[files]}/{path}\n") for path, files in wanted.items()]
        nothing: dict[str, str] = {}
        return dict(zip(wanted, self._git.answers(lines, _values, nothing), strict=True))

    def _add(self, sets: Iterable[AttributeFiles]) -> None:
        entries = []
        for files in sets:
            if files not in self._numbers:
                number = self._numbers[files] = len(self._numbers)
                entries += [f"100644 {blob}\t{number}/{path}\0" for path, blob in files]
        if entries:
            index = os.fsencode("".join(entries))
            git_result(self._environment, "update-index", "-z", "--index-info", stdin=index)
            self._git.close()  # it has read the index as it was


class Attributes:
    """The linguist attributes of the paths of one commit; `read` gives the contents of its files by path."""

    def __init__(
        self, read: Callable[[Sequence[str]], Sequence[bytes | None]], index: AttributeIndex
    ) -> None:
        self._read, self._index = read, index
        self._blobs: dict[str, str | None] = {}
        self._found: dict[str, dict[str, str]] = {}

    def prepare(self, paths: Iterable[str]) -> None:
        """Reads the attributes of these paths, all at once."""
        new = [path for path in dict.fromkeys(paths) if path not in self._found]
        self._read_files(dict.fromkeys(file for path in new for file in files_above(path)))
        for path in new:
            self._found[path] = {}
        files_of = {path: tuple(self._files(path)) for path in new}
        self._found |= self._index.values({path: files for path, files in files_of.items() if files})

    def of(self, path: str) -> dict[str, str]:
        """The attributes that are set for a path: `true`, `false` or another value."""
        self.prepare([path])
        return self._found[path]

    def _read_files(self, files: Iterable[str]) -> None:
        new = [file for file in files if file not in self._blobs]
        for file, content in zip(new, self._read(new), strict=True):
            self._blobs[file] = object_name("blob", content) if content and b"linguist-" in content else None

    def _files(self, path: str) -> Iterator[tuple[str, str]]:
        for file in files_above(path):
            blob = self._blobs[file]
            if blob is not None:
                yield file, blob


def files_above(path: str) -> Iterator[str]:
    """The .gitattributes files that apply to a path, that of the top folder first."""
    folders = path.split("/")[:-1]
    for depth in range(len(folders) + 1):
        yield "/".join([*folders[:depth], FILE_NAME])


def _values(answers: IO[bytes]) -> dict[str, str]:
    """The attributes of one path, from a line `path: name: value` for each of them."""
    found = {}
    for name in _NAMES:
        line = answers.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        value = line[:-1].rpartition(b": ")[2].decode("utf-8", "surrogateescape")
        if value != "unspecified":
            found[name] = _VALUES.get(value, value)
    return found
