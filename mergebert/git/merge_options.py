"""How git merges lines here and now: its diff algorithm, the white space it ignores, the side it favours, the style.

git tells a merge driver nothing of this. It is read from the git command that runs the driver, from what that
command has noted of an interrupted rebase or cherry-pick, and from git config. On the path of every merged file:
nothing is imported at the top.
"""

from __future__ import annotations

from mergebert.git.command import git_version, lean_result
from mergebert.git.command_words import command_words
from mergebert.git.notes import note_path, noted

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HISTOGRAM, MYERS = "histogram", "myers"
MERGE, DIFF3 = "merge", "diff3"  # merge.conflictStyle, which can also be zdiff3

# Commands whose merge is a plain three-way merge of blobs: git gives it no options, so it diffs with Myers.
_PLAIN = frozenset({"apply", "notes", "rerere"})
_ONE_STYLE = frozenset({"notes"})  # it does not read merge.conflictStyle
# git's own commands for a strategy, which a pick with `--strategy` runs, and the strategy where it changes the merge.
ENGINES = {
    "merge-recursive": "",
    "merge-recursive-ours": "",
    "merge-recursive-theirs": "",
    "merge-subtree": "subtree",
}
# Commands and strategies that ran the recursive engine, and so Myers, until git gave that engine up.
_ONCE_RECURSIVE = frozenset({"am", "checkout", "switch", *ENGINES})
_RECURSIVE_STRATEGIES = frozenset({"recursive", "subtree"})
_RECURSIVE_IS_ORT_SINCE = (2, 50)
_ORT_ASKS_SINCE = (2, 47)  # before, the ort engine takes histogram whatever options and diff.algorithm say
_DEAF_TO_DIFF_ALGORITHM = frozenset({"history", "merge-tree", "replay", *ENGINES})
_ALGORITHMS = {
    "default": MYERS,
    "myers": MYERS,
    "minimal": "minimal",
    "patience": "patience",
    HISTOGRAM: HISTOGRAM,
}
_IGNORED = frozenset({"ignore-all-space", "ignore-cr-at-eol", "ignore-space-at-eol", "ignore-space-change"})
_SIDES = frozenset({"ours", "theirs"})
_TAKE_STRATEGIES = frozenset({"cherry-pick", "merge", "merge-tree", "rebase", "revert"})
# What git config says of it, as a regular expression.
MERGE_CONFIG = r"(merge\.conflictstyle|diff\.algorithm|pull\.twohead|branch\..*\.mergeoptions)$"


class MergeOptions:
    """What git's line merge depends on besides the three texts; the defaults are those of `git merge`."""

    __slots__ = ("algorithm", "favoured", "ignored", "style")

    def __init__(
        self,
        algorithm: str = HISTOGRAM,
        ignored: frozenset[str] = frozenset(),
        favoured: str = "",
        style: str = MERGE,
    ) -> None:
        self.algorithm = algorithm
        self.ignored = ignored  # kinds of white space, as git's strategy options name them
        self.favoured = favoured  # `ours`, `theirs`, or empty
        self.style = style  # of conflicts: `merge`, `diff3` or `zdiff3`

    def with_style(self, style: str) -> MergeOptions:
        """The same with conflicts in this style."""
        return MergeOptions(self.algorithm, self.ignored, self.favoured, style)

    def with_strategy_options(self, options: Iterable[str]) -> MergeOptions:
        """The same after git has read these values of `-X`, of which a later one overrules an earlier one."""
        algorithm, ignored, favoured = self.algorithm, set(self.ignored), self.favoured
        for option in options:
            name, _, value = option.partition("=")
            if option in _SIDES:
                favoured = option
            elif option in _IGNORED:
                ignored.add(option)
            elif option in ("patience", HISTOGRAM):
                algorithm = option
            elif name == "diff-algorithm":
                algorithm = _ALGORITHMS.get(value.lower(), algorithm)
        return MergeOptions(algorithm, frozenset(ignored), favoured, self.style)

    def strategy_options(self) -> list[str]:
        """The values of `-X` that say the same, but for the diff algorithm."""
        return [*sorted(self.ignored), self.favoured] if self.favoured else sorted(self.ignored)


def options_of(caller: Sequence[str], settings: Mapping[str, str]) -> MergeOptions:
    """The options with which the git command of these words merges, under these settings.

    Without any word they are those of a plain `git merge`.
    """
    command = caller[0] if caller else "merge"
    words = caller[1:]
    style = MERGE if command in _ONE_STYLE else settings.get("merge.conflictstyle", MERGE)
    if command in ("checkout", "restore", "switch"):
        style = command_words(command, words).value("conflict") or style
    strategy, given = _strategy(command, words, settings)
    options = MergeOptions(_algorithm(command, strategy, settings), style=style).with_strategy_options(given)
    if _is_deaf(command, strategy, options.algorithm):
        return MergeOptions(HISTOGRAM, options.ignored, options.favoured, style)
    return options


def _algorithm(command: str, strategy: str, settings: Mapping[str, str]) -> str:
    """The diff algorithm a command takes where no strategy option names one."""
    if command in _PLAIN or _is_recursive(command, strategy):
        return MYERS
    if command in _DEAF_TO_DIFF_ALGORITHM:
        return HISTOGRAM
    return _ALGORITHMS.get(settings.get("diff.algorithm", "").lower(), HISTOGRAM)


def _is_recursive(command: str, strategy: str) -> bool:
    """Whether git runs the recursive engine, which diffs with Myers unless an option says otherwise."""
    may_be = command in _ONCE_RECURSIVE or strategy in _RECURSIVE_STRATEGIES
    return may_be and git_version() < _RECURSIVE_IS_ORT_SINCE


def _is_deaf(command: str, strategy: str, algorithm: str) -> bool:
    """Whether this git takes histogram in spite of an algorithm that is asked for."""
    if algorithm == HISTOGRAM or command in _PLAIN or git_version() >= _ORT_ASKS_SINCE:
        return False
    return not _is_recursive(command, strategy)


def is_shifted(caller: Sequence[str], settings: Mapping[str, str]) -> bool:
    """Whether git merges one side into a folder of the other (`-s subtree`, `-X subtree=FOLDER`)."""
    command = caller[0] if caller else ""
    strategy, given = _strategy(command, caller[1:], settings)
    return "subtree" in (strategy, *(option.partition("=")[0] for option in given))


def _strategy(command: str, words: Sequence[str], settings: Mapping[str, str]) -> tuple[str, list[str]]:
    """The merge strategy of a command, empty where it has no say in it, and its options in order."""
    if command in ENGINES:
        return ENGINES[command], [word[2:] for word in _until_dashes(words) if word.startswith("--")]
    if command not in _TAKE_STRATEGIES:
        return "", []
    given = [*_noted(command, words, settings), *_options(command, words)]
    strategies = [value for name, value in given if name == "strategy" and value]
    return (strategies or [""])[-1], [value for name, value in given if name == "strategy-option"]


def _noted(command: str, words: Sequence[str], settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """The strategy and its options as git has them from elsewhere than the command line."""
    if command == "merge":
        twohead = settings.get("pull.twohead", "").split()[:1]
        return [("strategy", name) for name in twohead] + _branch_options(settings)
    if command == "rebase":
        return _rebase_options()
    if command in ("cherry-pick", "revert") and {"--continue", "--skip"} & set(words):
        return _sequencer_options()
    return []


def _branch_options(settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """What branch.<name>.mergeOptions says for the branch that is checked out."""
    if not any(key.endswith(".mergeoptions") for key in settings):
        return []
    code, output = lean_result(["git", "symbolic-ref", "--quiet", "--short", "HEAD"])
    name = output.decode("utf-8", "surrogateescape").removesuffix("\n") if code == 0 else ""
    return _options("merge", _split(settings.get(f"branch.{name}.mergeoptions", "")))


def _rebase_options() -> list[tuple[str, str]]:
    """What a rebase in progress noted; git strips the dashes it may have written."""
    strategy = noted("rebase-merge/strategy").strip()
    options = [
        ("strategy-option", word.removeprefix("--")) for word in _split(noted("rebase-merge/strategy_opts"))
    ]
    return ([("strategy", strategy)] if strategy else []) + options


def _sequencer_options() -> list[tuple[str, str]]:
    """What a cherry-pick or revert of several commits noted, a file in the form of git config."""
    path = note_path("sequencer/opts")
    code, output = lean_result(["git", "config", "-z", "-f", path, "--get-regexp", r"^options\.strategy"])
    pairs = output.decode("utf-8", "surrogateescape").split("\0") if code == 0 else []
    return [
        (key.removeprefix("options."), value)
        for key, _, value in (pair.partition("\n") for pair in pairs if pair)
    ]


def _options(command: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """The strategies and strategy options among the words of a command, by their long names."""
    full = {"X": "strategy-option", "s": "strategy"}
    given = command_words(command, words).options
    named = [(full.get(name, name), value) for name, value in given]
    return [(name, value) for name, value in named if name in full.values()]


def _until_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: list(words).index("--")] if "--" in words else words


def _split(text: str) -> list[str]:
    """The words of a line as git splits it, which is as a shell does; none where quotes do not match."""
    if not text.strip():
        return []
    import shlex

    try:
        return shlex.split(text)
    except ValueError:
        return []
