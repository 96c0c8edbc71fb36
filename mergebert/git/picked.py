"""Which commit a cherry-pick or revert is at, told from its words and from what git has noted.

git notes the commits that are left, the one at hand first, before it picks any, but for a single one: that is noted nowhere,
and while it is picked the notes may be of another command, which was stopped. So a single one goes by its name, and all
others by the notes. It is a single one to git where one revision is named, no range, and nothing makes git walk from it.
On the path of merged files: nothing is imported at the top.
"""

from __future__ import annotations

from mergebert.git.command import lean_result
from mergebert.git.notes import noted

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mergebert.git.command_words import CommandWords

_TODO = "sequencer/todo"
_WALKING = ("do-walk", "max-count", *"0123456789")  # `-2`, as in `git log`


def picked_name(words: CommandWords) -> str:
    """The name of the commit that a cherry-pick or revert of these words is at; empty where that cannot be told."""
    if len(words.arguments) == 1 and not words.has(*_WALKING):
        [name] = ["@{-1}" if word == "-" else word for word in words.arguments]
        if not name.startswith("^") and commit_of(name):
            return name
    return "".join(noted(_TODO).partition("\n")[0].split()[1:2])


def commit_at_hand(caller: Sequence[str]) -> str:
    """The commit that a cherry-pick or a rebase of these words brings in; empty where it merges, or is none of the two."""
    from mergebert.git.command_words import command_words

    name = caller[0] if caller else ""
    if name == "cherry-pick":
        return commit_of(picked_name(command_words(name, caller[1:])))
    if name != "rebase":
        return ""
    done = [line for line in noted("rebase-merge/done").split("\n") if line and not line.startswith("#")]
    command, *parts = done[-1].split() if done else [""]
    named = [part for part in parts if not part.startswith("-")]
    return commit_of(named[0]) if named and command not in ("m", "merge") else ""


def commit_of(name: str) -> str:
    """The id of the commit of this name, empty where there is none, or where the name is a range."""
    # Alone, for in `:/TEXT` all that follows is text.
    object_id = _verified(name)
    return object_id and _verified(f"{object_id}^{{commit}}")


def _verified(name: str) -> str:
    code, output = lean_result(["git", "rev-parse", "--verify", "--quiet", name])
    return output.decode("ascii").strip() if code == 0 else ""
