"""What the other conflicts of the same file and merge say: first beliefs about them, and the answers people gave.

Conflicts of one merge go together. The features of a candidate compare its kind (ours, theirs,
both, ...) with the kinds believed, or known, for its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.features import Values
from mergebert.text.candidates import Candidate, whitespace_key

KINDS = ("ours", "theirs", "base", "ours+theirs", "theirs+ours", "merge", "union", "other")
GROUPS = ("one side ours", "one side theirs", "both", "neither")
GROUP_OF = (0, 1, 3, 2, 2, 2, 2, 3)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One conflict of a merge: its file, the kind of each candidate, a first probability for each, and, where a person
    has answered it, the probabilities that the answer leaves. Neighbours see the answer, the conflict itself never."""

    file: int
    kinds: NDArray[np.int64]
    probabilities: Floats
    answer: Floats | None = None


def kind_of(option: Candidate) -> int:
    """The index in KINDS of a candidate, by its plainest origin."""
    return _kind(tuple((origin.method, origin.name) for origin in option.origins))


def _kind(origins: Sequence[tuple[str, str]]) -> int:
    lines = {name for method, name in origins if method == "lines"}
    for at, name in enumerate(KINDS[:5]):
        if name in lines:
            return at
    methods = {method for method, _ in origins}
    if methods & {"tokens", "line merge"}:
        return KINDS.index("merge")
    return (
        KINDS.index("union")
        if any("new" in method or "sorted" in method for method in methods)
        else KINDS.index("other")
    )


def answer_of(options: Sequence[Candidate], text: str) -> Floats | None:
    """All belief on the candidates that equal the text a person chose; None where none does."""
    key = whitespace_key(text)
    hits = np.array([whitespace_key(option.text) == key for option in options], float)
    return hits / hits.sum() if hits.any() else None


def neighbour_features(
    beliefs: Sequence[Prediction], wanted: Sequence[int] | None = None
) -> list[list[Values]]:
    """For each conflict of a merge, or each `wanted` one, the features of its candidates given all the others."""
    masses = np.stack([_known_mass(belief) for belief in beliefs])  # [conflicts, kinds]
    files = np.array([belief.file for belief in beliefs])
    answered = np.array([belief.answer is not None for belief in beliefs])
    places = range(len(beliefs)) if wanted is None else wanted
    return [_features_of(at, beliefs[at], masses, files, answered) for at in places]


def _kind_mass(kinds: NDArray[np.int64], probabilities: Floats) -> Floats:
    return np.bincount(kinds, weights=probabilities, minlength=len(KINDS)).astype(np.float64)


def _known_mass(belief: Prediction) -> Floats:
    """The belief in each kind as the neighbours see it."""
    return _kind_mass(belief.kinds, belief.probabilities if belief.answer is None else belief.answer)


def _features_of(
    at: int, belief: Prediction, masses: Floats, files: NDArray[np.int64], answered: NDArray[np.bool_]
) -> list[Values]:
    others = np.arange(len(masses)) != at
    same_file = others & (files == files[at])
    means = {
        "file": _mean(masses, same_file),
        "merge": _mean(masses, others),
        "answers": _mean(masses, others & answered),
        "file_answers": _mean(masses, same_file & answered),
        "previous": _neighbour(masses, files, at, -1),
        "next": _neighbour(masses, files, at, 1),
    }
    shared = _shared(means, int(same_file.sum()), int(others.sum()), int((others & answered).sum()))
    order = np.argsort(-belief.probabilities, kind="stable")
    ranks = np.empty(len(order), int)
    ranks[order] = np.arange(len(order))
    best = belief.probabilities.max()
    own = _kind_mass(belief.kinds, belief.probabilities)
    entropy = float(-(belief.probabilities * np.log(belief.probabilities + 1e-9)).sum())
    groups = {name: _groups(mean) for name, mean in means.items()}
    rows = []
    for kind, probability, rank in zip(belief.kinds, belief.probabilities, ranks, strict=True):
        row = dict(shared)
        row |= {
            "first": float(probability),
            "first to best": float(probability - best),
            "first rank": float(rank),
        }
        row |= {"first entropy": entropy, "first kind": float(own[kind]), "kind": float(kind)}
        for name, mean in means.items():
            row[f"{name} kind"] = float(mean[kind])
            row[f"{name} group"] = float(groups[name][GROUP_OF[kind]])
        rows.append(row)
    return rows


def _shared(means: Mapping[str, Floats], in_file: int, in_merge: int, answers: int) -> Values:
    shared: Values = {"others_in_file": in_file, "others_in_merge": in_merge, "answers_known": answers}
    for name in ("file", "merge", "answers"):
        for group, value in zip(GROUPS, _groups(means[name]), strict=True):
            shared[f"{name} {group}"] = float(value)
    return shared


def _groups(mean: Floats) -> Floats:
    return np.array(
        [
            mean[[kind for kind, group in enumerate(GROUP_OF) if group == at]].sum()
            for at in range(len(GROUPS))
        ]
    )


def _mean(masses: Floats, chosen: NDArray[np.bool_]) -> Floats:
    return masses[chosen].mean(0) if chosen.any() else np.full(masses.shape[1], np.nan)


def _neighbour(masses: Floats, files: NDArray[np.int64], at: int, step: int) -> Floats:
    beside = at + step
    if 0 <= beside < len(masses) and files[beside] == files[at]:
        return np.asarray(masses[beside])
    return np.full(masses.shape[1], np.nan)
