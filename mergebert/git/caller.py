"""The git command that runs this process, found among its parents; git tells a merge driver nothing of it."""

from __future__ import annotations

import os

from mergebert.git.command import lean_result
from mergebert.git.command_words import CommandWords, command_words

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence

GENERATIONS = 12  # between git and a driver stand a shell and perhaps a wrapper or two
# Options of git itself, before its command, that are followed by a value of their own.
_VALUED = frozenset(
    {"-C", "-c", "--attr-source", "--config-env", "--git-dir", "--namespace", "--super-prefix", "--work-tree"}
)
# Commands that show old merges again as git alone would have made them: what people did there is what they look for.
_SHOWING = frozenset({"diff", "format-patch", "log", "range-diff", "reflog", "rerere", "show", "whatchanged"})
_MERGING = frozenset(
    {"am", "checkout", "cherry-pick", "merge", "pull", "rebase", "restore", "revert", "stash", "switch"}
)
_READ_ONLY = frozenset({"merge-tree", "replay"})  # they merge, and touch neither index nor work tree
_SHELLS = frozenset({"bash", "dash", "sh"})  # which of them runs a driver was chosen when git was built


def git_caller() -> tuple[str, ...] | None:
    """The nearest git command above this process with its arguments, such as `("merge", "-X", "theirs", "topic")`.

    Empty where no git runs this process; None where the system does not show the parents of a process.
    """
    process, runs_line = os.getppid(), False
    for _ in range(GENERATIONS):
        if process <= 1:
            return ()
        found = _process(process)
        if found is None:
            return None
        number, (process, words) = process, found
        command = _git_command(words, _program_file(number))
        if not command and runs_line:
            command = _merging_command(words)
        if command:
            return command
        runs_line = _is_driver_line(words)
    return ()


def is_read_only(caller: Sequence[str]) -> bool:
    """Whether a git command merges without touching index and work tree."""
    return bool(caller) and caller[0] in _READ_ONLY


def is_shown_again(caller: Sequence[str]) -> bool:
    """Whether a git command only shows a merge that was made before."""
    return bool(caller) and caller[0] in _SHOWING


def is_made_anew(caller: Sequence[str]) -> bool:
    """Whether a git command, such as `checkout -m PATH`, puts a conflict of the index back into the file.

    Only the words tell: git may have brought the conflict back from memory, and the index on disk not have it.
    """
    if not caller or caller[0] not in ("checkout", "restore"):
        return False
    words = command_words(caller[0], caller[1:])
    if caller[0] == "restore" or words.paths or words.has("pathspec-from-file"):
        return True
    if not words.arguments or words.paths is not None or words.has("b", "B", "t", "track", "orphan"):
        return False
    return not switch_target(words)


def switch_target(words: CommandWords) -> str:
    """What `git checkout` or `git switch` goes to, by the name git gives it; empty where its words are paths."""
    word = words.arguments[0] if words.arguments else "HEAD"
    name = "@{-1}" if word == "-" else word
    ends = [end or "HEAD" for end in name.split("...", 1)]  # `A...B` is their merge base
    if all(lean_result(["git", "rev-parse", "-q", "--verify", end])[0] == 0 for end in ends):
        return name
    if len(words.arguments) > 1 or words.has("no-guess"):
        return ""
    # A branch that only a remote has goes by that one's name until git has made it.
    found = lean_result(["git", "for-each-ref", "--format=%(refname)", f"refs/remotes/*/{name}"])[1]
    return os.fsdecode(found).partition("\n")[0]


def _git_command(words: list[str], file: str = "") -> tuple[str, ...]:
    """The command of git in the words that started a process from a file; empty where that is no git."""
    program = os.path.basename(words[0]).removesuffix(".exe") if words else ""
    if program.startswith("git-"):
        return (program.removeprefix("git-"), *words[1:])
    return _command(words) if "git" in (program, os.path.basename(file)) else ()


def _command(words: list[str]) -> tuple[str, ...]:
    """The command that stands behind the options of git itself."""
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        rest = rest[2 if rest[0] in _VALUED else 1 :]
    return tuple(rest)


def _is_driver_line(words: list[str]) -> bool:
    """Whether a process is the shell in which git runs a merge driver."""
    is_shell = os.path.basename(words[0]) in _SHELLS if words else False
    return is_shell and " merge --git " in " ".join(words[1:])


def _merging_command(words: list[str]) -> tuple[str, ...]:
    """The command of a git that goes by another name, which is told by its merging."""
    command = _command(words)
    return command if command and command[0] in _MERGING else ()


def _program_file(number: int) -> str:
    """The file that a process was started from, its links followed; empty where the system does not tell."""
    try:
        return os.readlink(f"/proc/{number}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def _process(number: int) -> tuple[int, list[str]] | None:
    """The parent of a process and the words that started it; None where that cannot be known."""
    if os.path.isdir("/proc/self"):
        return _process_by_proc(number)
    return _process_by_ps(number) if os.name == "posix" else None


def _process_by_proc(number: int) -> tuple[int, list[str]] | None:
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            # The name of the program stands in brackets and may hold any.
            parent = int(file.read().rpartition(b")")[2].split()[1])
        with open(f"/proc/{number}/cmdline", "rb") as file:
            words = file.read().removesuffix(b"\0").split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return parent, [os.fsdecode(word) for word in words]


def _process_by_ps(number: int) -> tuple[int, list[str]] | None:
    """By `ps`, where there is no /proc (macOS); words are told apart by blanks, which no strategy option has."""
    code, output = lean_result(["ps", "-ww", "-o", "ppid=,args=", "-p", str(number)])
    parent, *words = os.fsdecode(output).split() or [""]
    return (int(parent), words) if code == 0 and parent.isdecimal() else None
