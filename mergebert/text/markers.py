"""Conflict markers: `parse` and `render`, an inverse pair for merge, diff3 and zdiff3 styles of any marker length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mergebert.errors import MarkerError
from mergebert.text.threeway import ThreeWay

DEFAULT_MARKER_SIZE = 7  # git's own, see gitattributes(5) conflict-marker-size

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_OPEN = re.compile(r"(<+)(?: [^\n]*)?\r?\n?\Z")
_ANY_MARKER = re.compile(r"^(?:<{7,}|>{7,})(?: |\r?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Markers:
    """The marker lines of one conflict exactly as they stood; `base` is None in the two-way merge style."""

    open: str
    base: str | None
    separator: str
    close: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One conflict hunk: what each side wrote between the markers, and the markers themselves."""

    sides: ThreeWay[str]
    markers: Markers

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

    def __str__(self) -> str:
        marked = self.markers
        middle = "" if marked.base is None else marked.base + self.sides.base
        return marked.open + self.sides.ours + middle + marked.separator + self.sides.theirs + marked.close


@dataclass(frozen=True, slots=True)
class MergedFile:
    """A line merge: agreed text and conflicts, in file order."""

    parts: tuple[str | Conflict, ...]

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts in file order."""
        return tuple(part for part in self.parts if isinstance(part, Conflict))

    def side(self, name: str) -> str:
        """The whole text of one version, `base`, `ours` or `theirs`, as far as the line merge holds it."""
        return "".join(
            part if isinstance(part, str) else str(getattr(part.sides, name)) for part in self.parts
        )


def has_markers(text: str) -> bool:
    """Whether a line of `text` could be the opening or closing marker of a conflict."""
    return _ANY_MARKER.search(text) is not None


def lines_of(text: str) -> list[str]:
    """The lines of `text` with their newlines; joining them gives `text` back (only a line feed ends a line)."""
    return _LINES.findall(text)


def parse(text: str, marker_size: int | None = None) -> MergedFile:
    """The agreed text and conflicts of `text`; with no `marker_size` every conflict shows its own.

    Raises MarkerError where a conflict opens and does not close, or opens again inside itself.
    """
    if "<" * (marker_size or DEFAULT_MARKER_SIZE) not in text:
        return MergedFile((text,) if text else ())
    parts: list[str | Conflict] = []
    agreed: list[str] = []
    lines = enumerate(lines_of(text), start=1)
    for number, line in lines:
        size = _opening_size(line, marker_size) if line.startswith("<") else 0
        if not size:
            agreed.append(line)
            continue
        if agreed:
            parts.append("".join(agreed))
            agreed = []
        parts.append(_conflict(line, number, size, lines))
    if agreed:
        parts.append("".join(agreed))
    return MergedFile(tuple(parts))


def parse_line_merge(text: str) -> MergedFile:
    """The line merge that we wrote ourselves, with markers of git's usual size and nothing else that reads as one."""
    return parse(text, DEFAULT_MARKER_SIZE)


def render(merged: MergedFile) -> str:
    """The file text of `merged`, byte for byte what `parse` read."""
    return "".join(map(str, merged.parts))


def resolved(merged: MergedFile, texts: Mapping[int, str]) -> MergedFile:
    """`merged` with the conflicts whose index is in `texts` replaced by that text."""
    parts: list[str | Conflict] = []
    index = 0
    for part in merged.parts:
        if isinstance(part, Conflict):
            parts.append(texts.get(index, part))
            index += 1
        else:
            parts.append(part)
    return MergedFile(tuple(parts))


def _opening_size(line: str, marker_size: int | None) -> int:
    found = _OPEN.match(line)
    size = len(found[1]) if found else 0
    is_wanted = size >= DEFAULT_MARKER_SIZE if marker_size is None else size == marker_size
    return size if is_wanted else 0


def _conflict(opening: str, number: int, size: int, lines: Iterator[tuple[int, str]]) -> Conflict:
    """The conflict that starts with `opening`; takes its lines from `lines`."""
    inside: list[str] = []
    kinds: list[str] = []
    for at, line in lines:
        kind = _marker_kind(line, size)
        if kind == "<":
            raise MarkerError(
                f"Line {at}: a conflict opens inside the one of line {number}; finish that one by hand first."
            )
        if kind == ">" and "=" in kinds:
            return _assembled(opening, inside, kinds, line)
        inside.append(line)
        kinds.append(kind)
    raise MarkerError(f"Line {number}: the conflict has no closing marker; restore it or resolve it by hand.")


def _assembled(opening: str, inside: Sequence[str], kinds: Sequence[str], closing: str) -> Conflict:
    bar, separator = middle(kinds)
    base = "" if bar is None else "".join(inside[bar + 1 : separator])
    sides = ThreeWay(
        base, "".join(inside[: separator if bar is None else bar]), "".join(inside[separator + 1 :])
    )
    return Conflict(sides, Markers(opening, None if bar is None else inside[bar], inside[separator], closing))


def middle(kinds: Sequence[str]) -> tuple[int | None, int]:
    """The places of the base's marker, if there is one, and of the separator, among lines of which at least one is `=`.

    A version may hold lines that read as a separator, such as the underline of a heading of seven letters; then all
    versions are taken to hold as many of them, as far as that is possible.
    """
    equals = [at for at, kind in enumerate(kinds) if kind == "="]
    bar = next((at for at, kind in enumerate(kinds) if kind == "|"), None)
    if bar is None or bar > equals[-1]:
        return None, equals[(len(equals) - 1) // 2]
    after = [at for at in equals if at > bar]
    return bar, after[min(len(equals) - len(after), len(after) - 1)]


def _marker_kind(line: str, size: int) -> str:
    """`<`, `|`, `=` or `>` if `line` is a marker of exactly `size`, else empty."""
    mark = line[:1]
    if mark not in "<|=>" or not mark or line[:size] != mark * size:
        return ""
    rest = line[size:].rstrip("\r\n")
    if mark == "=":
        return mark if not rest else ""
    return mark if not rest or rest[0] == " " else ""


def _label(marker: str) -> str:
    return marker.rstrip("\r\n").lstrip("<|>").strip()
