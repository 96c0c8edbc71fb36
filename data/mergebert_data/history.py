"""The merges of a repository: which there are, which to replay, and what the repository is called."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from git import Repo
from git.cmd import Git
from git.exc import GitCommandError, InvalidGitRepositoryError, NoSuchPathError

from mergebert.errors import GitError

# Nothing of the machine or of the repository's replacement refs may change what is mined.
CLEAN_GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_REPLACE_OBJECTS": "1"}

_SLUG = re.compile(r"[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge commit and its two parents."""

    commit: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Source:
    """A repository to mine: its name in the dataset, git directory, objects folder and family.

    `family` is the oldest-named root commit: forks share it.
    """

    name: str
    git_dir: str
    objects: str
    family: str


def open_source(path: Path, name: str | None = None) -> Source:
    """The repository at `path`, a work tree or bare; GitError says why it cannot be mined."""
    try:
        repository = Repo(path)
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise GitError(f"{path} is not a git repository; give a work tree or a bare repository.") from error
    with repository:
        common = Path(repository.common_dir).resolve()
    if (common / "shallow").exists():
        raise GitError(f"{path} is a shallow clone; fetch its whole history first (git fetch --unshallow).")
    git = git_in(common)
    try:
        if git.rev_parse("--show-object-format") != "sha1":
            raise GitError(
                f"{path} names its objects by SHA-256, which the miner cannot read yet; mine a SHA-1 clone."
            )
        roots = git.rev_list("--all", "--max-parents=0").split()
    except GitCommandError as error:
        raise GitError(f"git cannot read the history of {path}: {_last_line(error)}") from error
    objects = str(common / "objects")
    return Source(name or repository_name(path, common), str(common), objects, min(roots, default=""))


def git_in(git_dir: Path | str) -> Git:
    """git bound to one repository, deaf to every configuration outside it."""
    git = Git(str(git_dir))
    git.update_environment(**CLEAN_GIT, GIT_DIR=str(git_dir))
    return git


def merges(source: Source, limit: int | None = None, seed: int = 0) -> list[Merge]:
    """Every two-parent merge over all refs, newest first, or a sample of `limit` of them."""
    try:
        listing = git_in(source.git_dir).rev_list(
            "--all", "--date-order", "--min-parents=2", "--max-parents=2", "--parents"
        )
    except GitCommandError as error:
        raise GitError(f"git cannot list the merges of {source.name}: {_last_line(error)}") from error
    found = [Merge(*line.split()) for line in listing.split("\n") if line]
    return found if limit is None else sampled(found, limit, f"{seed} {source.name}")


def sampled(found: Sequence[Merge], limit: int, seed: str) -> list[Merge]:
    """`limit` of the merges, in their order; the same ones for a seed, whatever the order of refs."""
    if len(found) <= limit:
        return list(found)
    chosen = set(random.Random(seed).sample(sorted(merge.commit for merge in found), limit))
    return [merge for merge in found if merge.commit in chosen]


def repository_name(path: Path, git_dir: Path) -> str:
    """`owner/name` from the remote called origin or the folders; the folder's own name if neither tells."""
    git = git_in(git_dir)
    url = git.config("--get", "remote.origin.url", with_exceptions=False)
    found = _SLUG.search(url) if url and not _is_local(url) else None
    if found:
        return found[1]
    parts = path.resolve().parts
    for part in reversed(parts[-2:]):
        if "+" in part:
            return part.replace("+", "/", 1)
    name = parts[-2] if parts[-1] == ".git" else parts[-1]
    return name.removesuffix(".git")


def _is_local(url: str) -> bool:
    return "://" not in url and (":" not in url or url.startswith((".", "/")))


def _last_line(error: GitCommandError) -> str:
    lines = str(error.stderr).strip().strip("'").strip().split("\n")
    return lines[-1].strip() or "git gave no reason"
