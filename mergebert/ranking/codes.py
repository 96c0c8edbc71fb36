"""Everything a model reads as a number or by name, so that a bundle can say what its models were trained with.

The place of a name in its list is the number that models read for it.
"""

from __future__ import annotations

from functools import cache

from mergebert.ranking.classifier import CLASSIFIER_FEATURES
from mergebert.ranking.columns import CHANGE_TYPES, CONFLICT_CLASSES, EDIT_TYPES, SPECIAL_TOKENS
from mergebert.ranking.evidence import FileEvidence, FileMerge
from mergebert.ranking.features import candidate_features
from mergebert.ranking.history_features import CONTEXT_FEATURES, HISTORY_FEATURES
from mergebert.ranking.neighbours import GROUP_OF, GROUPS, KINDS, NEIGHBOUR_FEATURES
from mergebert.text.candidates import Candidate, ConflictDiff, Origin
from mergebert.text.languages import LANGUAGES, TEXT
from mergebert.text.markers import Conflict, Markers, MergedFile
from mergebert.text.patterns import PATTERNS
from mergebert.text.threeway import ThreeWay

Codes = dict[str, list[str]]


def codes() -> Codes:
    """The names behind every number that a model reads or gives: a list for each kind, in order of number."""
    return {
        "languages": [language.name for language in LANGUAGES],
        "special tokens": list(SPECIAL_TOKENS),
        "edit types": list(EDIT_TYPES),
        "change types": list(CHANGE_TYPES),
        "patterns": [pattern.value for pattern in PATTERNS],
        "conflict classes": list(CONFLICT_CLASSES),
        "kinds": list(KINDS),
        "groups of kinds": [GROUPS[group] for group in GROUP_OF],
    }


def foreign_code(trained: Codes) -> str | None:
    """The first list of codes in which a bundle differs from this version, or None.

    Languages may have been added behind those that a model knows: it has never read their numbers.
    """
    for name, known in codes().items():
        found = trained.get(name)
        if found != (known[: len(found)] if found and name == "languages" else known):
            return name
    return None


@cache
def feature_names() -> tuple[str, ...]:
    """The names of all features that a ranker can be given, in the order in which a bundle lists those it reads."""
    conflict = Conflict(ThreeWay("", "", ""), Markers("", "", "", ""))
    options = [Candidate("", (Origin("empty"),))]
    file = FileEvidence(FileMerge("", MergedFile((conflict,))))
    [own, _] = candidate_features(file, 0, ConflictDiff(conflict, TEXT), options)
    return (*own, *CONTEXT_FEATURES, *HISTORY_FEATURES, *NEIGHBOUR_FEATURES, *CLASSIFIER_FEATURES)
