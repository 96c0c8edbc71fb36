"""The model input of one conflict: candidates, columns, features; training and the resolver make it by this one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mergebert.ranking.columns import Columns, Subwords, encode
from mergebert.ranking.evidence import FileEvidence, Surroundings
from mergebert.ranking.features import Values, candidate_features, context_features
from mergebert.text.candidates import Candidate, ConflictDiff, candidates
from mergebert.text.languages import Language
from mergebert.text.markers import Conflict


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A conflict and its diffs, its candidates, its columns for the classifier, and the features of each candidate for
    the ranker.

    `features` has one row more than `options`: the last stands for "none of these".
    """

    conflict: Conflict
    diff: ConflictDiff
    options: tuple[Candidate, ...]
    columns: Columns
    features: Sequence[Values]


@dataclass(frozen=True, slots=True)
class Outline:
    """The part of the model input that depends only on a conflict and the lines around it."""

    diff: ConflictDiff
    options: tuple[Candidate, ...]
    columns: Columns


def outline(conflict: Conflict, language: Language, around: Surroundings, subwords: Subwords) -> Outline:
    """The diffs, candidates and columns of one conflict."""
    diff = ConflictDiff(conflict, language)
    return Outline(diff, candidates(conflict, language, diff), encode(diff, around, subwords))


def model_inputs(
    evidence: FileEvidence, subwords: Subwords, outlined: Callable[..., Outline] = outline
) -> list[ModelInput]:
    """Every conflict of one file, in order; `outlined` may remember the outlines it has made."""
    context = context_features(evidence.file.context)
    found = []
    for index, conflict in enumerate(evidence.conflicts):
        one = outlined(conflict, evidence.language, evidence.surroundings[index], subwords)
        rows = [row | context for row in candidate_features(evidence, index, one.diff, one.options)]
        found.append(ModelInput(conflict, one.diff, one.options, one.columns, rows))
    return found
