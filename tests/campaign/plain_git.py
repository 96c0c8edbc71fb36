"""The same merges twice: by git alone, and with the driver installed and its model off; every byte has to be the same.

`python -m tests.campaign.plain_git --merges 1000` is the long form; it says how many merges were tried, of how many
files git left conflicts, and shows every difference.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mergebert.driver.registration import git_settings
from mergebert.git.command import git_version
from mergebert.text.threeway import ThreeWay
from tests.campaign.random_merges import random_merge

STYLES = ("merge", "diff3", "zdiff3")
OPTIONS = (
    (),
    ("-Xtheirs",),
    ("-X", "ours"),
    ("--strategy-option=ignore-all-space",),
    ("-Xignore-space-change", "-Xtheirs"),
    ("-Xdiff-algorithm=myers",),
    ("-Xpatience",),
    ("-s", "recursive"),
)
WAYS = ("merge", "rebase", "cherry-pick", "revert", "stash", "checkout")
_IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


@dataclass(frozen=True)
class Difference:
    """A file that is not what git alone makes of it."""

    name: str
    versions: ThreeWay[bytes]
    wanted: bytes | None
    found: bytes | None


@dataclass(frozen=True)
class Outcome:
    """What one merge of many files left: exit code, and the bytes of every file."""

    code: int
    files: dict[str, bytes]

    @property
    def conflicts(self) -> int:
        """How many files hold a conflict."""
        return sum(b"\n>>>>>>> " in b"\n" + content for content in self.files.values())


class MergeTrial:
    """A repository in which one merge of many files can be made again and again."""

    def __init__(self, folder: Path, merges: Sequence[ThreeWay[bytes]], way: str) -> None:
        self.folder = folder
        self.way = way
        self.names = {f"f{number}.txt": versions for number, versions in enumerate(merges)}
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.commit("base", "base")
        self.git("branch", "theirs")
        if way != "checkout":  # there, ours is not committed yet
            self.commit("ours", "ours")
        self.git("checkout", "-q", "theirs")
        if way == "revert":  # of the change from theirs to base, so that theirs comes back
            self.commit("theirs", "theirs")
            self.commit("base", "back")
            self.git("checkout", "-q", "main")
        elif way != "stash":
            self.commit("theirs", "theirs")
            self.git("checkout", "-q", "main")
        else:
            self.write("theirs")
            self.git("add", "-A")
            self.git("stash", "push", "-q")
            self.git("checkout", "-q", "main")

    def git(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What a git command in this repository answered."""
        return subprocess.run(
            ["git", *_IDENTITY, *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "GIT_AUTHOR_DATE": "@1 +0000",
                "GIT_COMMITTER_DATE": "@1 +0000",
                **(env or {}),
            },
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
        )

    def write(self, side: str) -> None:
        """Puts one side of every file into the work tree."""
        for name, versions in self.names.items():
            (self.folder / name).write_bytes(getattr(versions, side))

    def commit(self, side: str, message: str) -> None:
        """Commits one side of every file."""
        self.write(side)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def outcome(self, style: str, options: Sequence[str], settings: dict[str, str]) -> Outcome:
        """What the merge leaves under these settings; the repository is then as it was."""
        given = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        given += [
            "-c",
            f"merge.conflictStyle={style}",
            "-c",
            "merge.renames=false",
            "-c",
            "core.autocrlf=false",
        ]
        command = {
            "merge": ["merge", "--no-commit", *options, "theirs"],
            "rebase": ["rebase", *options, "main", "theirs"],
            "cherry-pick": ["cherry-pick", "--no-commit", *options, "theirs"],
            "revert": ["revert", "--no-commit", *options, "theirs"],
            "stash": ["stash", "apply"],
            "checkout": ["checkout", "--merge", "theirs"],
        }[self.way]
        if self.way == "checkout":
            self.write("ours")
        done = self.git(*given, *command, env={"MERGEBERT": "0"})
        files = {
            name: (self.folder / name).read_bytes() for name in self.names if (self.folder / name).exists()
        }
        for undo in ("merge", "rebase", "cherry-pick", "revert"):
            self.git(undo, "--abort")
        self.git("checkout", "-q", "-f", "main")
        self.git("reset", "-q", "--hard", "main")
        self.git("branch", "-q", "-f", "theirs", "theirs@{0}")
        return Outcome(done.returncode, files)


def installed(program: str, version: tuple[int, ...]) -> dict[str, str]:
    """The settings with which git uses `program` as its driver everywhere."""
    return {**git_settings(program, version), "merge.default": "mergebert"}


def differences(trial: MergeTrial, alone: Outcome, together: Outcome) -> Iterator[Difference]:
    """The files that the driver left otherwise than git alone."""
    for name, versions in trial.names.items():
        wanted, found = alone.files.get(name), together.files.get(name)
        if wanted != found:
            yield Difference(name, versions, wanted, found)
    if alone.code != together.code:
        yield Difference("exit code", ThreeWay(b"", b"", b""), b"%d" % alone.code, b"%d" % together.code)


def options_for(way: str) -> Iterator[tuple[str, ...]]:
    """The options to try with this way of merging."""
    for options in OPTIONS if way not in ("stash", "checkout") else [()]:
        is_strategy = options[:1] == ("-s",)  # for a pick that is a signature
        yield ("--strategy=recursive",) if is_strategy and way in ("cherry-pick", "revert") else options


def main(arguments: Sequence[str]) -> int:
    """Tries every way, style and option with this many merges each; 0 where nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merges", type=int, default=1000, help="how many merges for each way of merging")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", default=f"{shlex.quote(sys.executable)} -P -m mergebert")
    asked = parser.parse_args(arguments)
    tried = conflicts = found = 0
    with tempfile.TemporaryDirectory() as folder:
        settings = installed(asked.program, git_version())
        for way in WAYS:
            draw = Random(asked.seed)
            merges = [random_merge(draw) for _ in range(asked.merges)]
            trial = MergeTrial(Path(folder) / way, merges, way)
            for style in STYLES:
                for options in options_for(way):
                    alone = trial.outcome(style, options, {})
                    different = list(differences(trial, alone, trial.outcome(style, options, settings)))
                    tried, conflicts, found = (
                        tried + len(merges),
                        conflicts + alone.conflicts,
                        found + len(different),
                    )
                    print(
                        f"{way} {style} {' '.join(options)}: {len(different)} of {len(merges)} differ",
                        flush=True,
                    )
                    for one in different[:3]:
                        print(f"  {one.name} {one.versions}\n  git    {one.wanted!r}\n  driver {one.found!r}")
    print(
        f"git {'.'.join(map(str, git_version()))}: {tried} merges, {conflicts} with conflicts, {found} differences"
    )
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
