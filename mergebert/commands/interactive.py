"""`mergebert solve -i`: asks a person for what nothing is sure of; every answer ranks the rest anew."""

from __future__ import annotations

import math
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mergebert.commands.offers import noticed_offers
from mergebert.terminal import coloured, has_colour, percent, shown_lines, small_diff, visible
from mergebert.text.markers import Conflict, has_markers
from mergebert.text.nested_markers import has_written_base

if TYPE_CHECKING:
    from mergebert.ranking.evidence import ConflictKey
    from mergebert.ranking.open_merge import Offers, OpenMerge
    from mergebert.ranking.resolution import RankedConflict
    from mergebert.text.conflicted_text import OpenConflict

OFFERED = 9  # one key each
_SHOWN_LINES = 30  # of a candidate; the rest is one keystroke away in the editor
_MOST_LEFT = 50  # conflicts that one answer can plausibly tell something about

HELP = """\
  1-9   take that candidate            o   take ours       t   take theirs
  b     take ours, then theirs         B   take theirs, then ours
  e     edit in $VISUAL or $EDITOR     s   skip this conflict
  u     undo the last answer or skip   q   stop; what is answered so far is written
  ?     this help                      Ctrl-C stops and writes nothing"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text a person settled on."""

    text: str


@dataclass(slots=True)
class Dialogue:
    """What has been answered and skipped so far, in order, so that the last step can be taken back."""

    answers: dict[ConflictKey, str] = field(default_factory=dict)
    skipped: set[ConflictKey] = field(default_factory=set)
    steps: list[ConflictKey] = field(default_factory=list)

    def answer(self, key: ConflictKey, text: str) -> None:
        """Takes `text` as the resolution of the conflict."""
        self.answers[key] = text
        self.steps.append(key)

    def skip(self, key: ConflictKey) -> None:
        """Leaves the conflict as it is."""
        self.skipped.add(key)
        self.steps.append(key)

    def undo(self) -> ConflictKey | None:
        """Takes the last step back; the conflict that is open again by it, or None if there was no step."""
        if not self.steps:
            return None
        key = self.steps.pop()
        self.answers.pop(key, None)
        self.skipped.discard(key)
        return key


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where questions are asked: lines in, plain text out."""

    input: TextIO
    output: TextIO

    def say(self, line: str = "") -> None:
        """Prints a line."""
        print(line, file=self.output)

    def say_diff(self, lines: Sequence[str]) -> None:
        """Prints the lines of a diff, coloured where that is wanted."""
        is_coloured = has_colour(self.output)
        for line in lines:
            self.say(coloured(line) if is_coloured else line)

    def read(self, question: str) -> str | None:
        """The answer without its newline; None at the end of input."""
        print(question, end="", file=self.output, flush=True)
        line = self.input.readline()
        return line.strip() if line else None


@dataclass(frozen=True, slots=True)
class NamedMerge:
    """The conflicts of one merge, and the files they stand in as a person calls them."""

    merge: OpenMerge
    paths: Sequence[Path]

    def offers(self, answers: Mapping[ConflictKey, str]) -> Offers:
        """What is offered once a person has given `answers`."""
        return noticed_offers(self.merge, answers)

    def conflict(self, key: ConflictKey) -> OpenConflict:
        """The open conflict of this key."""
        return self.merge.conflicts[key]

    def path_and_line(self, key: ConflictKey) -> str:
        """Where a conflict stands, for people."""
        return f"{visible(str(self.paths[key[0]]))}:{self.conflict(key).line}"


def ask(merge: NamedMerge, terminal: Terminal | None = None) -> Mapping[ConflictKey, str]:
    """The texts a person chose; what is sure of itself, at once or thanks to an answer, is not asked."""
    talk = terminal or Terminal(sys.stdin, sys.stdout)
    state = Dialogue()
    offers = merge.offers(state.answers)
    wanted: ConflictKey | None = None  # the conflict that an undo has opened again
    while True:
        open_keys = [key for key in offers if _is_open(key, offers, state)]
        key = wanted or next(iter(most_informative_first(open_keys, offers)), None)
        step = _asked(talk, merge, key, offers, len(open_keys)) if key else _last_word(talk, state)
        if step == "quit":
            return state.answers
        wanted = state.undo() if step == "undo" else None
        if step == "undo":
            talk.say("Taken back." if wanted else "There is nothing to take back.")
        elif step == "skip" and key:
            state.skip(key)
        elif isinstance(step, Chosen) and key:
            state.answer(key, step.text)
        offers = _ranked_anew(talk, merge, state, offers)


def _asked(
    talk: Terminal,
    merge: NamedMerge,
    key: ConflictKey,
    offers: Mapping[ConflictKey, RankedConflict],
    left: int,
) -> Chosen | str:
    """What a person wants done with one conflict, once it was shown."""
    _present(talk, merge, key, offers[key])
    talk.say(f"{left} of {len(offers)} conflicts left to answer")
    return _step(talk, merge, key, offers[key])


def _last_word(talk: Terminal, state: Dialogue) -> str:
    """What to do once nothing is left to ask: the last answer is as easy to take back as any other."""
    if not state.steps:
        return "quit"
    return (
        "undo"
        if talk.read("Nothing is left to ask. Enter writes, u takes the last answer back > ") == "u"
        else "quit"
    )


def most_informative_first(
    keys: Sequence[ConflictKey], offers: Mapping[ConflictKey, RankedConflict]
) -> list[ConflictKey]:
    """`keys` in the order they are asked: an answer tells most where doubt is great and much is left."""
    left: dict[int, int] = {}
    for file, _ in keys:
        left[file] = left.get(file, 0) + 1
    return sorted(keys, key=lambda key: (-_doubt(offers[key]) * min(left[key[0]], _MOST_LEFT), key))


def _doubt(offer: RankedConflict) -> float:
    """The entropy in bits of which candidate is right, "none of them" included."""
    shares = [max(resolution.confidence, 0.0) for resolution in offer.resolutions[:OFFERED]]
    total = max(sum(shares), 1.0)  # calibrated one by one, they may sum to more than 1
    shares = [share / total for share in shares] + [1 - sum(shares) / total]
    return -sum(share * math.log2(share) for share in shares if share > 0)


def _is_open(key: ConflictKey, offers: Mapping[ConflictKey, RankedConflict], state: Dialogue) -> bool:
    return not offers[key].accepted and key not in state.answers and key not in state.skipped


def _ranked_anew(
    talk: Terminal, merge: NamedMerge, state: Dialogue, before: Mapping[ConflictKey, RankedConflict]
) -> dict[ConflictKey, RankedConflict]:
    """The offers after a step; says what has become sure of itself by it."""
    offers = merge.offers(state.answers)
    newly = [
        key
        for key, offer in offers.items()
        if offer.accepted and not before[key].accepted and key not in state.answers
    ]
    for key in newly:
        best = offers[key].resolutions[0]
        talk.say(
            f"{merge.path_and_line(key)} is now sure: {best.pattern} ({best.method}), {percent(best.confidence)}"
        )
    return offers


def _present(talk: Terminal, merge: NamedMerge, key: ConflictKey, offer: RankedConflict) -> None:
    """Shows one conflict: what each side did to the base, and the candidates."""
    conflict = merge.conflict(key).conflict
    sides, labels = conflict.sides, conflict.labels
    talk.say()
    talk.say(f"== {merge.path_and_line(key)}")
    for name, label, text in (("ours", labels.ours, sides.ours), ("theirs", labels.theirs, sides.theirs)):
        talk.say(f"-- {name} ({visible(label) or 'no name'})")
        if has_written_base(conflict):
            talk.say_diff(small_diff(sides.base, text))
        else:
            talk.say("\n".join(shown_lines(text) or ["(empty)"]))
    for number, resolution in enumerate(offer.resolutions[:OFFERED], start=1):
        talk.say(f"[{number}] {percent(resolution.confidence)}  {resolution.pattern} ({resolution.method})")
        for line in _shortened(shown_lines(resolution.text)):
            talk.say(f"    | {line}")


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        yield "(nothing)"
    yield from lines[:_SHOWN_LINES]
    if len(lines) > _SHOWN_LINES:
        yield f"... {len(lines) - _SHOWN_LINES} more lines"


def _step(talk: Terminal, merge: NamedMerge, key: ConflictKey, offer: RankedConflict) -> Chosen | str:
    """What the person wants: a text, or `skip`, `undo`, `quit`."""
    one, suffix = merge.conflict(key), merge.paths[key[0]].suffix
    while True:
        typed = talk.read(_question(one.conflict, offer))
        if typed is None or typed == "q":
            return "quit"
        if typed in ("s", "u"):
            return "skip" if typed == "s" else "undo"
        if typed == "?":
            talk.say(HELP)
            continue
        chosen = _edited(talk, one.conflict, suffix) if typed == "e" else _taken(typed, one, offer)
        if chosen is None:
            talk.say("That is none of the keys; ? explains them." if typed != "e" else "Nothing was chosen.")
        elif not one.accepts(chosen.text):
            talk.say("That would lose lines outside the markers; edit the file itself for this one.")
        else:
            return chosen


def _question(conflict: Conflict, offer: RankedConflict) -> str:
    count = min(len(offer.resolutions), OFFERED)
    numbers = {0: "", 1: "1 take, "}.get(count, f"1-{count} take, ")
    labels = conflict.labels
    ours, theirs = visible(labels.ours) or "ours", visible(labels.theirs) or "theirs"
    return f"{numbers}o {ours}, t {theirs}, b both, B both swapped, e edit, s skip, u undo, q quit, ? help > "


def _taken(typed: str, one: OpenConflict, offer: RankedConflict) -> Chosen | None:
    sides = one.conflict.sides
    if typed.isascii() and typed.isdigit():
        number = int(typed)
        is_offered = 1 <= number <= min(len(offer.resolutions), OFFERED)
        return Chosen(offer.resolutions[number - 1].text) if is_offered else None
    whole = {
        "o": sides.ours,
        "t": sides.theirs,
        "b": one.both(),
        "B": one.both(is_swapped=True),
    }
    return Chosen(whole[typed]) if typed in whole else None


def _edited(talk: Terminal, conflict: Conflict, suffix: str) -> Chosen | None:
    """What the person made of the conflict in an editor; None if it is as it was or still holds markers."""
    before = str(conflict)
    try:
        after = _in_editor(before, suffix)
    except OSError as error:
        talk.say(f"The editor could not be started ({error.strerror}); set $VISUAL or $EDITOR.")
        return None
    except (ValueError, subprocess.CalledProcessError):
        talk.say("The editor failed; check $VISUAL and $EDITOR.")
        return None
    if after == before:
        return None
    if has_markers(after):
        talk.say("There are still conflict markers in the text.")
        return None
    return Chosen(after)


def _in_editor(text: str, suffix: str) -> str:
    """`text` after the person's editor closed it; it lies outside the repository."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="mergebert-") as folder:
        file = Path(folder, "conflict" + suffix)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        subprocess.run([*command, str(file)], check=True)
        return file.read_bytes().decode("utf-8", "surrogateescape")
