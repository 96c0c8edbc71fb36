"""`mergebert doctor`: whether git finds the driver, runs it, and uses it for the files at hand."""

from __future__ import annotations

import os
import shlex
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mergebert.driver.registration import BLOCK, LABELS_SINCE, NAME, attributes_file, driver_line, program
from mergebert.errors import GitError, InputError, MissingGitError, ModelBundleError
from mergebert.git.caller import git_caller
from mergebert.git.command import git_result, git_version, shell_result
from mergebert.git.config import config_entries, config_values
from mergebert.git.index_stages import repository_root
from mergebert.regular_files import bytes_in
from mergebert.strict_json import json_text

OLDEST_GIT = (2, 38)  # the oldest one the driver is tested with
FILES_LOOKED_AT = 5000
# git merges these cleanly, with the histogram diff; `git merge-file` by itself, with Myers, finds a conflict.
_TRIAL = {"base": "b\na\na\n", "ours": "b\na\n", "theirs": "a\nb\na\n"}
_TRIAL_MERGED = "a\nb\na\n"
_AWKWARD_PATH = 'it\'s a "path" with blanks.txt'


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be right, what was found, and what to do when it is not."""

    name: str
    passed: bool
    found: str
    remedy: str = ""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert doctor`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert doctor`: 0 when every check passes, 1 otherwise."""
    found = tuple(checks(Path.cwd()))
    if arguments.json:
        print(json_text([asdict(check) for check in found], ensure_ascii=False))
    else:
        print("\n".join(map(_line, found)))
    return 0 if all(check.passed for check in found) else 1


def checks(folder: Path) -> Iterator[Check]:
    """Every check, for merges run in `folder`; the last one is of git where that does not answer."""
    try:
        yield from _checks(folder)
    except MissingGitError as error:
        yield Check("git", False, str(error), "install git 2.38 or later")
    except GitError as error:
        yield Check("git", False, str(error), "mend what git complains of, then run this again")


def _checks(folder: Path) -> Iterator[Check]:
    version = git_version()
    yield _git_check(version)
    merge = config_values(f"merge.{NAME}", folder)
    driver = merge.get(f"merge.{NAME}.driver", "")
    if driver:
        yield _program_check(driver)
        yield _driver_check(driver, version)
        yield _run_check(driver)
    else:
        yield Check("driver", False, "git knows no driver of this name", "mergebert install")
    yield _recursive_check(merge.get(f"merge.{NAME}.recursive", ""))
    yield _options_check()
    yield _python_path_check()
    yield _files_check(folder)
    yield _settings_check(folder)
    yield _bundle_check()


def _line(check: Check) -> str:
    if check.passed:
        return f"✓ {check.name}: {check.found}"
    return f"✗ {check.name}: {check.found}\n    remedy: {check.remedy}"


def _git_check(version: tuple[int, ...]) -> Check:
    shown = ".".join(map(str, version))
    if version < OLDEST_GIT:
        return Check("git", False, f"version {shown} is older than 2.38", "install git 2.38 or later")
    hint = "" if version >= LABELS_SINCE else " (from 2.44 on, conflicts also name the commits)"
    return Check("git", True, f"version {shown}{hint}")


def _program_check(driver: str) -> Check:
    try:
        words = shlex.split(driver.replace("%%", "%"))
    except ValueError:
        return Check("program", False, "the driver line has unbalanced quotes", "mergebert install")
    if os.access(words[0], os.X_OK) and os.path.isfile(words[0]):
        return Check("program", True, words[0])
    return Check("program", False, f"{words[0]} is not there or cannot be run", "mergebert install")


def _driver_check(driver: str, version: tuple[int, ...]) -> Check:
    if driver == driver_line(program(), version):
        return Check("driver", True, "registered for this mergebert and this git")
    return Check("driver", False, "registered by another mergebert, or for another git", "mergebert install")


def _run_check(driver: str) -> Check:
    """Whether the driver line merges a small file, run as git runs it, for a path that is hard to quote."""
    with tempfile.TemporaryDirectory(prefix="mergebert-") as name:
        folder = Path(name)
        for file, text in _TRIAL.items():
            (folder / file).write_text(text, encoding="utf-8")
        values = {"O": "base", "A": "ours", "B": "theirs", "L": "7", "P": shlex.quote(_AWKWARD_PATH)}
        labels = dict.fromkeys("SXY", "label")
        code, complaint = shell_result(_expanded(driver, values | labels), folder)
        result = folder / "ours"
        merged = bytes_in(result) if result.is_file() else b""
    if code == 0 and merged == _TRIAL_MERGED.encode() and not complaint:
        return Check("run", True, "a trial merge gives what git gives")
    reason = complaint.partition("\n")[0] or f"exit code {code}"
    return Check(
        "run", False, f"a trial merge fails: {reason}", "install mergebert again, then `mergebert install`"
    )


def _recursive_check(value: str) -> Check:
    if value == "text":
        return Check("merge bases", True, "left to git")
    remedy = f"git config --global merge.{NAME}.recursive text, or mergebert install"
    return Check("merge bases", False, "the driver would also resolve merges of merge bases", remedy)


def _options_check() -> Check:
    """Whether the driver can see with which options git merges: `-X theirs` would be dropped unseen."""
    if git_caller() is not None:
        return Check("strategy options", True, "read from the git command that runs the driver")
    remedy = "mergebert uninstall, before a merge with -X"
    return Check(
        "strategy options", False, "this system hides the parents of a process, and -X with them", remedy
    )


def _python_path_check() -> Check:
    """Whether a repository can run code in the Python programs that a person starts in it; the driver is deaf to it."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.environ.get("PYTHONPATH") else []
    if all(os.path.isabs(entry) for entry in entries):
        return Check("PYTHONPATH", True, "names no folder of a repository")
    found = "an empty or relative entry lets every repository run its sitecustomize.py in any Python you start there"
    return Check("PYTHONPATH", False, found, "name absolute folders only, without a colon at either end")


def _files_check(folder: Path) -> Check:
    """Whether git would use the driver for the files of this repository, or for those of any other."""
    root = repository_root(folder)
    if root is None:
        return _global_files_check()
    used, total = _used(root)
    if used:
        return Check("files", True, f"used for {used} of {total} files of {root}")
    return Check("files", False, f"used for no file of {root}", "mergebert install --local")


def _global_files_check() -> Check:
    try:
        has_block = BLOCK.encode() in bytes_in(attributes_file())
    except OSError:
        has_block = False
    if has_block or config_values("merge").get("merge.default") == NAME:
        return Check("files", True, "used in every repository")
    return Check("files", False, "used in no repository", "mergebert install --global")


def _used(root: Path) -> tuple[int, int]:
    """For how many of the files looked at git would use the driver, and how many those are."""
    _, listed, _ = git_result(["ls-files", "-z"], root)
    names = [name for name in listed.split(b"\0") if name][:FILES_LOOKED_AT] or [b"any file"]
    _, output, complaint = git_result(
        ["check-attr", "--stdin", "-z", "merge"], root, b"\0".join([*names, b""])
    )
    values = output.split(b"\0")[2::3]
    if len(values) != len(names):
        raise InputError(f"git check-attr does not answer: {complaint}")
    is_default = config_values("merge", root).get("merge.default") == NAME
    wanted = {NAME.encode()} | ({b"unspecified"} if is_default else set())
    return sum(value in wanted for value in values), len(names)


def _settings_check(folder: Path) -> Check:
    """Whether every setting is one, and has a value that it can have; git itself takes any."""
    from mergebert.settings import MERGEBERT_CONFIG, load_settings, nearest_settings

    entries = config_entries(MERGEBERT_CONFIG, folder)
    scopes = {key: scope for scope, key, _ in entries}
    unknown = nearest_settings(scopes)
    if unknown:
        found = "; ".join(
            f"{key} is no setting" + (f", did you mean {near}?" if near else "")
            for key, near in unknown.items()
        )
        remedy = ", ".join(f"git config {_flag(scopes[key])}--unset-all {key}" for key in unknown)
        return Check("settings", False, found, remedy)
    try:
        load_settings(entries=entries)
    except InputError as error:
        return Check("settings", False, str(error), "set it anew, or take it out")
    return Check("settings", True, f"{len(scopes)} in git config" if scopes else "none in git config")


def _flag(scope: str) -> str:
    """The option that makes `git config` write where a value stands; none for one of the environment."""
    return f"--{scope} " if scope in ("local", "global", "system", "worktree") else ""


def _bundle_check() -> Check:
    from mergebert.ranking.bundle import load_bundle
    from mergebert.settings import load_settings

    try:
        bundle = load_settings().bundle
    except InputError:
        return Check("model bundle", False, "not looked at, for the settings are wrong", "mend the settings")
    try:
        load_bundle(bundle)
    except ModelBundleError as error:
        return Check("model bundle", False, str(error), "pip install --force-reinstall mergebert")
    return Check("model bundle", True, "whole" if bundle is None else f"{bundle} is whole")


def _expanded(driver: str, values: dict[str, str]) -> str:
    """The driver line with git's placeholders filled in."""
    parts = driver.split("%%")
    for key, value in values.items():
        parts = [part.replace(f"%{key}", value) for part in parts]
    return "%".join(parts)
