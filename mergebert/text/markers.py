"""Conflict markers: `parse` and `render`, an inverse pair for every style in which git, jj and fossil write conflicts.

git: merge, diff3 and zdiff3 markers of any length. jj: diffs, snapshots, and its copy of git's diff3. fossil: its one
style, with or without the resolution that it suggests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mergebert.errors import MarkerError
from mergebert.text.marker_lines import DEFAULT_MARKER_SIZE as DEFAULT_MARKER_SIZE
from mergebert.text.marker_lines import (
    MarkerGroup,
    MarkerLine,
    Span,
    is_jj_section,
    marker_groups,
    marker_lines,
)
from mergebert.text.threeway import ThreeWay

MERGE, DIFF3, JJ_DIFF, JJ_SNAPSHOT, JJ_GIT = "merge", "diff3", "jj-diff", "jj-snapshot", "jj-git"
FOSSIL = "fossil"

UNCLOSED = "This conflict has no closing marker; restore it or remove the other markers."
UNOPENED = "This marker closes a conflict that is not there; restore the others or remove it."
MARKERS_UNFIT = "The markers of this conflict do not fit together; restore them or resolve it by hand."
SECTIONS_UNFIT = "The sections of this conflict do not fit together; restore them or resolve it by hand."

# Of one file: each takes some fifty kilobytes while it is ranked, and nobody reads as many.
MOST_CONFLICTS = 10_000

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_JJ_INFO = re.compile(r"conflict \d+ of \d+", re.IGNORECASE)
_JJ_NAME = re.compile(r"\b[k-z]{8} [0-9a-f]{8}\b|^side #\d", re.IGNORECASE)  # a change and a commit; a number
_FOSSIL_LABELS = ThreeWay("common ancestor", "local copy", "merged in")  # what its markers call the versions
_ANY_MARKER = re.compile(rf"^([<>])\1{{{DEFAULT_MARKER_SIZE - 1},}}(?: |\r?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Markers:
    """The marker lines of one conflict exactly as they stood; `base` is None in the two-way merge style."""

    open: str
    base: str | None
    separator: str
    close: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One conflict hunk: what each side wrote between the markers, and the markers themselves.

    `written` is the hunk as it stands where that is not the markers and the sides one after the other: jj's own styles
    and fossil's, whose `markers` are the diff3 ones that say the same. Of more than two sides, `sides` holds the first
    two.
    """

    sides: ThreeWay[str]
    markers: Markers
    written: str = ""
    sides_count: int = 2

    @property
    def has_base(self) -> bool:
        """Whether the hunk shows what the base held (diff3 and zdiff3 styles)."""
        return self.markers.base is not None

    @property
    def labels(self) -> ThreeWay[str]:
        """The names git wrote behind the markers; empty where it wrote none."""
        return ThreeWay(
            _label(self.markers.base or ""), _label(self.markers.open), _label(self.markers.close)
        )

    @property
    def is_two_sided(self) -> bool:
        """Whether the two sides are all of it; jj has conflicts with more, which only a person can resolve."""
        return self.sides_count == 2

    def __str__(self) -> str:
        if self.written:
            return self.written
        marked = self.markers
        middle = "" if marked.base is None else marked.base + self.sides.base
        return marked.open + self.sides.ours + middle + marked.separator + self.sides.theirs + marked.close


Item = str | Conflict  # of a file: agreed text, or a conflict


def conflicts_in(items: Iterable[Item]) -> tuple[Conflict, ...]:
    """The conflicts among `items`, in order."""
    return tuple(item for item in items if isinstance(item, Conflict))


@dataclass(frozen=True, slots=True)
class MergedFile:
    """A line merge: agreed text and conflicts, in file order."""

    parts: tuple[Item, ...]

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts in file order."""
        return conflicts_in(self.parts)

    def side(self, name: str) -> str:
        """The whole text of one version, `base`, `ours` or `theirs`, as far as the line merge holds it."""
        return "".join(
            part if isinstance(part, str) else str(getattr(part.sides, name)) for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class MarkedConflict:
    """A conflict and where it stands: from its opening marker to the end of its closing one, in characters.

    `spans` are where each version stands, None where it is not shown or only as a diff.
    """

    start: int
    end: int
    style: str
    conflict: Conflict
    spans: ThreeWay[Span | None]


@dataclass(frozen=True, slots=True)
class TornMarkers:
    """Markers that make no conflict, and why; a single marker without its partner spans its own line.

    `reopened` is where another conflict opens inside.
    """

    start: int
    end: int
    reason: str
    reopened: int | None = None


def has_markers(text: str) -> bool:
    """Whether a line of `text` could be the opening or closing marker of a conflict."""
    return _ANY_MARKER.search(text) is not None


def has_separator(text: str) -> bool:
    """Whether a line of `text` reads as the separator of a conflict with git's usual markers."""
    return any(line.mark == "=" and line.is_bare for line in marker_lines(text, DEFAULT_MARKER_SIZE))


def lines_of(text: str) -> list[str]:
    """The lines of `text` with their newlines; joining them gives `text` back (only a line feed ends a line)."""
    return _LINES.findall(text)


def parse(text: str, marker_size: int | None = None, versions: ThreeWay[str] | None = None) -> MergedFile:
    """The agreed text of `text` and the conflicts that `marked_conflicts` finds in it.

    Raises MarkerError at torn markers, but for a closing marker alone, which is text.
    """
    found = marked_conflicts(text, marker_size, versions)
    torn = next((one for one in found if isinstance(one, TornMarkers) and one.reason != UNOPENED), None)
    if torn is not None:
        raise MarkerError(_torn_sentence(text, torn))
    return split_at(text, (one for one in found if isinstance(one, MarkedConflict)))


def marked_conflicts(
    text: str, marker_size: int | None = None, versions: ThreeWay[str] | None = None
) -> tuple[MarkedConflict | TornMarkers, ...]:
    """The conflicts of `text` and what is left of torn ones, in order and apart from each other; never raises.

    With no `marker_size` every conflict shows its own, of at least seven characters. A conflict inside another
    belongs to the text of that one. The whole `versions` tell a separator from a line that reads as one. Takes
    linear time.
    """
    run = marker_size or DEFAULT_MARKER_SIZE
    if "<" * run not in text and ">" * run not in text:
        return ()
    return tuple(_apart(text, marker_groups(text, marker_size), versions))


def marker_size_in(text: str, size: int | None) -> int | None:
    """`size` where a conflict with markers of it stands in `text`: what has others there is content; None elsewhere."""
    if size is None:
        return None
    is_there = any(isinstance(one, MarkedConflict) for one in marked_conflicts(text, size))
    return size if is_there else None


def are_countless(text: str, size: int | None) -> bool:
    """Whether more conflicts open in `text` than are ever looked at."""
    return text.count("\n" + "<" * (size or DEFAULT_MARKER_SIZE)) > MOST_CONFLICTS


def split_at(text: str, conflicts: Iterable[MarkedConflict]) -> MergedFile:
    """`text` as the conflicts at these places and the agreed text around them."""
    parts: list[Item] = []
    at = 0
    for one in conflicts:
        parts += [text[at : one.start], one.conflict]
        at = one.end
    return MergedFile(tuple(part for part in [*parts, text[at:]] if part != ""))


def parse_line_merge(text: str) -> MergedFile:
    """The line merge that we wrote ourselves, with markers of git's usual size and nothing else that reads as one."""
    return parse(text, DEFAULT_MARKER_SIZE)


def render(merged: MergedFile) -> str:
    """The file text of `merged`, byte for byte what `parse` read."""
    return "".join(map(str, merged.parts))


def resolved(merged: MergedFile, texts: Mapping[int, str]) -> MergedFile:
    """`merged` with the conflicts whose index is in `texts` replaced by that text."""
    parts: list[Item] = []
    index = 0
    for part in merged.parts:
        if isinstance(part, Conflict):
            parts.append(texts.get(index, part))
            index += 1
        else:
            parts.append(part)
    return MergedFile(tuple(parts))


def _torn_sentence(text: str, torn: TornMarkers) -> str:
    line = text.count("\n", 0, torn.start) + 1
    if torn.reopened is not None:
        inside = text.count("\n", 0, torn.reopened) + 1
        return (
            f"Line {inside}: a conflict opens inside the one of line {line}; finish that one by hand first."
        )
    if torn.reason == SECTIONS_UNFIT:
        return f"Line {line}: {SECTIONS_UNFIT[0].lower()}{SECTIONS_UNFIT[1:]}"
    return f"Line {line}: the conflict has no closing marker; restore it or resolve it by hand."


def _apart(
    text: str, groups: Sequence[MarkerGroup], versions: ThreeWay[str] | None
) -> Iterator[MarkedConflict | TornMarkers]:
    """What the groups say, in order, without those that start inside another."""
    end = 0
    for group in groups:
        if group.lines[0].start >= end:
            found = _found(text, group, versions)
            yield found
            end = found.end


def _found(text: str, group: MarkerGroup, versions: ThreeWay[str] | None) -> MarkedConflict | TornMarkers:
    first, last = group.lines[0], group.lines[-1]
    reopened = group.reopened.start if group.reopened else None
    if not group.is_whole:
        return TornMarkers(first.start, first.end, UNOPENED if group.is_closed else UNCLOSED, reopened)
    is_jj = is_jj_section(group.lines)
    if is_jj and any(line.mark == "=" for line in group.lines):  # then a side could start with such a line
        is_jj = _JJ_INFO.match(first.label) is not None
    if first.is_fossil:
        found = _fossil_conflict(text, group.lines)
    elif is_jj:
        found = _jj_conflict(text, group.lines)
    else:
        found = _git_conflict(text, group.lines, versions)
    if found is None:
        return TornMarkers(first.start, last.end, SECTIONS_UNFIT if is_jj else MARKERS_UNFIT, reopened)
    return found


def _fossil_conflict(text: str, lines: Sequence[MarkerLine]) -> MarkedConflict | None:
    """What fossil wrote; the resolution it suggests belongs to no version."""
    opening, *inner, closing = lines
    if "".join(line.mark for line in inner) not in ("|=", "#|="):
        return None
    bar, separator = inner[-2:]
    spans = ThreeWay(
        (bar.end, separator.start), (opening.end, inner[0].start), (separator.end, closing.start)
    )
    conflict = Conflict(
        spans.map(lambda span: text[slice(*span)]),
        _diff3_markers(text, opening, closing, _FOSSIL_LABELS),
        text[opening.start : closing.end],
    )
    return MarkedConflict(opening.start, closing.end, FOSSIL, conflict, ThreeWay(*spans))


def _git_conflict(
    text: str, lines: Sequence[MarkerLine], versions: ThreeWay[str] | None
) -> MarkedConflict | None:
    opening, *inner, closing = lines
    bar, separator = _middle(text, inner)
    if separator is None:
        return None
    if versions is not None:
        separator = _separator_by_versions(text, lines, (bar, separator), versions)
    is_jj = bar is not None and any(_JJ_NAME.search(line.label) for line in (opening, closing))
    spans = ThreeWay(
        (bar.end, separator.start) if bar else None,
        (opening.end, (bar or separator).start),
        (separator.end, closing.start),
    )
    written = ""
    if is_jj and not closing.of(text).endswith("\n"):  # jj has moved the newline into every version
        from mergebert.text.jj_sections import newline_size  # what git writes needs none of it

        newline, written = opening.newline(text), text[opening.start : closing.end]
        spans = spans.map(
            lambda span: span and (span[0], span[1] - newline_size(text[slice(*span)], newline))
        )
    markers = Markers(opening.of(text), bar.of(text) if bar else None, separator.of(text), closing.of(text))
    conflict = Conflict(spans.map(lambda span: text[slice(*span)] if span else ""), markers, written)
    style = JJ_GIT if is_jj else DIFF3 if bar else MERGE
    return MarkedConflict(opening.start, closing.end, style, conflict, spans)


def _middle(text: str, lines: Sequence[MarkerLine]) -> tuple[MarkerLine | None, MarkerLine | None]:
    """The marker of the base, if there is one, and the separator; None where these are pieces of several conflicts.

    A version may hold lines that read as a separator, such as the underline of a heading of seven letters. Where not
    all but one stand below a heading, all versions are taken to hold as many of them, as far as that is possible.
    """
    bars = [line for line in lines if line.mark == "|"]
    named = [line for line in lines if line.mark == "="]
    equals = [line for line in named if line.is_bare]
    if bars and not equals:
        equals = named  # jj reads a separator with a label too
    if not equals or len(bars) > 1 or any(bar.start > equals[-1].start for bar in bars):
        return None, None
    if not bars:
        others = [line for line in equals if not _is_underline(text, line)]
        return None, others[0] if len(others) == 1 else equals[(len(equals) - 1) // 2]
    after = [line for line in equals if line.start > bars[0].start]
    return bars[0], after[min(len(equals) - len(after), len(after) - 1)]


def _is_underline(text: str, line: MarkerLine) -> bool:
    """Whether a heading of the same length stands above, itself the first line of a version or below an empty one."""
    start = line.start - len(line.newline(text)) - line.size
    heading = text[start : line.start]
    if text[start - 1] != "\n" or heading.find("\n") != len(heading) - 1 or heading[0].isspace():
        return False
    above = text[text.rfind("\n", 0, start - 1) + 1 : start].strip()
    return above in ("", "=" * line.size) or above.startswith("<" * line.size)


def _separator_by_versions(
    text: str,
    lines: Sequence[MarkerLine],
    middle: tuple[MarkerLine | None, MarkerLine],
    versions: ThreeWay[str],
) -> MarkerLine:
    """The separator with which each side stands in its version; the one of `middle` where none or that does too."""
    bar, separator = middle
    start, end = lines[0].end, lines[-1].start
    lone = [
        line for line in lines if line.mark == "=" and line.is_bare and line.start >= (bar.end if bar else 0)
    ]

    def fits(line: MarkerLine) -> bool:
        ours = text[start : (bar or line).start]
        base = text[bar.end : line.start] if bar else ""
        sides = ThreeWay(base, ours, text[line.end : end])
        return all(f"\n{side}" in f"\n{version}\n" for side, version in zip(sides, versions, strict=True))

    return next(filter(fits, (separator, *lone)), separator) if len(lone) > 1 else separator


def _jj_conflict(text: str, lines: Sequence[MarkerLine]) -> MarkedConflict | None:
    from mergebert.text.jj_sections import jj_versions  # what git writes needs none of it

    opening, closing = lines[0], lines[-1]
    versions = jj_versions(text, lines)
    if versions is None:
        return None
    shown = ThreeWay(versions.bases[0], versions.sides[0], versions.sides[1])
    conflict = Conflict(
        shown.map(lambda version: version.text),
        _diff3_markers(text, opening, closing, shown.map(lambda version: version.label)),
        text[opening.start : closing.end],
        len(versions.sides),
    )
    style = JJ_DIFF if any(line.mark == "%" for line in lines) else JJ_SNAPSHOT
    spans = shown.map(lambda version: version.span)
    return MarkedConflict(opening.start, closing.end, style, conflict, spans)


def _diff3_markers(text: str, opening: MarkerLine, closing: MarkerLine, labels: ThreeWay[str]) -> Markers:
    """Markers in git's diff3 style, of the size and with the newlines of those that stand in `text`."""
    newline = opening.newline(text)

    def marker(mark: str, label: str, end: str = newline) -> str:
        return mark * opening.size + (f" {label}" if label else "") + end

    return Markers(
        marker("<", labels.ours),
        marker("|", labels.base),
        marker("=", ""),
        marker(">", labels.theirs, newline if closing.of(text).endswith("\n") else ""),
    )


def _label(marker: str) -> str:
    return marker.rstrip("\r\n").lstrip("<|>").strip()
