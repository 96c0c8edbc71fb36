"""The only place that runs git.

`lean_result` is on the path of every merged file and imports nothing: `import subprocess` alone would cost more
than git's own work. Everything else may take its time and goes through `git_output`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mergebert.errors import GitError

TIMEOUT = 60  # seconds; no query of ours takes one, a stuck network file system does


def lean_result(arguments: list[str], environment: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Exit code and output of a command, its complaints dropped; without the cost of `import subprocess`.

    A command ended by a signal has an exit code above 128, as in a shell.
    """
    environment = os.environ if environment is None else environment
    if not hasattr(os, "posix_spawnp"):
        return _result_by_subprocess(arguments, environment)
    reading, writing = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writing, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        # Whatever this process holds back, the command can be stopped.
        child = os.posix_spawnp(arguments[0], arguments, environment, file_actions=actions, setsigmask=())
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    with open(reading, "rb") as pipe:
        output = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256, output


def git_output(arguments: list[str], cwd: Path | None = None, stdin: bytes | None = None) -> bytes:
    """What `git ARGUMENTS` printed; raises GitError with git's own reason where it failed."""
    code, output, reason = git_result(arguments, cwd, stdin)
    if code:
        raise refused(arguments, reason or f"exit code {code}")
    return output


def refused(arguments: list[str], reason: str) -> GitError:
    """The error of a `git ARGUMENTS` that failed with this complaint."""
    from mergebert.errors import GitError

    return GitError(f"git {arguments[0]} failed: {reason.removesuffix('.')}.")


def git_result(
    arguments: list[str], cwd: Path | None = None, stdin: bytes | None = None, seconds: float = TIMEOUT
) -> tuple[int, bytes, str]:
    """Exit code, output and first line of complaint of `git ARGUMENTS`, where a failure is an answer too."""
    import subprocess

    from mergebert.errors import GitError, MissingGitError

    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env=environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise GitError(f"There is no folder {cwd}.") from error
        raise MissingGitError from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {arguments[0]} did not answer within {seconds} seconds.") from error
    complaint = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    return done.returncode, done.stdout, complaint


def shell_result(command: str, cwd: Path) -> tuple[int, str]:
    """The exit code of a shell command line, and what it complained; the way git itself runs a driver."""
    import subprocess

    try:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)  # as a shell that finds no such command
    return done.returncode, done.stderr.decode("utf-8", "replace").strip()


def git_version() -> tuple[int, ...]:
    """The version of git as numbers, such as (2, 44, 0)."""
    words = git_output(["version"]).decode("ascii", "replace").split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(number) for number in numbers[:3] if number.isdecimal())


def _result_by_subprocess(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, bytes]:
    """The answer where the system has no posix_spawn (Windows)."""
    import subprocess

    done = subprocess.run(
        arguments,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode % 256, done.stdout
