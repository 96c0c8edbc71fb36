"""What a command inherits when git itself runs it, from an alias or a hook: another folder, a repository by its name."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from mergebert.git.caller import git_caller
from mergebert.git.command import lean_result

_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX")


def settle_inherited(environment: MutableMapping[str, str] = os.environ) -> None:
    """Makes the current folder and the variables of git such that every question asked from any folder is answered alike.

    An alias is run at the top of the work tree, whatever the folder it was typed in, and with GIT_DIR set git takes
    the folder it is asked from for the top. So an alias goes back to where it was typed; and a repository that is found
    without GIT_DIR is looked for without it, any other is named by absolute paths.
    """
    if "GIT_DIR" in environment or "GIT_WORK_TREE" in environment:
        _settle_repository(environment)
    prefix = environment.pop("GIT_PREFIX", "")
    if prefix and _is_alias(environment) and _is_top(environment):
        os.chdir(prefix)


def _settle_repository(environment: MutableMapping[str, str]) -> None:
    named, work_tree_unnamed = _repository(dict(environment)), "GIT_WORK_TREE" not in environment
    found = _repository({name: value for name, value in environment.items() if name not in _REPOSITORY})
    if not named:
        return  # git will say what is wrong with it
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        environment.pop(name, None)
    # Without GIT_WORK_TREE git takes any folder for the top, such as one that an alias went to.
    is_same = named == found or (work_tree_unnamed and found is not None and found[0] == named[0])
    if not is_same:
        environment["GIT_DIR"], work_tree = named
        if work_tree:
            environment["GIT_WORK_TREE"] = work_tree


def _repository(environment: dict[str, str]) -> tuple[str, str] | None:
    """Git's folder and the top of the work tree as absolute paths, that empty in a bare one; None where there is none."""
    code, output = lean_result(["git", "rev-parse", "--absolute-git-dir"], environment)
    if code:
        return None
    top_code, top = lean_result(["git", "rev-parse", "--show-toplevel"], environment)
    folders = [os.fsdecode(found).removesuffix("\n") for found in (output, top if top_code == 0 else b"")]
    return os.path.realpath(folders[0]), folders[1] and str(Path(folders[1]).resolve())


def _is_alias(environment: MutableMapping[str, str]) -> bool:
    """Whether the git command that runs us is an alias; a hook stays where git runs it."""
    caller = git_caller() or ()
    keys = [f"alias.{caller[0]}", f"alias.{caller[0]}.command"] if caller else []
    return any(lean_result(["git", "config", "--get", key], environment)[0] == 0 for key in keys)


def _is_top(environment: MutableMapping[str, str]) -> bool:
    """Whether this is the top of the work tree; an alias may have gone back by itself."""
    return lean_result(["git", "rev-parse", "--show-prefix"], environment) in ((0, b""), (0, b"\n"))
