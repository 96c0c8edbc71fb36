"""A text of the editor and all that is known of its conflicts at this moment: what every feature shows."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s

from mergebert.text.markers import MarkedConflict, TornMarkers, marked_conflicts
from mergebert.text.nested_markers import has_written_base, nests
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.marker_facts import MarkerFacts
from mergebert_lsp.text.positions import Positions
from mergebert_lsp.text.suggestions import ConflictSuggestions, Suggestion

NO_FACTS = MarkerFacts()


@dataclass(frozen=True, slots=True)
class Edit:
    """What replaces the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class DocumentConflict:
    """One conflict of a text: its number among them, a name that lasts while it is not edited, and its suggestions."""

    number: int
    id: str
    marked: MarkedConflict
    suggested: ConflictSuggestions | None = None
    start: int = 0  # of the text that the suggestions are for
    is_first: bool = True  # of the conflicts there

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What is suggested, best first."""
        return self.suggested.suggestions if self.suggested else ()

    @property
    def is_sure(self) -> bool:
        """Whether the best suggestion is within the error budget."""
        return bool(self.suggestions) and self.suggested is not None and self.suggested.is_sure

    @property
    def sides(self) -> ThreeWay[str]:
        """The versions of the conflict, whole where git knows more of them than the markers show."""
        return (self.suggested and self.suggested.sides) or self.marked.conflict.sides

    @property
    def knows_base(self) -> bool:
        """Whether anybody knows what the base held, and that is no conflict between several merge bases."""
        is_known = self.marked.conflict.has_base or bool(self.suggested and self.suggested.sides)
        return is_known and not nests(self.sides.base, self.sides)

    def edit(self, choice: str) -> Edit | None:
        """What resolves the conflict as chosen: a rank or the name of a side; None where there is no such choice."""
        if not self.marked.conflict.is_two_sided:
            return None
        if choice.isascii() and choice.isdigit():
            return self._accepted(int(choice))
        known = self.suggested
        if known is not None and choice in known.choices and (known.count == 1 or choice == "base"):
            return Edit(self.start, self.start + len(known.text), known.choices[choice])
        text = self._side(choice)
        return None if text is None else Edit(self.marked.start, self.marked.end, text)

    def _accepted(self, rank: int) -> Edit | None:
        if self.suggested is None or not 1 <= rank <= len(self.suggestions):
            return None
        return Edit(self.start, self.start + len(self.suggested.text), self.suggestions[rank - 1].text)

    def _side(self, choice: str) -> str | None:
        conflict = self.marked.conflict
        if choice not in CHOICES or (choice == "base" and not has_written_base(conflict)):
            return None
        return CHOICES[choice].text(conflict.sides)


class DocumentState:
    """One version of a text with its conflicts, as far as suggestions are known."""

    def __init__(
        self,
        uri: str,
        version: int | None,
        text: str,
        encoding: str,
        suggested: Iterable[ConflictSuggestions] = (),
        facts: MarkerFacts | None = NO_FACTS,
    ) -> None:
        """`facts` are None as long as git was not asked: no marker counts then, for it may be content."""
        self.uri = uri
        self.version = version
        self.text = text
        self.positions = Positions(text, encoding)
        self._suggested = tuple(suggested)
        self._read_markers(facts)

    def _read_markers(self, facts: MarkerFacts | None) -> None:
        # git writes no markers into a binary file.
        found = () if facts is None or "\0" in self.text else facts.marked(self.text)
        self._marks = tuple(one for one in found if isinstance(one, MarkedConflict))
        self.torn = tuple(one for one in found if isinstance(one, TornMarkers))

    def with_suggestions(
        self, suggested: Iterable[ConflictSuggestions], facts: MarkerFacts | None = NO_FACTS
    ) -> DocumentState:
        """The same text with other suggestions and facts."""
        document = copy(self)
        document.__dict__.pop("conflicts", None)
        document._suggested = tuple(suggested)
        document._read_markers(facts)
        return document

    @property
    def has_conflicts(self) -> bool:
        """Whether any conflict or what is left of one stands in the text."""
        return bool(self._marks or self.torn)

    @cached_property
    def conflicts(self) -> tuple[DocumentConflict, ...]:
        """The conflicts in order, each with what is known of it."""
        by_conflict = _suggestions_by_conflict(self.text, self._marks, self._suggested)
        seen: Counter[str] = Counter()
        found = []
        for at, one in enumerate(self._marks):
            name = blake2s(self.text[one.start : one.end].encode("utf-8", "surrogatepass")).hexdigest()[:12]
            suggested, start, is_first = by_conflict.get(at, (None, one.start, True))
            found.append(DocumentConflict(at + 1, f"{name}-{seen[name]}", one, suggested, start, is_first))
            seen[name] += 1
        return tuple(found)

    def find(self, name: object) -> DocumentConflict | None:
        """The conflict of that name, or of that number in the text."""
        return next((one for one in self.conflicts if name in (one.id, one.number)), None)

    def at(self, start: int, end: int) -> tuple[DocumentConflict, ...]:
        """The conflicts that the characters from `start` to `end` touch."""
        return tuple(one for one in self.conflicts if one.marked.start <= end and start < one.marked.end)


def _suggestions_by_conflict(
    text: str, marks: Sequence[MarkedConflict], suggested: Iterable[ConflictSuggestions]
) -> Mapping[int, tuple[ConflictSuggestions, int, bool]]:
    """For each conflict its suggestions, where their text starts, and whether the conflict is its first.

    Suggestions hold where their text still stands: they outlive every edit that does not touch it.
    """
    waiting: defaultdict[str, deque[ConflictSuggestions]] = defaultdict(deque)
    for each in suggested:
        waiting[_first_conflict(each)].append(each)
    found: dict[int, tuple[ConflictSuggestions, int, bool]] = {}
    for at, one in enumerate(marks):
        candidates = waiting.get(text[one.start : one.end])
        if at in found or not candidates:
            continue
        first = candidates.popleft()
        if text.startswith(first.text, one.start):
            for place in range(at, at + first.count):
                found[place] = (first, one.start, place == at)
    return found


def _first_conflict(suggested: ConflictSuggestions) -> str:
    if suggested.count == 1:  # most are; not parsed, because this is asked at every keystroke
        return suggested.text
    found = [one for one in marked_conflicts(suggested.text) if isinstance(one, MarkedConflict)]
    return suggested.text[found[0].start : found[0].end] if found else ""
