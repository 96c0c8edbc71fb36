"""What git config says; on the path of every merged file, where `import subprocess` would cost more than the question."""

from __future__ import annotations

from mergebert.git.command import lean_result

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_FOUND = 1  # git's exit code where no key is like that
ConfigEntry = tuple[
    str, str, str
]  # scope, as `local` or `global`; key, lower-case but for a subsection; value


def config_entries(pattern: str, folder: object = ".") -> list[ConfigEntry]:
    """The entries whose key begins as a regular expression says, in the order in which they hold, for merges in `folder`.

    Of several with one key the last counts. Empty where there is no git to ask; raises GitError where it refuses.
    """
    arguments = ["-C", str(folder), "config", "-z", "--show-scope", "--get-regexp", f"^({pattern})"]
    try:
        code, output = lean_result(["git", *arguments])
    except OSError:
        return []
    if code > NOT_FOUND:
        from pathlib import Path

        from mergebert.git.command import git_output

        output = git_output(arguments[2:], Path(str(folder)))  # again, for what it complains of
    fields = output.decode("utf-8", "surrogateescape").split("\0") if output else []
    return [_entry(scope, pair) for scope, pair in zip(fields[::2], fields[1::2], strict=False)]


def values_in_force(entries: Iterable[ConfigEntry]) -> dict[str, str]:
    """The value that counts of each key."""
    return {key: value for _, key, value in entries}


def config_values(section: str, folder: object = ".") -> dict[str, str]:
    """The values in force of one section by lower-case key."""
    return values_in_force(config_entries(rf"{section}\.", folder))


def _entry(scope: str, pair: str) -> ConfigEntry:
    key, has_value, value = pair.partition("\n")
    # A key alone, without a value, is git's way to write true.
    return scope, key, value if has_value else "true"
