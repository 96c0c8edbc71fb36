"""Where conflicts stand in a text, in every way git and jj write them; text that is being edited never raises.

git: merge, diff3 and zdiff3 markers. jj: diffs (`%%%%%%%`) and snapshots (`+++++++`, `-------`), and its copy of
git's. The grammar of jj is described in docs/conflicts.md of jj-vcs/jj; it has changed with versions 0.25, 0.37
and 0.38, and all of them are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mergebert.text.markers import Conflict, Markers, lines_of, middle
from mergebert.text.threeway import ThreeWay

MERGE, DIFF3, JJ_DIFF, JJ_SNAPSHOT, JJ_GIT = "merge", "diff3", "jj-diff", "jj-snapshot", "jj-git"

Span = tuple[int, int]  # start and end, in characters

_MARKER = re.compile(r"^(([<>|=+%\\-])\2{6,}+)( [^\n]*)?\r?(?:\n|\Z)", re.MULTILINE)
_JJ_INFO = re.compile(r"conflict \d+ of \d+", re.IGNORECASE)
_JJ_NAME = re.compile(r"\b[k-z]{8} [0-9a-f]{8}\b|^side #\d", re.IGNORECASE)  # a change and a commit; a number
_ONE_LINE_DIFF = re.compile(r"(?:changes|diff) from (.+?) to (.+)", re.IGNORECASE)
_ONE_LABEL = re.compile(r"^(?:contents of|diff from:|to:) *", re.IGNORECASE)

# What stands behind the label of a version that has no final newline, in three generations of jj. One note may
# stand for both versions of a diff, or say which of them it speaks of.
_NEITHER = (" (no terminating newline)", " [noeol]")
_NOT_AFTER = (" (removes terminating newline)", " [+noeol]")
_NOT_BEFORE = (" (adds terminating newline)", " [-noeol]")


@dataclass(frozen=True, slots=True)
class Marked:
    """A whole conflict in a text: from the opening marker to the end of the closing one.

    In git's styles and jj's copy of them the markers of `conflict` are those of the text; jj's own are given as the
    diff3 markers that say the same. Where jj shows more than two sides, `conflict` holds the first two of them.
    `spans` are where each version stands in the text, None where it is not shown or only as a diff.
    """

    start: int
    end: int
    style: str
    conflict: Conflict
    spans: ThreeWay[Span | None]
    sides_count: int = 2


@dataclass(frozen=True, slots=True)
class Torn:
    """Markers that make no conflict, and why; a single marker without its partner spans its own line."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that could be a marker."""

    start: int
    end: int
    mark: str
    size: int
    label: str


@dataclass(frozen=True, slots=True)
class _Version:
    """What one section of a jj conflict says one version is."""

    text: str
    span: Span | None
    label: str
    lacks_newline: bool


def marked(text: str, marker_size: int | None = None) -> tuple[Marked | Torn, ...]:
    """The conflicts of `text` and what is left of torn ones, in order and apart from each other; in linear time.

    With no `marker_size` every conflict shows its own, of at least seven characters. A conflict inside another
    belongs to the text of that one.
    """
    if "<<<<<<<" not in text and ">>>>>>>" not in text:
        return ()
    found: list[Marked | Torn] = []
    reader = _Reader(text, found)
    for line in _marker_lines(text):
        if marker_size in (None, line.size):
            reader.take(line)
    reader.finish()
    return tuple(_apart(found))


def _marker_lines(text: str) -> Iterator[_Line]:
    for match in _MARKER.finditer(text):
        run, mark, label = match.groups()
        yield _Line(match.start(), match.end(), mark, len(run), (label or "").strip())


def _apart(found: Sequence[Marked | Torn]) -> Iterator[Marked | Torn]:
    """Those of `found` that do not start inside another, in order."""
    end = 0
    for one in sorted(found, key=lambda one: one.start):
        if one.start >= end:
            yield one
            end = one.end


class _Reader:
    """Puts marker lines together; those of one size know nothing of another size.

    git nests conflicts only with longer markers inside, and old versions of it with equal ones in the base.
    """

    def __init__(self, text: str, found: list[Marked | Torn]) -> None:
        self._text = text
        self._found = found
        self._open: dict[int, list[list[_Line]]] = {}  # of each size, the markers so far; the innermost last
        self._loose: set[int] = set()  # sizes of which a separator stood outside conflicts

    def take(self, line: _Line) -> None:
        """Reads the next marker line."""
        conflicts = self._open.setdefault(line.size, [])
        if line.mark == "<":
            self._loose.discard(line.size)
            if conflicts and conflicts[-1][-1].mark != "|":
                self._tear(conflicts.pop())
            conflicts.append([line])
        elif not conflicts:
            self._take_outside(line)
        elif line.mark == ">":
            self._found.append(_conflict(self._text, conflicts.pop(), line))
        elif line.mark in "|=" or _is_jj([*conflicts[-1][:2], line]):
            conflicts[-1].append(line)

    def finish(self) -> None:
        """Gives up on the conflicts that are still open."""
        for conflicts in self._open.values():
            for markers in conflicts:
                self._tear(markers)

    def _take_outside(self, line: _Line) -> None:
        if line.mark == "=":
            self._loose.add(line.size)
        elif line.mark == ">" and (line.label or line.size in self._loose):  # else a decoration
            reason = "This marker closes a conflict that is not there; restore the others or remove it."
            self._found.append(Torn(line.start, line.end, reason))
            self._loose.discard(line.size)

    def _tear(self, markers: Sequence[_Line]) -> None:
        opening, *others = markers
        if opening.label or any(line.mark in "|=" for line in others):  # else a decoration
            reason = "This conflict has no closing marker; restore it or remove the other markers."
            self._found.append(Torn(opening.start, opening.end, reason))


def _conflict(text: str, markers: Sequence[_Line], closing: _Line) -> Marked | Torn:
    opening = markers[0]
    is_jj = _is_jj(markers)
    if is_jj and any(line.mark == "=" for line in markers):  # then a side could start with such a line
        is_jj = _JJ_INFO.match(opening.label) is not None
    found = _jj_conflict(text, markers, closing) if is_jj else _git_conflict(text, markers, closing)
    if found is None:
        part = "sections" if is_jj else "markers"
        reason = f"The {part} of this conflict do not fit together; restore them or resolve it by hand."
        return Torn(opening.start, closing.end, reason)
    return found


def _is_jj(markers: Sequence[_Line]) -> bool:
    """Whether a section of jj's own styles follows the opening marker at once."""
    return len(markers) > 1 and markers[1].start == markers[0].end and markers[1].mark in "%+-"


def _git_conflict(text: str, markers: Sequence[_Line], closing: _Line) -> Marked | None:
    opening = markers[0]
    bar, separator = _middle(markers[1:])
    if separator is None:
        return None
    names = (opening.label, closing.label)
    is_jj = bar is not None and any(_JJ_NAME.search(name) for name in names)
    spans = ThreeWay(
        (bar.end, separator.start) if bar else None,
        (opening.end, (bar or separator).start),
        (separator.end, closing.start),
    )
    if is_jj and not _line(text, closing).endswith("\n"):
        spans = spans.map(lambda span: span and _chopped(text, span, opening))
    lines = [_line(text, line) for line in (opening, separator, closing)]
    conflict = Conflict(
        spans.map(lambda span: text[span[0] : span[1]] if span else ""),
        Markers(lines[0], _line(text, bar) if bar else None, *lines[1:]),
    )
    style = JJ_GIT if is_jj else DIFF3 if bar else MERGE
    return Marked(opening.start, closing.end, style, conflict, spans)


def _middle(markers: Sequence[_Line]) -> tuple[_Line | None, _Line | None]:
    """The marker of the base and the separator, as far as there are any."""
    named = [line for line in markers if line.mark == "="]
    bars = [line for line in markers if line.mark == "|"]
    equals = [line for line in named if not line.label]
    if bars and not equals:
        equals = named  # jj reads a separator with a label too
    if not equals or len(bars) > 1 or any(bar.start > equals[-1].start for bar in bars):
        return None, None  # these are pieces of several conflicts
    lines = sorted([*bars, *equals], key=lambda line: line.start)
    bar, separator = middle([line.mark for line in lines])
    return None if bar is None else lines[bar], lines[separator]


def _line(text: str, line: _Line) -> str:
    return text[line.start : line.end]


def _jj_conflict(text: str, markers: Sequence[_Line], closing: _Line) -> Marked | None:
    opening = markers[0]
    before: list[_Version] = []
    after: list[_Version] = []
    for section, end in _sections(markers[1:], closing):
        span = (section[-1].end, end)
        if section[0].mark == "%":
            versions = _diff_versions(text[span[0] : span[1]], [line.label for line in section])
            if versions is None:
                return None
            before.append(versions[0])
            after.append(versions[1])
        else:
            label = " ".join(line.label for line in section)
            (before if section[0].mark == "-" else after).append(_snapshot(text, span, label))
    if not before or len(after) != len(before) + 1:
        return None
    shown = ThreeWay(before[0], after[0], after[1])
    is_joined = not _line(text, closing).endswith("\n")  # jj has moved the newline into every version
    shown = shown.map(lambda version: _as_meant(text, version, opening, is_joined))
    style = JJ_DIFF if any(line.mark == "%" for line in markers) else JJ_SNAPSHOT
    conflict = Conflict(
        shown.map(lambda version: version.text), _diff3_markers(text, shown, opening, closing)
    )
    return Marked(
        opening.start, closing.end, style, conflict, shown.map(lambda version: version.span), len(after)
    )


def _sections(markers: Sequence[_Line], closing: _Line) -> Iterator[tuple[list[_Line], int]]:
    """The markers that head each section, with the lines their labels go on in, and where the section ends."""
    heads: list[list[_Line]] = []
    for line in markers:
        if line.mark in "%+-":
            heads.append([line])
        elif line.mark == "\\" and line.start == heads[-1][-1].end:
            heads[-1].append(line)
    ends = [head[0].start for head in heads[1:]]
    yield from zip(heads, [*ends, closing.start], strict=True)


def _snapshot(text: str, span: Span, label: str) -> _Version:
    return _Version(text[span[0] : span[1]], span, *_plain_label(label))


def _diff_versions(diff: str, labels: Sequence[str]) -> tuple[_Version, _Version] | None:
    """What was before a diff and after it; None if it is none."""
    before: list[str] = []
    after: list[str] = []
    for line in lines_of(diff):
        mark, rest = line[0], line[1:]
        if line in ("\n", "\r\n"):  # an editor has stripped the space
            mark, rest = " ", line
        if mark not in " -+":
            return None
        if mark != "+":
            before.append(rest)
        if mark != "-":
            after.append(rest)
    (name, lacks), (other, other_lacks) = _diff_labels(labels)
    return _Version("".join(before), None, name, lacks), _Version("".join(after), None, other, other_lacks)


def _diff_labels(labels: Sequence[str]) -> tuple[tuple[str, bool], tuple[str, bool]]:
    """The names of the versions before and after a diff, and whether they lack the final newline."""
    if len(labels) > 1:
        return _plain_label(labels[0]), _plain_label(" ".join(labels[1:]))
    label, lacks = _plain_label(labels[0])
    bare = _without(label, _NOT_BEFORE + _NOT_AFTER)
    names = _ONE_LINE_DIFF.match(bare)
    before, after = names.groups() if names else ("", bare)
    return (before, lacks or label.endswith(_NOT_BEFORE)), (after, lacks or label.endswith(_NOT_AFTER))


def _plain_label(label: str) -> tuple[str, bool]:
    """The name of a version, and whether a note says that it lacks the final newline."""
    bare = _without(label, _NEITHER)
    return _ONE_LABEL.sub("", bare), bare != label


def _without(label: str, notes: Sequence[str]) -> str:
    for note in notes:
        label = label.removesuffix(note)
    return label


def _as_meant(text: str, version: _Version, opening: _Line, is_joined: bool) -> _Version:
    """`version` without the newline that jj adds so that a marker can follow."""
    if not (is_joined or version.lacks_newline):
        return version
    kept = len(version.text) - _newline_size(version.text, _line(text, opening))
    span = version.span and (version.span[0], version.span[0] + kept)
    return _Version(version.text[:kept], span, version.label, version.lacks_newline)


def _chopped(text: str, span: Span, opening: _Line) -> Span:
    return span[0], span[1] - _newline_size(text[span[0] : span[1]], _line(text, opening))


def _newline_size(text: str, opening: str) -> int:
    """How much of the end of `text` is a newline as `opening` has it: a carriage return can be content."""
    newline = "\r\n" if opening.endswith("\r\n") and text.endswith("\r\n") else "\n"
    return len(newline) if text.endswith(newline) else 0


def _diff3_markers(text: str, shown: ThreeWay[_Version], opening: _Line, closing: _Line) -> Markers:
    newline = "\r\n" if _line(text, opening).endswith("\r\n") else "\n"

    def marker(mark: str, label: str) -> str:
        return mark * opening.size + (f" {label}" if label else "")

    end = newline if _line(text, closing).endswith("\n") else ""
    return Markers(
        marker("<", shown.ours.label) + newline,
        marker("|", shown.base.label) + newline,
        marker("=", "") + newline,
        marker(">", shown.theirs.label) + end,
    )
