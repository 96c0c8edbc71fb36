"""Source files of ordinary size with ordinary conflicts, made by code: the same for a seed on every machine."""

from __future__ import annotations

import random
from dataclasses import dataclass

NOUNS = (
    *("order", "user", "cart", "item", "price", "stock", "client", "report"),
    *("token", "cache", "queue", "batch", "event", "rule", "page"),
)
VERBS = (
    "load",
    "save",
    "find",
    "merge",
    "check",
    "count",
    "send",
    "parse",
    "build",
    "close",
    "open",
    "update",
)
METHODS = 28  # a file of some 300 lines
LEAST_LINES, MOST_LINES = 3, 12


@dataclass(frozen=True)
class Sample:
    """Three versions of one file."""

    path: str
    base: str
    ours: str
    theirs: str


@dataclass(frozen=True)
class Style:
    """How a language writes a method."""

    ending: str
    head: str
    call: str
    guard: str
    foot: str


JAVA = Style("java", "    public int {name}(int {first}) {{", "        int {left} = {right}.{verb}({first});",
             "        if ({left} > {number}) {{ return {right}.{verb}(); }}", "    }\n")  # fmt: skip
TYPESCRIPT = Style("ts", "  {name}({first}: number) {{", "    const {left} = this.{right}.{verb}({first});",
                   "    if ({left} > {number}) {{ return {right}.{verb}(); }}", "  }\n")  # fmt: skip
PYTHON = Style("py", "def {name}({first}):", "    {left} = {right}.{verb}({first})",
               "    assert {left} > {number}, {right}.{verb}()", "\n")  # fmt: skip


def samples(count: int, conflicts: int | None = None, seed: int = 0) -> list[Sample]:
    """Files in three languages, each with this many conflicts, one to three where it is not said."""
    draw = random.Random(seed)
    styles = (JAVA, TYPESCRIPT, PYTHON)
    return [_sample(draw, styles[at % 3], at, conflicts) for at in range(count)]


def _sample(draw: random.Random, style: Style, number: int, conflicts: int | None) -> Sample:
    methods = [_method(draw, style, at) for at in range(METHODS)]
    ours, theirs = ([list(lines) for lines in methods] for _ in range(2))
    disputed = (1 if draw.random() < 0.7 else draw.choice((2, 3))) if conflicts is None else conflicts
    changed = draw.sample(range(METHODS), disputed + 4)
    for at in changed[:disputed]:
        _dispute(draw, style, (ours[at], theirs[at]))
    for at, side in zip(changed[disputed:], (ours, theirs) * 2, strict=True):
        side[at][1] = _line(draw, style)
    texts = ("\n".join(line for lines in version for line in lines) for version in (methods, ours, theirs))
    return Sample(f"src/module{number}.{style.ending}", *texts)


def _method(draw: random.Random, style: Style, number: int) -> list[str]:
    name = f"{draw.choice(VERBS)}_{draw.choice(NOUNS)}_{number}"
    head = style.head.format(name=name, first=draw.choice(NOUNS))
    return [head, *(_line(draw, style) for _ in range(draw.randint(LEAST_LINES, MOST_LINES))), style.foot]


def _line(draw: random.Random, style: Style) -> str:
    left, right, first = draw.sample(NOUNS, 3)
    form = style.guard if draw.random() < 0.2 else style.call
    return form.format(
        left=left, right=right, first=first, verb=draw.choice(VERBS), number=draw.randint(0, 99)
    )


def _dispute(draw: random.Random, style: Style, sides: tuple[list[str], list[str]]) -> None:
    """Both sides change the same line: a word of it, the whole line, or lines put in its place."""
    at = draw.randrange(1, len(sides[0]) - 1)
    for lines in sides:
        kind = draw.random()
        if kind < 0.4:
            word = draw.choice([noun for noun in NOUNS if noun not in lines[at]])
            lines[at] = lines[at].replace(next(noun for noun in NOUNS if noun in lines[at]), word, 1)
        else:
            lines[at : at + 1] = [_line(draw, style) for _ in range(1 if kind < 0.6 else draw.randint(2, 6))]
    if sides[0] == sides[1]:
        sides[1][at] = _line(draw, style)


def clean_sample() -> Sample:
    """A file that both sides changed and git merges without a conflict."""
    return samples(1, conflicts=0)[0]


def conflicting_sample() -> Sample:
    """A file with one conflict."""
    return samples(1, conflicts=1)[0]
