"""git run cheaply: a process for one command, and long-lived processes that read objects and the changes of commits."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, takewhile
from pathlib import Path
from typing import IO, TypeVar

from mergebert.errors import GitError

# Nothing of the machine, nor grafts and replacements of the repository, may change what is mined.
CLEAN_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    # A partial clone fetches what it lacks, and keeps it; before 2.45 git knows no other way to forbid it than this.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
GIT = shutil.which("git") or "git"  # in full: only then can the process be made without a copy of this one
# Bytes of lines written at once: less than a pipe holds, or both ends could wait for each other.
PIPED = 8_000
_SKIP = 1 << 20  # bytes of an object that is too large, read at a time


_TIME = re.compile(r"-?\d{1,18}")  # what fits 64 bits

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GitResult:
    """The exit status of a git command, and what it printed."""

    status: int
    output: bytes


def environment_of(git_dir: Path | str) -> dict[str, str]:
    """The environment in which git reads one repository and no configuration outside it."""
    return {**os.environ, **CLEAN_GIT, "GIT_DIR": str(git_dir)}


def git_result(environment: Mapping[str, str], *arguments: str, stdin: bytes | None = None) -> GitResult:
    """The result of `git ARGUMENTS`."""
    try:
        done = subprocess.run(
            [GIT, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed or not on the PATH; install git 2.38 or newer.") from error
    return GitResult(done.returncode, done.stdout)


class BatchProcess:
    """A long-lived git process that answers line by line; started when first asked, and again where a line ended it."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self._environment = dict(environment)
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def answers(self, lines: Sequence[bytes], read: Callable[[IO[bytes]], T], lost: T) -> list[T]:
        """What `read` makes of the answer to each line; `lost` for a line that ended the process."""
        found: list[T] = []
        while len(found) < len(lines):
            ends = accumulate(len(line) for line in lines[len(found) :])
            count = max(1, sum(1 for _ in takewhile(lambda end: end <= PIPED, ends)))
            asked = lines[len(found) : len(found) + count]
            try:
                questions, answers = self._pipes()
                questions.write(b"".join(asked))
                questions.flush()
                for _ in asked:
                    found.append(read(answers))
            except (BrokenPipeError, EOFError):
                self.close()
                found.append(lost)
        return found

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            process.wait()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            self._process = subprocess.Popen(
                [GIT, *self._arguments],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                close_fds=False,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


class Objects:
    """The objects of a repository, read through one long-lived process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._git = BatchProcess(environment, "cat-file", "--batch")
        self.close = self._git.close

    def read(
        self, names: Sequence[str], kind: str = "blob", largest: int | None = None
    ) -> list[bytes | None]:
        """The contents of these objects, cut off behind byte `largest`; None for one that is missing, damaged or of
        another kind."""
        if any("\n" in name for name in names):
            raise ValueError("an object cannot be asked for by a name with a line break in it")
        lines = [os.fsencode(name) + b"\n" for name in names]
        return self._git.answers(lines, lambda answers: _content(answers, kind.encode(), largest), None)


def _content(answers: IO[bytes], kind: bytes, largest: int | None) -> bytes | None:
    head = answers.readline()
    if not head.endswith(b"\n"):
        raise EOFError
    fields = head.split()
    if not fields[-1].isdigit():
        return None
    size = int(fields[-1])
    content = answers.read(size if largest is None else min(size, largest + 1))
    left = size - len(content) + 1  # and the line feed behind it
    while left > 0:
        skipped = len(answers.read(min(left, _SKIP)))
        if not skipped:
            raise EOFError
        left -= skipped
    return content if fields[-2] == kind else None


@dataclass(frozen=True, slots=True)
class TreeDiff:
    """The changes of a commit, or from one tree to another: for each path modes and ids as `git diff-tree --raw` prints
    them; of a commit also the address of its author and the time."""

    author: str
    time: int
    changes: Mapping[str, str]


class TreeDiffs:
    """The changes of commits, renames not followed, read through one long-lived process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        options = ("--stdin", "-r", "-z", "--raw", "--no-renames", "--abbrev=64", "--format=%x01%at %ae")
        self._git = BatchProcess(environment, "diff-tree", *options)
        self.close = self._git.close
        # git repeats a line that names no object: where an answer ends. No path of a repository can be made to hold it.
        self._end = f"end {secrets.token_hex(16)}\n".encode()

    def of(self, wanted: Sequence[str]) -> list[TreeDiff | None]:
        """The changes of each commit, or of `<old tree> <new tree>`; None for merge commits and what cannot be read."""
        lines = [f"{names}\n".encode() + self._end for names in wanted]
        answers = self._git.answers(lines, self._raw_diff, b"")
        return [tree_diff(answer) for answer in answers]

    def _raw_diff(self, answers: IO[bytes]) -> bytes:
        """What git prints for one line, up to the line that ends it."""
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(self._end)):
            parts.append(answers.readline())
            if not parts[-1]:
                raise EOFError
        return b"".join(parts)[: -len(self._end)]


def tree_diff(answer: bytes) -> TreeDiff | None:
    """The changes in an answer of `git diff-tree --stdin -z --raw`; None if it has none."""
    head, line_end, rest = answer.partition(b"\n")
    if not line_end:
        return None
    fields = rest.split(b"\0")
    paths = (path.decode("utf-8", "surrogateescape") for path in fields[1::2])
    changes = dict(zip(paths, (field[1:].decode() for field in fields[::2]), strict=False))
    time, _, address = head.strip(b"\x01\0").decode("utf-8", "replace").partition(" ")
    if not head.startswith(b"\x01"):
        return TreeDiff("", 0, changes)
    return TreeDiff(address.lower(), int(time), changes) if _TIME.fullmatch(time) else None
