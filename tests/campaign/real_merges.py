"""Merges of real repositories made again by `git merge-tree`, with and without the driver, its model off.

`python -m tests.campaign.real_merges --merges 200 REPOSITORY.git ...` takes that many merges that conflict, spread over
the history of each repository; the tree that git makes holds every file, and has to be the same to the byte.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mergebert.git.command import git_version
from mergebert.text.threeway import ThreeWay
from tests.campaign.plain_git import STYLES, installed

_CONFLICTS = 1  # exit code of `git merge-tree`


class Replays:
    """A repository whose merges are made again; what git writes on the way goes to a folder of its own."""

    def __init__(self, repository: Path, scratch: Path) -> None:
        self.repository = repository
        (scratch / "info").mkdir(parents=True)
        self._environment = {
            **os.environ,
            "GIT_OBJECT_DIRECTORY": str(scratch),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((repository / "objects").resolve()),
            "MERGEBERT": "0",
        }

    def git(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a git command in the repository."""
        code, output = self._answer(arguments)
        return code, output.decode("utf-8", "surrogateescape")

    def _answer(self, arguments: Sequence[str]) -> tuple[int, bytes]:
        command = ["git", "--git-dir", str(self.repository), *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, check=False)
        return done.returncode, done.stdout

    def merges(self) -> list[tuple[str, str]]:
        """The parents of every merge of two commits."""
        _, listed = self.git("rev-list", "--all", "--min-parents=2", "--max-parents=2", "--parents")
        return [(ours, theirs) for _, ours, theirs in (line.split() for line in listed.split("\n") if line)]

    def tree(self, parents: tuple[str, str], style: str, settings: Mapping[str, str]) -> tuple[int, str]:
        """git's exit code and the id of the tree that it makes of a merge, which holds every byte of it."""
        given = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        code, output = self.git(
            *given, "-c", f"merge.conflictStyle={style}", "merge-tree", "--write-tree", "-z", *parents
        )
        return code, output.partition("\0")[0]

    def conflicting(self, most: int) -> Iterator[tuple[str, str]]:
        """At most so many merges that conflict, spread over the history."""
        merges = self.merges()
        for parents in merges[:: max(1, len(merges) // (most * 12))]:
            if most and self.tree(parents, STYLES[0], {})[0] == _CONFLICTS:
                most -= 1
                yield parents

    def conflicted_files(self, parents: tuple[str, str]) -> Iterator[ThreeWay[bytes]]:
        """The three versions of every file in conflict that both sides changed."""
        _, output = self.git("merge-tree", "--write-tree", "-z", *parents)
        stages = output.partition("\0")[2].partition("\0\0")[0].split("\0")
        blobs: dict[str, list[str]] = {}
        for mode, blob, rest in (stage.split(" ", 2) for stage in stages if stage.startswith("100")):
            blobs.setdefault(rest.partition("\t")[2] + mode, []).append(blob)
        for names in blobs.values():
            if len(names) == 3:
                yield ThreeWay(*(self._answer(["cat-file", "blob", name])[1] for name in names))


def main(arguments: Sequence[str]) -> int:
    """Compares every merge in every style; 0 where nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repositories", nargs="+", type=Path, metavar="REPOSITORY")
    parser.add_argument("--merges", type=int, default=100, help="how many that conflict, of each repository")
    parser.add_argument("--program", default=f"{shlex.quote(sys.executable)} -P -m mergebert")
    asked = parser.parse_args(arguments)
    settings = installed(asked.program, git_version())
    tried = different = 0
    for repository in asked.repositories:
        with tempfile.TemporaryDirectory() as scratch:
            replays = Replays(repository, Path(scratch) / "objects")
            for parents in replays.conflicting(asked.merges):
                for style in STYLES:
                    tried += 1
                    if replays.tree(parents, style, {}) != replays.tree(parents, style, settings):
                        different += 1
                        print(f"{repository}: {style} merge of {' and '.join(parents)} differs", flush=True)
        print(f"{repository}: {tried} merges so far, {different} differ", flush=True)
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
