from __future__ import annotations

import pytest

from mergebert.git.command_words import command_words


@pytest.mark.parametrize(
    ("words", "options", "arguments", "paths"),
    [
        ("merge -SFmsX -X ours topic", [("S", "FmsX"), ("X", "ours")], ["topic"], None),
        ("merge -S topic", [("S", "")], ["topic"], None),
        ("merge -qXours topic", [("q", ""), ("X", "ours")], ["topic"], None),
        ("merge --gpg-sign topic --no-ff", [("gpg-sign", ""), ("no-ff", "")], ["topic"], None),
        ("merge --into-name -Xours a", [("into-name", "-Xours")], ["a"], None),
        ("merge --mess=-Xours a", [("message", "-Xours")], ["a"], None),
        ("rebase -rX -x make main topic", [("r", "X"), ("x", "make")], ["main", "topic"], None),
        ("cherry-pick -sX ours - -x", [("s", ""), ("X", "ours"), ("x", "")], ["-"], None),
        ("revert -m 1 HEAD~1 --no-edit", [("m", "1"), ("no-edit", "")], ["HEAD~1"], None),
        ("checkout -tX -b new topic", [("t", "X"), ("b", "new")], ["topic"], None),
        ("checkout -m topic -- -m", [("m", "")], ["topic"], ["-m"]),
        ("checkout -m --end-of-options -m", [("m", "")], ["-m"], None),
        ("merge-tree -Xours a -Xb", [("X", "ours")], ["a", "-Xb"], None),
        ("merge -X", [("X", "")], [], None),
        ("merge --", [], [], []),
    ],
)
def test_words_are_told_apart_as_git_does_it(
    words: str, options: list[tuple[str, str]], arguments: list[str], paths: list[str] | None
) -> None:
    command, *rest = words.split()
    found = command_words(command, rest)
    assert (found.options, found.arguments, found.paths) == (options, arguments, paths)


def test_the_last_value_of_an_option_counts() -> None:
    found = command_words("merge", ["-s", "ort", "--strategy=subtree", "-s", "", "topic"])
    assert found.values("s", "strategy") == ["ort", "subtree"]
    assert found.value("s", "strategy") == "subtree"
    assert (found.value("X"), found.has("X"), found.has("s")) == ("", False, True)
