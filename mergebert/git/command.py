"""The only place that runs git.

`LineMerge` is on the path of every merged file and imports nothing: `import subprocess` alone would cost more
than git's own work. Everything else may take its time and goes through `git_output`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from pathlib import Path

    from mergebert.text.threeway import ThreeWay

MOST_CONFLICTS = 127  # git merge-file counts conflicts up to here; above it, it failed
TIMEOUT = 60  # seconds; no query of ours takes one, a stuck network file system does


class LineMerge:
    """The line merge of three files as `git merge-file` makes it, written to a descriptor or returned."""

    __slots__ = ("files", "labels", "marker_size")

    def __init__(self, files: tuple[str, str, str], labels: tuple[str, str, str], marker_size: int) -> None:
        self.files = files  # base, ours, theirs, as everywhere
        self.labels = labels
        self.marker_size = marker_size

    def arguments(self, style: str = "") -> list[str]:
        """The command line; without `style` (`diff3`, `zdiff3`) git takes the user's merge.conflictStyle."""
        base, ours, theirs = self.labels
        names = ["-L", ours, "-L", base, "-L", theirs]
        styles = [f"--{style}"] if style else []
        size = f"--marker-size={self.marker_size}"
        files = (self.files[1], self.files[0], self.files[2])
        return ["git", "merge-file", "-q", "-p", size, *styles, *names, "--", *files]

    def write_to(self, output: int, style: str = "") -> int:
        """git's exit code, the merge going to the descriptor `output`: conflicts, or above 127 a failure."""
        if not hasattr(os, "posix_spawnp"):
            return _exit_code_by_subprocess(self.arguments(style), output)
        return _exit_code(self._started(output, style))

    def content(self, style: str = "") -> tuple[int, bytes]:
        """git's exit code and the merge itself; needs no room on any disk."""
        if not hasattr(os, "posix_spawnp"):
            return _content_by_subprocess(self.arguments(style))
        reading, writing = os.pipe()
        try:
            child = self._started(writing, style)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        with open(reading, "rb") as pipe:
            merged = pipe.read()
        return _exit_code(child), merged

    def _started(self, output: int, style: str) -> int:
        redirected = [(os.POSIX_SPAWN_DUP2, output, 1)]
        return os.posix_spawnp("git", self.arguments(style), os.environ, file_actions=redirected)


def _exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256


def merge_of(
    texts: ThreeWay[bytes], labels: tuple[str, str, str], marker_size: int, style: str = "diff3"
) -> bytes:
    """The line merge of three texts as `git merge-file` makes it; raises GitError where it refuses them."""
    import tempfile

    from mergebert.errors import GitError

    with tempfile.TemporaryDirectory(prefix="mergebert-") as folder:
        names = [os.path.join(folder, name) for name in ("base", "ours", "theirs")]
        for name, text in zip(names, texts, strict=True):
            with open(name, "wb") as file:
                file.write(text)
        code, merged = LineMerge((names[0], names[1], names[2]), labels, marker_size).content(style)
    if code > MOST_CONFLICTS:
        raise GitError("git merge-file refused these texts; it merges no binary files.")
    return merged


def git_output(arguments: list[str], cwd: Path | None = None, stdin: bytes | None = None) -> bytes:
    """What `git ARGUMENTS` printed; raises GitError with git's own reason where it failed."""
    from mergebert.errors import GitError

    code, output, reason = git_answer(arguments, cwd, stdin)
    if code:
        raise GitError(f"git {arguments[0]} failed: {reason or f'exit code {code}'}")
    return output


def git_answer(
    arguments: list[str], cwd: Path | None = None, stdin: bytes | None = None
) -> tuple[int, bytes, str]:
    """Exit code, output and last line of complaint of `git ARGUMENTS`, where a failure is an answer too."""
    import subprocess

    from mergebert.errors import GitError

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
            timeout=TIMEOUT,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise GitError(f"There is no folder {cwd}.") from error
        raise GitError("git is not installed, or not on the PATH.") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {arguments[0]} did not answer within {TIMEOUT} seconds.") from error
    complaint = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
    return done.returncode, done.stdout, complaint


def shell_answer(command: str, cwd: Path) -> tuple[int, str]:
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
        return MOST_CONFLICTS, str(error)
    return done.returncode, done.stderr.decode("utf-8", "replace").strip()


def git_version() -> tuple[int, ...]:
    """The version of git as numbers, such as (2, 44, 0)."""
    words = git_output(["version"]).decode("ascii", "replace").split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(number) for number in numbers[:3] if number.isdecimal())


def config_values(section: str, cwd: Path | None = None) -> dict[str, str]:
    """The settings of one section of git config by lower-case key; empty where there is no git to ask."""
    from mergebert.errors import GitError

    try:
        code, output, _ = git_answer(["config", "-z", "--get-regexp", rf"^{section}\."], cwd)
    except GitError:
        return {}
    pairs = output.decode("utf-8", "surrogateescape").split("\0") if code == 0 else []
    # A key alone, without a value, is git's way to write true.
    return {
        key.lower(): value if found else "true"
        for key, found, value in (pair.partition("\n") for pair in pairs if pair)
    }


def _exit_code_by_subprocess(arguments: list[str], output: int) -> int:
    """The exit code where the system has no posix_spawn (Windows)."""
    import subprocess

    return subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=output, check=False).returncode % 256


def _content_by_subprocess(arguments: list[str]) -> tuple[int, bytes]:
    import subprocess

    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    return done.returncode % 256, done.stdout
