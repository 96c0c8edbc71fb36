"""Everything the models are told about one conflict; training and the resolver describe conflicts by this one function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mergebert.candidates import Candidate, ConflictDiff, candidates
from mergebert.encode import Columns, Pieces, encode
from mergebert.evidence import FileEvidence
from mergebert.features import Values, candidate_features, context_features
from mergebert.markers import Conflict


@dataclass(frozen=True, slots=True)
class Described:
    """A conflict and its diffs, its candidates, its columns for the classifier, and the features of each candidate for
    the ranker.

    `features` has one row more than `options`: the last stands for "none of these".
    """

    conflict: Conflict
    diff: ConflictDiff
    options: tuple[Candidate, ...]
    columns: Columns
    features: Sequence[Values]


def described(evidence: FileEvidence, pieces: Pieces) -> list[Described]:
    """Every conflict of one file, in order."""
    context = context_features(evidence.file.context)
    found = []
    for index, conflict in enumerate(evidence.conflicts):
        diff = ConflictDiff(conflict, evidence.language)
        options = candidates(conflict, evidence.language, diff)
        columns = encode(diff, evidence.surroundings[index], pieces)
        rows = [row | context for row in candidate_features(evidence, index, diff, options)]
        found.append(Described(conflict, diff, options, columns, rows))
    return found
