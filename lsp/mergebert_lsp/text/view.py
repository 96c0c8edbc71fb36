"""A text of the editor and all that is known of its conflicts at this moment: what every feature shows."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s

from mergebert.text.markers import MarkedConflict, TornMarkers, marked_conflicts
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.positions import Positions
from mergebert_lsp.text.region import Region, Suggestion


@dataclass(frozen=True, slots=True)
class Edit:
    """What replaces the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One conflict of a text: its number among them, a name that lasts while it is not edited, and its answers."""

    number: int
    id: str
    marked: MarkedConflict
    region: Region | None = None
    start: int = 0  # of the region
    is_first: bool = True  # of its region

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What is suggested, best first."""
        return self.region.suggestions if self.region else ()

    @property
    def is_sure(self) -> bool:
        """Whether the best suggestion is within the error budget."""
        return bool(self.suggestions) and self.region is not None and self.region.is_sure

    @property
    def sides(self) -> ThreeWay[str]:
        """The versions of the conflict, whole where git knows more of them than the markers show."""
        return (self.region and self.region.sides) or self.marked.conflict.sides

    @property
    def knows_base(self) -> bool:
        """Whether anybody knows what the base held."""
        return self.marked.conflict.has_base or bool(self.region and self.region.sides)

    def edit(self, choice: str) -> Edit | None:
        """What resolves the conflict as chosen: a rank or the name of a side; None where there is no such choice."""
        if not self.marked.conflict.is_two_sided:
            return None
        if choice.isascii() and choice.isdigit():
            return self._suggested(int(choice))
        region = self.region
        if region is not None and choice in region.choices and (region.count == 1 or choice == "base"):
            return Edit(self.start, self.start + len(region.text), region.choices[choice])
        text = self._side(choice)
        return None if text is None else Edit(self.marked.start, self.marked.end, text)

    def _suggested(self, rank: int) -> Edit | None:
        if self.region is None or not 1 <= rank <= len(self.suggestions):
            return None
        return Edit(self.start, self.start + len(self.region.text), self.suggestions[rank - 1].text)

    def _side(self, choice: str) -> str | None:
        conflict = self.marked.conflict
        if choice not in CHOICES or (choice == "base" and not conflict.has_base):
            return None
        return CHOICES[choice](conflict.sides)


class View:
    """One version of a text with its conflicts, as far as they have been answered."""

    def __init__(
        self, uri: str, version: int | None, text: str, encoding: str, regions: Iterable[Region] = ()
    ) -> None:
        self.uri = uri
        self.version = version
        self.text = text
        self.positions = Positions(text, encoding)
        self._regions = tuple(regions)
        found = () if "\0" in text else marked_conflicts(text)  # git writes no markers into a binary file
        self._marks = tuple(one for one in found if isinstance(one, MarkedConflict))
        self.torn = tuple(one for one in found if isinstance(one, TornMarkers))

    def answered(self, regions: Iterable[Region]) -> View:
        """The same text with other answers."""
        view = copy(self)
        view.__dict__.pop("conflicts", None)
        view._regions = tuple(regions)
        return view

    @property
    def has_conflicts(self) -> bool:
        """Whether any conflict or what is left of one stands in the text."""
        return bool(self._marks or self.torn)

    @cached_property
    def conflicts(self) -> tuple[Shown, ...]:
        """The conflicts in order, each with what is known of it."""
        placed = _placed(self.text, self._marks, self._regions)
        seen: Counter[str] = Counter()
        found = []
        for at, one in enumerate(self._marks):
            name = blake2s(self.text[one.start : one.end].encode("utf-8", "surrogatepass")).hexdigest()[:12]
            region, start, is_first = placed.get(at, (None, one.start, True))
            found.append(Shown(at + 1, f"{name}-{seen[name]}", one, region, start, is_first))
            seen[name] += 1
        return tuple(found)

    def find(self, name: object) -> Shown | None:
        """The conflict of that name, or of that number in the text."""
        return next((one for one in self.conflicts if name in (one.id, one.number)), None)

    def at(self, start: int, end: int) -> tuple[Shown, ...]:
        """The conflicts that the characters from `start` to `end` touch."""
        return tuple(one for one in self.conflicts if one.marked.start <= end and start < one.marked.end)


def _placed(
    text: str, marks: Sequence[MarkedConflict], regions: Iterable[Region]
) -> Mapping[int, tuple[Region, int, bool]]:
    """For each conflict its region, where that starts, and whether the conflict is its first.

    A region holds where its text still stands: an answer outlives every edit that does not touch it.
    """
    waiting: defaultdict[str, deque[Region]] = defaultdict(deque)
    for region in regions:
        waiting[_first_conflict(region)].append(region)
    found: dict[int, tuple[Region, int, bool]] = {}
    for at, one in enumerate(marks):
        candidates = waiting.get(text[one.start : one.end])
        if at in found or not candidates:
            continue
        region = candidates.popleft()
        if text.startswith(region.text, one.start):
            for place in range(at, at + region.count):
                found[place] = (region, one.start, place == at)
    return found


def _first_conflict(region: Region) -> str:
    if region.count == 1:  # most are; not parsed, because this is asked at every keystroke
        return region.text
    found = [one for one in marked_conflicts(region.text) if isinstance(one, MarkedConflict)]
    return region.text[found[0].start : found[0].end] if found else ""
