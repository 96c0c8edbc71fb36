"""The model input of one conflict: candidates, columns, features; training and the resolver make it by this one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mergebert.ranking.classes import classes_of
from mergebert.ranking.columns import Columns, Subwords, encode
from mergebert.ranking.evidence import FileEvidence, Surroundings
from mergebert.ranking.features import Values, candidate_features
from mergebert.ranking.history_features import merge_features
from mergebert.text.candidates import Candidate, ConflictDiff, candidates
from mergebert.text.languages import Language
from mergebert.text.lexemes import Passage, passages
from mergebert.text.markers import Conflict


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A conflict and its diffs, its candidates, the place in the file where they are read, its columns for the classifier,
    and the features of each candidate for the ranker.

    `classes` tells which candidates are the same resolution. `features` has one row more than `options`: the last stands
    for "none of these".
    """

    conflict: Conflict
    diff: ConflictDiff
    options: tuple[Candidate, ...]
    passage: Passage
    classes: tuple[int, ...]
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
    found = []
    places = passages(evidence.file.merged.parts, evidence.language)
    for index, (conflict, passage) in enumerate(zip(evidence.conflicts, places, strict=True)):
        one = outlined(conflict, evidence.language, evidence.surroundings[index], subwords)
        known = merge_features(evidence.file, index)
        rows = [row | known for row in candidate_features(evidence, index, one.diff, one.options)]
        classes = classes_of([option.text for option in one.options], passage)
        found.append(ModelInput(conflict, one.diff, one.options, passage, classes, one.columns, rows))
    return found
