"""A repository to mine: its name, its objects, and the git that reads it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from mergebert.errors import GitError
from mergebert.git.command import git_version
from mergebert.regular_files import bytes_in
from mergebert.repository_names import file_name, repository_name
from mergebert_data.history.gitpython import answer, git_folder_at
from mergebert_data.history.plumbing import environment_of, git_result

ALL = ("--exclude=refs/replace/*", "--all")  # a replacement commit is nobody's history

OLDEST_GIT = (2, 38)  # the first with `merge-tree --write-tree`
BATCHING_GIT = (2, 39)  # the first with `merge-tree --stdin`

_SLUG = re.compile(r"[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True)
class SourceRepository:
    """A repository to mine: its name in the dataset, git directory, objects folder and family.

    `family` is the smallest id of its root commits, which forks share. `graph` is an objects folder with its commit
    graph, if there is one.
    """

    name: str
    git_dir: str
    objects: str
    family: str
    graph: str = ""


def require_git() -> None:
    """Raises GitError where git does not run or is too old to replay merges."""
    version = git_version()
    if version < OLDEST_GIT:
        shown = ".".join(map(str, version))
        raise GitError(f"git {shown} cannot replay merges without a work tree; install git 2.38 or newer.")


def open_repository(path: Path, name: str | None = None) -> SourceRepository:
    """The repository at `path`, a work tree or bare; GitError says why it cannot be mined."""
    common = git_folder_at(path)
    try:
        objects_by = answer(common, "rev-parse", "--show-object-format")
        roots = answer(common, "rev-list", *ALL, "--max-parents=0").split()
    except GitError as error:
        raise GitError(f"git cannot read the history of {path}: {error}") from error
    if objects_by != "sha1":
        raise GitError(
            f"{path} names its objects by SHA-256, which the miner cannot read yet; mine a SHA-1 clone."
        )
    objects = str(common / "objects")
    name = name or default_name(path, common)
    if not _is_utf8(name):
        raise GitError(f"{path} has a name that is not UTF-8; rename the folder, or give one with --name.")
    return SourceRepository(name, str(common), objects, min(roots, default=""))


def with_commit_graph(source: SourceRepository, parent: Path) -> SourceRepository:
    """The source with a commit graph in a folder inside `parent`, made once, by which history is walked several times
    faster; unchanged where git makes none, as of a shallow clone."""
    folder = parent / file_name(source.name)
    environment = environment_of(folder)
    if not (folder / "objects" / "info" / "commit-graph").exists():
        git_result(environment, "init", "--quiet", "--bare", "--template=", str(folder))
        alternates = folder / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{source.objects}\n", encoding="utf-8", errors="surrogateescape")
        tips = git_result(environment_of(source.git_dir), "for-each-ref", "--format=%(objectname)").output
        git_result(environment, "commit-graph", "write", "--stdin-commits", "--no-progress", stdin=tips)
    is_made = (folder / "objects" / "info" / "commit-graph").exists() and not shallow_commits(source)
    return replace(source, graph=str((folder / "objects").resolve())) if is_made else source


def shallow_commits(source: SourceRepository) -> frozenset[str]:
    """The commits whose parents a shallow clone has cut off."""
    try:
        return frozenset(bytes_in(Path(source.git_dir) / "shallow").decode("ascii").split())
    except FileNotFoundError:
        return frozenset()


def default_name(path: Path, git_dir: Path) -> str:
    """`owner/name` by the remote called origin, or by a folder `owner+name` or `owner+name.git`; else the folder's own name."""
    told = git_result(environment_of(git_dir), "config", "--get", "remote.origin.url")
    url = os.fsdecode(told.output).removesuffix("\n")
    found = _SLUG.search(url) if url and not _is_local(url) else None
    if found:
        return found[1]
    folders = [part.removesuffix(".git") for part in path.resolve().parts[-2:]]
    for folder in reversed(folders):
        if "+" in folder and all(folder.split("+")):
            return repository_name(folder)
    return folders[-1] or folders[0]  # nothing is left of the name of the folder .git


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_local(url: str) -> bool:
    return "://" not in url and (":" not in url or url.startswith((".", "/")))
