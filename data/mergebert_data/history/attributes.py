"""What a repository's .gitattributes files say of a path, for the attributes of GitHub's linguist.

They are read as data out of a commit. Patterns mean what gitattributes(5) says; macros (`[attr]`) and classes with names
(`[[:alpha:]]`) are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

FILE_NAME = ".gitattributes"
MOST_STARS = 8  # in a pattern: each more multiplies what matching can cost
_PREFIX = "linguist-"
_WORD = re.compile(r"[^ \t\r]+")
_CLASS = re.compile(r"\[([!^]?)((?:\]|\\.|[^\]\\])(?:\\.|[^\]\\])*)\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a .gitattributes file: the paths it is for and what it sets."""

    pattern: re.Pattern[str]
    is_for_names: bool  # compared with the file's name, not with its path below the folder of .gitattributes
    values: tuple[tuple[str, str | None], ...]


class Attributes:
    """The linguist attributes of the paths of one commit; `read` gives the contents of .gitattributes files by path."""

    def __init__(self, read: Callable[[Sequence[str]], Sequence[bytes | None]]) -> None:
        self._read = read
        self._rules: dict[str, tuple[Rule, ...]] = {}

    def prepare(self, paths: Iterable[str]) -> None:
        """Reads what these paths need, all at once."""
        folders = dict.fromkeys(folder for path in paths for folder in folders_of(path))
        wanted = [folder for folder in folders if folder not in self._rules]
        contents = self._read([f"{folder}/{FILE_NAME}".lstrip("/") for folder in wanted])
        for folder, content in zip(wanted, contents, strict=True):
            is_telling = content is not None and _PREFIX.encode() in content
            self._rules[folder] = rules_of((content or b"").decode("latin-1")) if is_telling else ()

    def of(self, path: str) -> dict[str, str]:
        """What is set for a path: `true`, `false` or a value by attribute, the nearest folder's last line believed."""
        self.prepare([path])
        found: dict[str, str | None] = {}
        for folder in folders_of(path):
            rules = self._rules[folder]
            below = _as_bytes(path[len(folder) + 1 :] if folder else path) if rules else ""
            for rule in rules:
                if rule.pattern.fullmatch(below.rpartition("/")[2] if rule.is_for_names else below):
                    found.update(rule.values)
        return {name: value for name, value in found.items() if value is not None}


def folders_of(path: str) -> Iterator[str]:
    """The folders a path lies in, the root (empty) first."""
    yield ""
    end = path.find("/")
    while end != -1:
        yield path[:end]
        end = path.find("/", end + 1)


def _as_bytes(path: str) -> str:
    """A path with a character for each of its bytes: to git `?` is one byte, not one letter."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


@lru_cache(maxsize=64)
def rules_of(text: str) -> tuple[Rule, ...]:
    """The rules of a .gitattributes text that set something for linguist."""
    rules = (_rule(line) for line in text.split("\n") if _PREFIX in line)
    return tuple(rule for rule in rules if rule is not None)


def _rule(line: str) -> Rule | None:
    line = line.lstrip(" \t\r")
    if not line or line.startswith(("#", "!", "[attr]")):
        return None
    if line.startswith('"'):
        closed = re.match(r'"((?:[^"\\]|\\.)*)"', line)
        if not closed:
            return None
        pattern, rest = _ESCAPED.sub(r"\1", closed[1]), line[closed.end() :]
    else:
        pattern, rest = (*re.split(r"[ \t\r]", line, maxsplit=1), "")[:2]
    values = tuple(_value(word) for word in _WORD.findall(rest) if _PREFIX in word)
    is_for_names = "/" not in pattern
    matcher = path_matcher(pattern.removeprefix("/"))
    return Rule(matcher, is_for_names, values) if matcher and values else None


def _value(word: str) -> tuple[str, str | None]:
    """The name of an attribute and what a word of a line sets it to; None where it unsets it."""
    if word[0] in "-!":
        return word[1:], "false" if word[0] == "-" else None
    name, equals, value = word.partition("=")
    return name, value if equals else "true"


def path_matcher(pattern: str) -> re.Pattern[str] | None:
    """The pattern of a .gitattributes line as a regular expression; None where it can match no file."""
    if not pattern or pattern.endswith("/") or pattern.count("*") > MOST_STARS:
        return None
    parts = []
    at = 0
    while at < len(pattern):
        part, at = _translated(pattern, at)
        if part is None:
            return None
        parts.append(part)
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        return None


def _translated(pattern: str, at: int) -> tuple[str | None, int]:
    """The regular expression of what stands at `at`, and where the next piece begins."""
    mark = pattern[at]
    if mark == "*":
        end = at + len(pattern[at:]) - len(pattern[at:].lstrip("*"))
        is_whole = (at == 0 or pattern[at - 1] == "/") and end - at >= 2
        if is_whole and pattern[end : end + 1] == "/":
            return "(?:.*/)?", end + 1
        return (".*" if is_whole and end == len(pattern) else "[^/]*"), end
    if mark == "?":
        return "[^/]", at + 1
    if mark == "[":
        return _class(pattern, at)
    if mark == "\\":
        return (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else (None, at)
    return re.escape(mark), at + 1


def _class(pattern: str, at: int) -> tuple[str | None, int]:
    found = _CLASS.match(pattern, at)
    if not found or "[:" in found[2] or "--" in found[2]:
        return None, at
    body = "".join(
        "-" if part == "-" else re.escape(part[-1]) for part in re.findall(r"\\.|.", found[2], re.DOTALL)
    )
    return f"(?!/)[{'^' if found[1] else ''}{body}]", found.end()
