"""What the sections of a jj conflict say: diffs (`%%%%%%%`) and snapshots (`+++++++`, `-------`) read as versions.

The grammar is described in docs/conflicts.md of jj-vcs/jj; it has changed with versions 0.25, 0.37 and 0.38, and all
of them are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO

from mergebert.text.marker_lines import MarkerLine, Span

_ONE_LINE_DIFF = re.compile(r"(?:changes|diff) from (.+?) to (.+)", re.IGNORECASE)
_ONE_LABEL = re.compile(r"^(?:contents of|diff from:|to:) *", re.IGNORECASE)

# What stands behind the label of a version that has no final newline, in three generations of jj. One note may
# stand for both versions of a diff, or say which of them it speaks of.
_NEITHER = (" (no terminating newline)", " [noeol]")
_NOT_AFTER = (" (removes terminating newline)", " [+noeol]")
_NOT_BEFORE = (" (adds terminating newline)", " [-noeol]")


@dataclass(frozen=True, slots=True)
class JjVersion:
    """What one section says one version is, and where that stands in the text; None where it stands as a diff."""

    text: str
    span: Span | None
    label: str
    lacks_newline: bool


@dataclass(frozen=True, slots=True)
class JjVersions:
    """The versions of a conflict, in the order of their sections: one more side than there are bases."""

    bases: tuple[JjVersion, ...]
    sides: tuple[JjVersion, ...]


def jj_versions(text: str, lines: Sequence[MarkerLine]) -> JjVersions | None:
    """The versions that the sections between the first and the last marker hold; None if they do not fit together."""
    opening, *heads, closing = lines
    bases: list[JjVersion] = []
    sides: list[JjVersion] = []
    for section, end in _sections(heads, closing):
        span = (section[-1].end, end)
        labels = [line.label for line in section]
        if section[0].mark == "%":
            versions = _diff_versions(text[slice(*span)], labels)
            if versions is None:
                return None
            bases.append(versions[0])
            sides.append(versions[1])
        else:
            label, lacks = _plain_label(" ".join(labels))
            (bases if section[0].mark == "-" else sides).append(
                JjVersion(text[slice(*span)], span, label, lacks)
            )
    if not bases or len(sides) != len(bases) + 1:
        return None
    is_joined = not closing.of(text).endswith("\n")  # jj has moved the newline into every version
    newline = opening.newline(text)
    return JjVersions(
        *(tuple(_as_meant(one, newline, is_joined) for one in found) for found in (bases, sides))
    )


def newline_size(text: str, newline: str) -> int:
    """How much of the end of `text` is that newline, or a line feed: a carriage return can be content."""
    return len(newline) if text.endswith(newline) else int(text.endswith("\n"))


def _sections(markers: Sequence[MarkerLine], closing: MarkerLine) -> Iterator[tuple[list[MarkerLine], int]]:
    """The markers that head each section, with the lines their labels go on in, and where the section ends."""
    heads: list[list[MarkerLine]] = []
    for line in markers:
        if line.mark in "%+-":
            heads.append([line])
        elif line.mark == "\\" and line.start == heads[-1][-1].end:
            heads[-1].append(line)
    ends = [head[0].start for head in heads[1:]]
    yield from zip(heads, [*ends, closing.start], strict=True)


def _diff_versions(diff: str, labels: Sequence[str]) -> tuple[JjVersion, JjVersion] | None:
    """What was before a diff and after it; None if it is none."""
    before: list[str] = []
    after: list[str] = []
    for line in StringIO(diff):  # which only a line feed ends
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
    return JjVersion("".join(before), None, name, lacks), JjVersion("".join(after), None, other, other_lacks)


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


def _as_meant(version: JjVersion, newline: str, is_joined: bool) -> JjVersion:
    """`version` without the newline that jj adds so that a marker can follow."""
    if not (is_joined or version.lacks_newline):
        return version
    kept = len(version.text) - newline_size(version.text, newline)
    span = version.span and (version.span[0], version.span[0] + kept)
    return replace(version, text=version.text[:kept], span=span)
