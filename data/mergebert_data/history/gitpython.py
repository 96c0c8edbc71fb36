"""GitPython, which reads the history of repositories; its errors become ours here.

It runs git as it is imported, and would say in an ImportError of twenty lines that git does not run. So it is imported when
the first repository is read, once git has answered: who only counts what was mined needs no git.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mergebert.errors import GitError
from mergebert.git.command import git_version
from mergebert_data.history.plumbing import CLEAN_GIT

if TYPE_CHECKING:
    from git.cmd import Git
    from git.exc import CommandError


def git_in(git_dir: Path | str) -> Git:
    """git that reads one repository and no configuration outside it."""
    git: Git = _gitpython().Git(str(git_dir))
    git.update_environment(**CLEAN_GIT, GIT_DIR=str(git_dir))
    return git


def answer(git_dir: Path | str, *words: str) -> str:
    """What `git WORDS` prints of a repository, without the last line feed; raises GitError with git's own reason."""
    git = git_in(git_dir)
    try:
        return str(git.execute(["git", *words]))
    except _gitpython().exc.CommandError as error:
        raise GitError(_reason(error)) from error


def git_folder_at(path: Path) -> Path:
    """git's own folder of the repository at `path`, a work tree or bare, that all its work trees share."""
    git = _gitpython()
    try:
        with git.Repo(path, expand_vars=False) as repository:
            return Path(repository.common_dir).resolve()
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        raise GitError(f"{path} is not a git repository; give a work tree or a bare repository.") from error


@cache
def _gitpython() -> ModuleType:
    """The package, once git has answered; raises GitError where it does not."""
    git_version()
    import git

    return git


def _reason(error: CommandError) -> str:
    """The first line of what git complained of."""
    said = str(error.stderr).strip().removeprefix("stderr: ").strip("'").strip()
    return said.partition("\n")[0] or "git gave no reason"
