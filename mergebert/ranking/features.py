"""Hand-made features of a conflict and of each of its candidates: what the ranker reads beside the classifier.

Every function answers with named numbers; NaN means "not known here" (no stages, no merge context, no classifier).
A bundle lists the names that its trees read in the order in which they are made here; another order is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log1p, nan

from rapidfuzz.distance import Indel

from mergebert.ranking.columns import CONFLICT_CLASSES, conflict_class
from mergebert.ranking.evidence import FileEvidence, is_distinctive
from mergebert.text.candidates import Candidate, ConflictDiff
from mergebert.text.languages import LANGUAGES
from mergebert.text.patterns import Pattern
from mergebert.text.tokens import is_word

Values = dict[str, float]

_LANGUAGES = {language.name: float(at) for at, language in enumerate(LANGUAGES)}
_IMPORT = ("import ", "from ", "using ", "#include", "use ", "require", "package ", "export ")
_COMMENT = ("//", "#", "*", "/*", "--")
_BRACKETS = (("(", ")"), ("{", "}"), ("[", "]"))
LONG_TEXT = 4000  # tokens; longer texts are compared by their bags of tokens instead of their order

# Compared with the best of the conflict's other candidates: what matters is being better than the rest.
RELATIVE = (
    "keeps_added_ours",
    "keeps_added_theirs",
    "keeps_added",
    "drops_removed",
    "repeated_lines",
    "like_ours",
    "like_theirs",
)


class Bag:
    """The tokens of one text, counted."""

    __slots__ = ("counts", "keys", "lines", "size", "words")

    def __init__(self, text: str, keys: Sequence[str]) -> None:
        self.keys = keys
        self.counts = Counter(keys)
        self.size = len(keys)
        self.words = {key for key in self.counts if is_word(key) and len(key) > 1}
        self.lines = [line for line in map(str.strip, text.split("\n")) if line]


def candidate_features(
    evidence: FileEvidence, index: int, diff: ConflictDiff, options: Sequence[Candidate]
) -> list[Values]:
    """The features of each candidate of conflict `index`, conflict-level ones repeated in each; the last row stands for
    "none of these" and holds the conflict-level ones alone, so that doubt about all candidates can be learnt.
    """
    sides = diff.conflict.sides
    base, ours, theirs = (Bag(text, diff.keys_of(text)) for text in sides)
    change = _Edits(base, ours, theirs)
    shared = _conflict_features(evidence, index, diff, change)
    shared["candidates"] = len(options)
    rows = []
    for option in options:
        bag = Bag(option.text, diff.keys_of(option.text))
        rows.append(
            shared
            | _origin_features(option)
            | _text_features(bag, change)
            | _file_features(bag, change, evidence, index)
        )
    _add_relative(rows, RELATIVE)
    return [row | {"is none": 0.0} for row in rows] + [shared | {"is none": 1.0}]


def language_number(name: str) -> float:
    """The number that stands for a language; -1 for one that is not in the table."""
    return _LANGUAGES.get(name, -1.0)


class _Edits:
    """What each side added to the base and removed from it."""

    def __init__(self, base: Bag, ours: Bag, theirs: Bag) -> None:
        self.base, self.ours, self.theirs = base, ours, theirs
        self.added_ours, self.added_theirs = ours.counts - base.counts, theirs.counts - base.counts
        self.removed_ours, self.removed_theirs = base.counts - ours.counts, base.counts - theirs.counts
        self.added = self.added_ours | self.added_theirs
        self.removed = self.removed_ours | self.removed_theirs


def _conflict_features(evidence: FileEvidence, index: int, diff: ConflictDiff, change: _Edits) -> Values:
    base, ours, theirs = change.base, change.ours, change.theirs
    values: Values = {
        "base_tokens": log1p(base.size),
        "ours_tokens": log1p(ours.size),
        "theirs_tokens": log1p(theirs.size),
        "base_lines": log1p(len(base.lines)),
        "ours_lines": log1p(len(ours.lines)),
        "theirs_lines": log1p(len(theirs.lines)),
        "ours_like_base": _likeness(ours, base),
        "theirs_like_base": _likeness(theirs, base),
        "ours_like_theirs": _likeness(ours, theirs),
        "token_hunks": len(diff.token_diff.disputed) if diff.is_small else nan,
        "line_hunks": len(diff.line_diff.disputed) if diff.is_small else nan,
        "additions_shared": _share(change.added_ours & change.added_theirs, change.added),
        "removals_shared": _share(change.removed_ours & change.removed_theirs, change.removed),
        "ours_added": log1p(change.added_ours.total()),
        "theirs_added": log1p(change.added_theirs.total()),
        "ours_removed": log1p(change.removed_ours.total()),
        "theirs_removed": log1p(change.removed_theirs.total()),
        "import_lines": _line_share(ours.lines + theirs.lines, _IMPORT),
        "comment_lines": _line_share(ours.lines + theirs.lines, _COMMENT),
        "numbers_changed": _number_share(change.added),
    }
    return values | _place_features(evidence, index) | _move_features(evidence, change)


def _place_features(evidence: FileEvidence, index: int) -> Values:
    path = evidence.file.path.lower()
    around = evidence.surroundings[index]
    return {
        "language": language_number(evidence.language.name),
        "conflicts_in_file": len(evidence.conflicts),
        "conflict_index": index,
        "position": evidence.positions[index],
        "file_size": log1p(len(evidence.agreed)),
        "is_test": float("test" in path or "spec" in path),
        "path_depth": path.count("/"),
        "before_is_unfinished": float(
            not around.before.rstrip(" \t").removesuffix("\n").endswith(("}", ";", ")", ","))
        ),
        "indentation": float(
            len(around.before.rsplit("\n", 2)[-2]) - len(around.before.rsplit("\n", 2)[-2].lstrip())
        )
        if around.before.count("\n") > 1
        else 0.0,
        "has_stages": float(evidence.file.stages is not None),
    }


def _move_features(evidence: FileEvidence, change: _Edits) -> Values:
    """How the words each side touches here fare in the agreed rest of the file."""
    ours_in, ours_out, theirs_in, theirs_out = evidence.moves
    words = evidence.words
    values: Values = {
        "ours_moves": log1p(len(ours_in) + len(ours_out)),
        "theirs_moves": log1p(len(theirs_in) + len(theirs_out)),
    }
    for side, added, removed in (
        ("ours", change.added_ours, change.removed_ours),
        ("theirs", change.added_theirs, change.removed_theirs),
    ):
        new = {key for key in added if is_word(key) and len(key) > 1}
        gone = {key for key in removed if is_word(key) and len(key) > 1}
        values[f"{side}_new_used"] = _part(sum(key in words for key in new), len(new))
        values[f"{side}_gone_used"] = _part(sum(key in words for key in gone), len(gone))
        values[f"{side}_new_in_ours"] = _part(len(new & ours_in), len(new))
        values[f"{side}_new_in_theirs"] = _part(len(new & theirs_in), len(new))
        values[f"{side}_gone_in_ours"] = _part(len(gone & ours_out), len(gone))
        values[f"{side}_gone_in_theirs"] = _part(len(gone & theirs_out), len(gone))
    return values


def _origin_features(option: Candidate) -> Values:
    values: Values = {f"is {name}": 0.0 for name in CONFLICT_CLASSES}
    values |= {f"tokens {name}": 0.0 for name in ("clean", "mixed", *(pattern.value for pattern in Pattern))}
    for origin in option.origins:
        values[f"is {CONFLICT_CLASSES[conflict_class(origin)]}"] = 1.0
        if origin.method == "tokens":
            name = origin.name if "/" not in origin.name else "mixed"
            values[f"tokens {name}"] = 1.0
    values["origins"] = len(option.origins)
    return values


def _text_features(bag: Bag, change: _Edits) -> Values:
    repeated = Counter(line for line in bag.lines if is_distinctive(line))
    base_only = change.removed_ours & change.removed_theirs
    added_kept, removed_kept = change.added & bag.counts, change.removed & bag.counts
    balances = [_balance(part.counts) for part in (bag, change.base, change.ours, change.theirs)]
    return {
        "tokens": log1p(bag.size),
        "tokens_to_ours": log1p(bag.size) - log1p(change.ours.size),
        "tokens_to_theirs": log1p(bag.size) - log1p(change.theirs.size),
        "tokens_to_base": log1p(bag.size) - log1p(change.base.size),
        "like_ours": _likeness(bag, change.ours),
        "like_theirs": _likeness(bag, change.theirs),
        "like_base": _likeness(bag, change.base),
        "keeps_added_ours": _share(change.added_ours & bag.counts, change.added_ours),
        "keeps_added_theirs": _share(change.added_theirs & bag.counts, change.added_theirs),
        "keeps_added": _share(added_kept, change.added),
        "keeps_removed_ours": _share(change.removed_ours & bag.counts, change.removed_ours),
        "keeps_removed_theirs": _share(change.removed_theirs & bag.counts, change.removed_theirs),
        "drops_removed": 1.0 - _share(removed_kept, change.removed, empty=0.0),
        "keeps_removed_by_both": _share(base_only & bag.counts, base_only),
        "repeated_lines": log1p(sum(count - 1 for count in repeated.values())),
        "balance_to_base": _distance(balances[0], balances[1]),
        "balance_to_ours": _distance(balances[0], balances[2]),
        "balance_to_theirs": _distance(balances[0], balances[3]),
    }


def _file_features(bag: Bag, change: _Edits, evidence: FileEvidence, index: int) -> Values:
    ours_in, ours_out, theirs_in, theirs_out = evidence.moves
    words = evidence.words
    brought = bag.words - change.base.words
    left_out = (change.ours.words | change.theirs.words | change.base.words) - bag.words
    around = evidence.surroundings[index]
    first, last = (bag.lines[0], bag.lines[-1]) if bag.lines else ("", "")
    return {
        "brought": log1p(len(brought)),
        "brought_used": _part(sum(key in words for key in brought), len(brought)),
        "brought_in_ours": _part(len(brought & ours_in), len(brought)),
        "brought_in_theirs": _part(len(brought & theirs_in), len(brought)),
        "holds_taken_by_ours": log1p(len(bag.words & ours_out)),
        "holds_taken_by_theirs": log1p(len(bag.words & theirs_out)),
        "left_out": log1p(len(left_out)),
        "left_out_used": _part(sum(key in words for key in left_out), len(left_out)),
        "left_out_brought_by_ours": log1p(len(left_out & ours_in)),
        "left_out_brought_by_theirs": log1p(len(left_out & theirs_in)),
        "lines_elsewhere": _part(sum(line in evidence.lines for line in bag.lines), len(bag.lines)),
        "repeats_before": float(bool(first) and first == _last_line(around.before)),
        "repeats_after": float(bool(last) and last == _first_line(around.after)),
    }


def _add_relative(rows: Sequence[Values], names: Sequence[str]) -> None:
    """Adds to each row how far each named value lies below the best of the conflict."""
    for name in names:
        best = max((row[name] for row in rows if row[name] == row[name]), default=nan)
        for row in rows:
            row[f"{name} to best"] = row[name] - best


def _likeness(one: Bag, other: Bag) -> float:
    """1 for the same tokens in the same order, 0 for nothing in common."""
    if one.size + other.size > LONG_TEXT:
        shared = (one.counts & other.counts).total()
        return 2.0 * shared / (one.size + other.size)
    return float(Indel.normalized_similarity(one.keys, other.keys))


def _share(part: Counter[str], whole: Counter[str], empty: float = nan) -> float:
    total = whole.total()
    return part.total() / total if total else empty


def _part(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _line_share(lines: Sequence[str], starts: tuple[str, ...]) -> float:
    return _part(sum(line.startswith(starts) for line in lines), len(lines))


def _number_share(added: Mapping[str, int]) -> float:
    return _part(sum(count for key, count in added.items() if key[:1].isdigit()), sum(added.values()))


def _balance(counts: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(counts.get(opening, 0) - counts.get(closing, 0) for opening, closing in _BRACKETS)


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    return float(sum(abs(left - right) for left, right in zip(one, other, strict=True)))


def _last_line(text: str) -> str:
    return text.removesuffix("\n").rpartition("\n")[2].strip()


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip()
