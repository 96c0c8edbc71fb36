"""Registration with git: merge driver, mergetool, and the files they are used for; and its exact reverse.

For all repositories of a user (`--global`) the driver is named in the global attributes file, at its top,
where every other line, and every repository's own `.gitattributes`, wins over it. For one repository
(`--local`) it is `merge.default`, which applies where no attribute says anything: `.git/info/attributes`
would overrule the repository's `merge=union` and `-merge`.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from mergebert.atomic import write_atomically
from mergebert.errors import GitError, InputError
from mergebert.git.command import git_output, git_result, git_version, refused
from mergebert.git.config import NOT_FOUND
from mergebert.git.index_stages import repository_root
from mergebert.regular_files import bytes_in

NAME = "mergebert"
LABELS_SINCE = (2, 44)  # the first git that tells a driver the labels
BLOCK = f"""\
# >>> {NAME} >>> written by `mergebert install`, removed by `mergebert uninstall`
* merge={NAME}
# <<< {NAME} <<<
"""
_DRIVER, _RECURSIVE, _DEFAULT = f"merge.{NAME}.driver", f"merge.{NAME}.recursive", "merge.default"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where git keeps what is registered: `--global`, or `--local` in the repository at `folder`."""

    flag: str
    folder: Path

    @property
    def is_global(self) -> bool:
        """Whether it holds for all repositories of the user."""
        return self.flag == "--global"


def scope_of(flag: str | None, folder: Path) -> Scope:
    """The scope asked for; when none is, the repository around `folder`, or everywhere outside of one."""
    root = None if flag == "--global" else repository_root(folder)
    if root is not None:
        return Scope("--local", root)
    if flag == "--local":
        raise InputError(f"{folder} is not in a git repository; go into one, or use --global.")
    return Scope("--global", folder)


def install(scope: Scope) -> None:
    """Registers driver and mergetool in `scope`; doing it again changes nothing."""
    default = _config(scope, _DEFAULT)
    if not scope.is_global and default not in ("", NAME):
        raise InputError(
            f"merge.default is {default!r} in this repository; remove it first, or use attributes."
        )
    for key, value in git_settings(program(), git_version()).items():
        git_output(["config", scope.flag, "--replace-all", key, value], scope.folder)
    if scope.is_global:
        _write_block(attributes_file())
    else:
        git_output(["config", scope.flag, _DEFAULT, NAME], scope.folder)


def uninstall(scope: Scope) -> bool:
    """Removes from `scope` exactly what `install` put there; whether there was anything."""
    keys = [key for key in git_settings("", (0,)) if _config(scope, key)]
    if not scope.is_global and _config(scope, _DEFAULT) == NAME:
        keys.append(_DEFAULT)
    for key in keys:
        git_output(["config", scope.flag, "--unset-all", key], scope.folder)
    removed = scope.is_global and _remove_block(attributes_file())
    return bool(keys) or removed


def git_settings(command: str, version: tuple[int, ...]) -> dict[str, str]:
    """The git settings that register `command`, a shell word or several, with this version of git."""
    return {
        f"merge.{NAME}.name": "mergebert: resolves what it is sure of",
        _DRIVER: driver_line(command, version),
        _RECURSIVE: "text",  # merge bases are merged by git itself: nobody would see an answer given there
        f"mergetool.{NAME}.cmd": f'{command} merge "$BASE" "$LOCAL" "$REMOTE" -o "$MERGED" -p "$MERGED"',
        f"mergetool.{NAME}.trustExitCode": "true",
    }


def driver_line(command: str, version: tuple[int, ...]) -> str:
    """The shell line git runs for each file.

    A driver that cannot start, because its environment is gone or broken, must not end as a conflict with
    ours in the file and no markers: theirs would be dropped unseen. What the driver has written is newer than
    theirs, unless it says that it could not write (255); where nothing is, git's own merge-file merges. Where that
    fails as well, ours is removed: before 2.42 git would go on whatever the exit code, and commit it. Clients that
    give an empty label unquoted are met by `=` and `""`.
    """
    knows_labels = version >= LABELS_SINCE
    labels = " --base-label=%S --ours-label=%X --theirs-label=%Y" if knows_labels else ""
    names = '-L %X"" -L %S"" -L %Y""' if knows_labels else "-L ours -L base -L theirs"
    algorithm = " --diff-algorithm=histogram" if knows_labels else ""
    merge = f"{command.replace('%', '%%')} merge --git %O %A %B --path=%P --marker-size=%L{labels}"
    by_git = f"git merge-file -q --marker-size=%L{algorithm} {names} %A %O %B"
    return (
        f"{merge}; code=$?; test $code -ne 255 && test %A -nt %B && exit $((code > 0)); "
        f"{by_git}; code=$?; test $code -le 127 && exit $((code > 0)); rm -f %A; exit 255"
    )


def program() -> str:
    """How to start this mergebert from any folder, quoted for a shell.

    The interpreter by its path, deaf to PYTHONPATH and to the current folder: git runs it inside the repository
    being merged, where an empty entry in PYTHONPATH names that very folder and any `sitecustomize.py` in it would run.
    """
    return f"{shlex.quote(Path(sys.executable).as_posix())} -E -P -m mergebert"


def attributes_file() -> Path:
    """The user's global attributes file."""
    named = _value(["--global", "--type=path", "core.attributesFile"]).strip()
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "git" / "attributes"


def _config(scope: Scope, key: str) -> str:
    """The value of `key` in `scope` alone, empty where it has none."""
    return _value([scope.flag, "--get", key], scope.folder)


def _value(question: list[str], folder: Path | None = None) -> str:
    """What `git config QUESTION` answers, empty where nothing is set; raises GitError where it refuses."""
    arguments = ["config", *question]
    code, output, reason = git_result(arguments, folder)
    if code not in (0, NOT_FOUND):
        raise refused(arguments, reason)
    return output.decode("utf-8", "surrogateescape").removesuffix("\n")


def _write_block(file: Path) -> None:
    content = _content(file)
    if BLOCK.encode() in content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, BLOCK.encode() + content)


def _remove_block(file: Path) -> bool:
    """Whether the block stood in `file`; it is taken out, and a file that held nothing else is deleted."""
    content = _content(file)
    if BLOCK.encode() not in content:
        return False
    rest = content.replace(BLOCK.encode(), b"")
    if rest or file.is_symlink():
        _write(file, rest)
    else:
        file.unlink()
    return True


def _content(file: Path) -> bytes:
    try:
        return bytes_in(file)
    except FileNotFoundError:
        return b""


def _write(file: Path, content: bytes) -> None:
    try:
        write_atomically(str(file), content)
    except OSError as error:
        raise GitError(f"{file} cannot be written: {error.strerror}.") from error
