"""Every plausible resolution of one conflict: the nine patterns on lines and on tokens, merges and unions of both.

A candidate is a text together with its origins: each way to make it. Different origins often give the same text;
such candidates are one, and the classifier's probability of the text is the sum over its origins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from mergebert.text.align import Change, Hunk, ThreeWayDiff, three_way_diff
from mergebert.text.languages import Language
from mergebert.text.markers import Conflict, lines_of
from mergebert.text.patterns import (
    OURS,
    PATTERNS,
    PRIOR,
    THEIRS,
    Pattern,
    Source,
    apply,
    k_best,
    merged_sources,
)
from mergebert.text.threeway import ThreeWay
from mergebert.text.tokens import is_space, tokenize
from mergebert.text.turned_space import turned_space

TOKEN_LIMIT = 60_000  # tokens of all three sides together; beyond it only whole lines are combined
# Characters of all three sides together; beyond it ours and theirs alone are offered: a dozen ways of joining them would
# take a gigabyte.
LARGEST_JOINED = 2_000_000
UNION_LINES = 200  # longer lists of lines are no imports and are not sorted
_BOM = "\ufeff"
SEAM = 3  # tokens on either side of a seam that could become others together
CHOICES = 8  # joint choices tried over several disputed token hunks


@dataclass(frozen=True, slots=True)
class Origin:
    """One way to make a candidate: the method and, where hunks were disputed, the pattern of each."""

    method: str
    patterns: tuple[Pattern, ...] = ()

    @property
    def name(self) -> str:
        """A short name for people: the one pattern, or all of them in order."""
        return "/".join(dict.fromkeys(pattern.value for pattern in self.patterns)) or "clean"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible resolution and every way found to make it."""

    text: str
    origins: tuple[Origin, ...]

    @property
    def method(self) -> str:
        """The first method that made it."""
        return self.origins[0].method

    @property
    def pattern(self) -> str:
        """The pattern of its first origin."""
        return self.origins[0].name


@dataclass(frozen=True, slots=True)
class Units:
    """A text in units, lines or tokens: `texts` join to it, `keys` are what the diff compares."""

    texts: list[str]
    keys: list[str]


class ConflictDiff:
    """The line and token units of one conflict and their three-way diffs, each made once when asked for."""

    def __init__(self, conflict: Conflict, language: Language) -> None:
        self.conflict = conflict
        self.language = language
        self._line_keys: dict[str, list[str]] = {}

    def keys_of(self, text: str) -> list[str]:
        """The tokens of a text but white space; a line met before costs nothing, and candidates share their lines."""
        found: list[str] = []
        for line in lines_of(text):
            keys = self._line_keys.get(line)
            if keys is None:
                keys = self._line_keys[line] = [
                    token for token in tokenize(line, self.language) if not is_space(token)
                ]
            found += keys
        return found

    @cached_property
    def lines(self) -> ThreeWay[Units]:
        """The lines of each side, compared without their surrounding blanks."""
        return self.conflict.sides.map(line_units)

    @cached_property
    def tokens(self) -> ThreeWay[Units]:
        """The tokens of each side, each with the white space before it, compared without that."""
        return self.conflict.sides.map(lambda text: token_units(text, self.language))

    @cached_property
    def line_diff(self) -> ThreeWayDiff:
        """The three-way diff of the lines."""
        return three_way_diff(self.lines.map(lambda units: units.keys))

    @cached_property
    def token_diff(self) -> ThreeWayDiff:
        """The three-way diff of the tokens: its disputed hunks are the token hunks the classifier sees."""
        return three_way_diff(self.tokens.map(lambda units: units.keys), trims_insertions=False)

    @cached_property
    def size(self) -> int:
        """The characters of all three sides."""
        return sum(map(len, self.conflict.sides))

    @property
    def is_small(self) -> bool:
        """Whether tokens are worth comparing at all; a bound on time and memory."""
        return self.size <= 4 * TOKEN_LIMIT


def whitespace_key(text: str) -> str:
    """`text` without any white space: what "the same resolution" means in every figure."""
    return "".join(text.split())


def line_units(text: str) -> Units:
    """The lines of `text`."""
    lines = lines_of(text)
    return Units(lines, [line.strip() for line in lines])


def token_units(text: str, language: Language) -> Units:
    """The tokens of `text`, white space glued to the token behind it (the last white space stands alone, key empty)."""
    texts: list[str] = []
    keys: list[str] = []
    space = ""
    for token in tokenize(text, language):
        if is_space(token):
            space += token
        else:
            texts.append(space + token)
            keys.append(token)
            space = ""
    if space:
        texts.append(space)
        keys.append("")
    return Units(texts, keys)


def candidates(
    conflict: Conflict,
    language: Language,
    diff: ConflictDiff | None = None,
    scores: Sequence[Sequence[float]] | None = None,
) -> tuple[Candidate, ...]:
    """The distinct candidates of `conflict`, in a fixed order; every token of each stands in base, ours or theirs.

    `scores` are the classifier's pattern probabilities, a row a disputed token hunk; they only choose which joint
    choices over several hunks are tried.
    """
    diff = diff or ConflictDiff(conflict, language)
    key = _identity(conflict, language)
    texts: dict[str, str] = {}
    origins: dict[str, list[Origin]] = {}
    turned = turned_space(conflict.sides)
    for proposal, origin in _proposals(diff, scores):
        text = turned.applied(_ended(proposal, conflict))
        if _has_stray_mark(text, conflict):
            continue
        same = key(text)
        texts.setdefault(same, text)
        origins.setdefault(same, []).append(origin)
    return tuple(Candidate(text, tuple(origins[same])) for same, text in texts.items())


def _ended(text: str, conflict: Conflict) -> str:
    """`text` with the line end that all sides end with: a resolution must not run into the line behind it."""
    if not text or text.endswith("\n"):
        return text
    sides = [side for side in conflict.sides if side]
    return text + next((end for end in ("\r\n", "\n") if all(side.endswith(end) for side in sides)), "")


def _has_stray_mark(text: str, conflict: Conflict) -> bool:
    """Whether a byte-order mark has come to stand behind the beginning, as where two sides that begin with one are joined."""
    return _BOM in text[1:] and not any(_BOM in side[1:] for side in conflict.sides)


def _identity(conflict: Conflict, language: Language) -> Callable[[str], str]:
    """The function that tells candidates apart: by text where white space is the question or has meaning."""
    if language.whitespace_sensitive or whitespace_key(conflict.sides.ours) == whitespace_key(
        conflict.sides.theirs
    ):
        return str
    return whitespace_key


def _proposals(diff: ConflictDiff, scores: Sequence[Sequence[float]] | None) -> Iterator[tuple[str, Origin]]:
    are_joined = diff.size <= LARGEST_JOINED
    for pattern in PATTERNS if are_joined else (Pattern.TAKE_OURS, Pattern.TAKE_THEIRS):
        yield _whole(diff, pattern), Origin("lines", (pattern,))
    if not are_joined:
        return
    if diff.is_small:
        yield from _merges(diff, "tokens", scores)
        yield from _merges(diff, "line merge", None)
    yield from _unions(diff)
    yield "", Origin("empty")


def _whole(diff: ConflictDiff, pattern: Pattern) -> str:
    """A pattern applied to all lines of the conflict at once."""
    hunk = Hunk(Change.DISPUTED, diff.lines.map(lambda units: range(len(units.texts))))
    return _text(diff.lines, apply(pattern, hunk, diff.lines.map(lambda units: units.keys)))


def _merges(
    diff: ConflictDiff, method: str, scores: Sequence[Sequence[float]] | None
) -> Iterator[tuple[str, Origin]]:
    """The three-way merge of tokens or lines: clean, or every disputed hunk by one pattern, or by the best choices."""
    by_token = method == "tokens"
    units, joined = (diff.tokens, diff.token_diff) if by_token else (diff.lines, diff.line_diff)
    keys = units.map(lambda part: part.keys)
    reformatted = _reformatted(units, joined)
    for chosen in _choices(len(joined.disputed), scores):
        merged = merged_sources(joined, keys, chosen)
        sources = [reformatted.get(source, source) for source in merged] if reformatted else merged
        if not by_token or _is_separable(diff, sources):
            yield _text(units, sources), Origin(method, chosen)


def _reformatted(units: ThreeWay[Units], joined: ThreeWayDiff) -> dict[Source, Source]:
    """The units nobody changed but whose white space theirs alone changed: taken from theirs, not from ours."""
    base, ours, theirs = (part.texts for part in units)
    stable = (zip(*hunk.ranges, strict=True) for hunk in joined.hunks if hunk.change is Change.NONE)
    return {
        (OURS, at): (THEIRS, other)
        for places in stable
        for source, at, other in places
        if ours[at] == base[source] != theirs[other]
    }


def _choices(count: int, scores: Sequence[Sequence[float]] | None) -> list[tuple[Pattern, ...]]:
    if not count:
        return [()]
    uniform = [(pattern,) * count for pattern in PATTERNS]
    if count == 1:
        return uniform
    rows = scores if scores is not None and len(scores) == count else [list(PRIOR.values())] * count
    mixed = [tuple(PATTERNS[at] for at in choice) for choice in k_best(rows, CHOICES)]
    return list(dict.fromkeys(mixed + uniform))


def _is_separable(diff: ConflictDiff, sources: Sequence[Source]) -> bool:
    """Whether no tokens would run together into others (`1` and `2` must not become `12`, nor `/ /` a comment)."""
    parts = tuple(diff.tokens)
    for seam, ((side, at), following) in enumerate(pairwise(sources), start=1):
        if following == (side, at + 1):
            continue
        around = sources[max(0, seam - SEAM) : seam + SEAM]
        texts = [parts[one].texts[place] for one, place in around]
        keys = [parts[one].keys[place] for one, place in around]
        middle = min(seam, SEAM)
        if texts[middle] == keys[middle] and not _stay_apart(texts, keys, middle, diff.language):
            return False
    return True


def _stay_apart(texts: Sequence[str], keys: Sequence[str], middle: int, language: Language) -> bool:
    """Whether the tokens that touch the seam before `middle` are the same when read again as one text."""
    start, end = middle - 1, middle + 1
    while start > 0 and texts[start] == keys[start]:
        start -= 1
    while end < len(texts) and texts[end] == keys[end]:
        end += 1
    touching = [key for key in keys[start:end] if key]
    return tokenize("".join(touching), language) == touching


def _unions(diff: ConflictDiff) -> Iterator[tuple[str, Origin]]:
    """Both sides' lines without repeats: one side then the other's new lines, and all of them sorted (imports, lists)."""
    ours, theirs, base = diff.lines.ours, diff.lines.theirs, set(diff.lines.base.keys)
    for first, second, name in ((OURS, THEIRS, "ours then new"), (THEIRS, OURS, "theirs then new")):
        known = set(tuple(diff.lines)[first].keys)
        other = tuple(diff.lines)[second]
        new = [(second, at) for at, key in enumerate(other.keys) if not key or key not in known]
        yield _text(diff.lines, [*_all(diff, first), *new]), Origin(name)
    both = {key: (THEIRS, at) for at, key in enumerate(theirs.keys)}
    both |= {key: (OURS, at) for at, key in enumerate(ours.keys)}
    if len(both) <= UNION_LINES:
        shared = set(ours.keys) & set(theirs.keys)
        kept = [key for key in both if key not in base or key in shared]
        yield _text(diff.lines, [both[key] for key in sorted(kept)]), Origin("sorted union")
        yield _text(diff.lines, [both[key] for key in sorted(both)]), Origin("sorted all")


def _all(diff: ConflictDiff, side: int) -> list[Source]:
    return [(side, at) for at in range(len(tuple(diff.lines)[side].texts))]


def _text(units: ThreeWay[Units], sources: Sequence[Source]) -> str:
    parts = tuple(units)
    return "".join(parts[side].texts[at] for side, at in sources)
