"""The words of a git command, told apart as git's own option parser tells them: options, arguments and paths.

On the path of every merged file: nothing is imported at the top.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence

# The options of each command that take a value, from git's own tables, 2.38 to 2.55: short ones whose value may be the
# next word, short ones whose value follows at once or not at all, and long ones. What stands in such a value is no
# option, and a word that is one is no argument.
_VALUED = {
    "checkout": ("BUb", "t", "conflict inter-hunk-context orphan pathspec-from-file unified"),
    "cherry-pick": ("Xm", "S", "cleanup empty mainline strategy strategy-option"),
    "merge": ("FXms", "S", "cleanup file into-name message strategy strategy-option"),
    "merge-tree": ("X", "", "merge-base strategy-option"),
    "notes": ("s", "", "ref strategy"),
    "rebase": ("CXsx", "Sr", "empty exec onto strategy strategy-option trailer whitespace"),
    "restore": ("Us", "", "conflict inter-hunk-context pathspec-from-file source unified"),
    "revert": ("Xm", "S", "cleanup mainline strategy strategy-option"),
    "switch": ("Cc", "t", "conflict create force-create orphan"),
}
_OPTIONS_COME_FIRST = frozenset({"merge-tree"})  # what follows an argument is one


class CommandWords:
    """Options by name, short ones by their letter; arguments; and the words behind `--`, None where there is none."""

    __slots__ = ("arguments", "options", "paths")

    def __init__(self, options: list[tuple[str, str]], arguments: list[str], paths: list[str] | None) -> None:
        self.options = options
        self.arguments = arguments
        self.paths = paths

    def values(self, *names: str) -> list[str]:
        """The values of an option by its names, in order; those that are empty say nothing."""
        return [value for name, value in self.options if name in names and value]

    def value(self, *names: str) -> str:
        """The last value of an option by its names, empty where it has none."""
        return (self.values(*names) or [""])[-1]

    def has(self, *names: str) -> bool:
        """Whether an option of these names is given."""
        return any(name in names for name, _ in self.options)


def command_words(command: str, words: Sequence[str]) -> CommandWords:
    """The words behind a git command, told apart."""
    valued, attached, long = _VALUED.get(command, ("", "", ""))
    options: list[tuple[str, str]] = []
    arguments: list[str] = []
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "--":
            return CommandWords(options, arguments, rest[::-1])
        if word == "--end-of-options" or (arguments and command in _OPTIONS_COME_FIRST):
            arguments += rest[::-1] if word.startswith("--end") else [word, *rest[::-1]]
            break
        if word.startswith("--"):
            options.append(_long_option(word[2:], long.split(), rest))
        elif word.startswith("-") and word != "-":
            options += _short_options(word[1:], valued, attached, rest)
        else:
            arguments.append(word)
    return CommandWords(options, arguments, None)


def _long_option(word: str, valued: Sequence[str], rest: list[str]) -> tuple[str, str]:
    """The name of a long option and its value, which may be the next of the `rest`."""
    name, equals, value = word.partition("=")
    # git takes a beginning that fits one option alone; where it fits another as well, git does not run.
    full = name if name in valued else next((one for one in valued if name and one.startswith(name)), name)
    if full in valued and not equals and rest:
        value = rest.pop()
    return full, value


def _short_options(letters: str, valued: str, attached: str, rest: list[str]) -> list[tuple[str, str]]:
    """The options of one word, of which the first that takes a value takes all that follows."""
    found: list[tuple[str, str]] = []
    for at, letter in enumerate(letters):
        if letter in valued or letter in attached:
            value = letters[at + 1 :]
            return [*found, (letter, rest.pop() if letter in valued and not value and rest else value)]
        found.append((letter, ""))
    return found
