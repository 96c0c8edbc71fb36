"""The neighbour features of a candidate: what is predicted for the other conflicts of its file and merge, or was chosen
there by a person.

Conflicts of one merge go together, so the kind of a candidate (ours, theirs, both, ...) is compared
with the kinds likely elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.candidate_rows import first_rows, gaps_ranks_entropies, with_none
from mergebert.text.candidates import Candidate, whitespace_key

KINDS = ("ours", "theirs", "base", "ours+theirs", "theirs+ours", "merge", "union", "other")
GROUPS = ("one side ours", "one side theirs", "both", "neither")
GROUP_OF = np.array((0, 1, 3, 2, 2, 2, 2, 3))  # the group of each kind

MEANS = ("file", "merge", "answers", "file_answers", "previous", "next")
# The means of which the share of every group is a feature, not only that of the candidate's own kind.
_BY_GROUP = MEANS[:3]
_COUNTS = ("others_in_file", "others_in_merge", "answers_known")

NEIGHBOUR_FEATURES = (
    *_COUNTS,
    *(f"{name} {group}" for name in _BY_GROUP for group in GROUPS),
    *("first", "first to best", "first rank", "first entropy", "first kind", "kind"),
    *(f"{name} {part}" for name in MEANS for part in ("kind", "group")),
)
# What holds of "none of these" too.
_OF_NONE = [NEIGHBOUR_FEATURES.index(name) for name in (*_COUNTS, "first entropy")]
_CHUNK = 4_000_000  # numbers held at once in a merge of very many conflicts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The first pass's prediction for one conflict of a merge: its file, the kind and the probability of each candidate.

    `answer`: the distribution after a person's answer; only other conflicts read it.
    """

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


def chosen_distribution(options: Sequence[Candidate], text: str) -> Floats | None:
    """The distribution after a person chose `text`: even over the candidates equal to it; None where none is."""
    key = whitespace_key(text)
    hits = np.array([whitespace_key(option.text) == key for option in options], float)
    return hits / hits.sum() if hits.any() else None


def neighbour_features(
    predictions: Sequence[Prediction], wanted: Sequence[int] | None = None
) -> list[NDArray[np.float32]]:
    """For each conflict of a merge, or each `wanted` one, the NEIGHBOUR_FEATURES of each candidate and, in a last row, of
    "none of these"."""
    places = range(len(predictions)) if wanted is None else wanted
    asked = np.array(places)
    masses = np.stack([_mass(one.kinds, _seen(one)) for one in predictions])  # [conflicts, kinds]
    files = np.array([one.file for one in predictions])
    answered = np.array([one.answer is not None for one in predictions])
    others = asked[:, None] != np.arange(len(predictions))  # [asked, conflicts]
    same_file = others & (files[asked, None] == files)
    means = np.stack(
        [
            _means(masses, same_file),
            _means(masses, others),
            _means(masses, others & answered),
            _means(masses, same_file & answered),
            _beside(masses, files, -1)[asked],
            _beside(masses, files, 1)[asked],
        ],
        axis=1,
    )  # [asked, means, kinds]
    counts = np.stack([part.sum(1) for part in (same_file, others, others & answered)], axis=1)
    return _rows([predictions[at] for at in places], counts, means)


def _rows(predictions: Sequence[Prediction], counts: Floats, means: Floats) -> list[NDArray[np.float32]]:
    sizes = [len(one.kinds) for one in predictions]
    conflict = np.repeat(np.arange(len(sizes)), sizes)
    kinds = np.concatenate([one.kinds for one in predictions])
    first = np.concatenate([one.probabilities for one in predictions])
    own = np.concatenate([_mass(one.kinds, one.probabilities)[one.kinds] for one in predictions])
    groups = np.stack([means[:, :, at == GROUP_OF].sum(-1) for at in range(len(GROUPS))], axis=-1)
    of_kind = np.stack([means[conflict, :, kinds], groups[conflict, :, GROUP_OF[kinds]]], axis=-1)
    parts = [
        counts[conflict],
        groups[conflict, : len(_BY_GROUP)].reshape(len(kinds), -1),
        np.stack([first, *gaps_ranks_entropies(first, sizes), own, kinds], axis=1),
        of_kind.reshape(len(kinds), -1),
    ]
    rows = with_none(np.concatenate(parts, axis=1), sizes)
    starts = first_rows(sizes) + np.arange(len(sizes))
    none = starts + sizes
    rows[none[:, None], _OF_NONE] = rows[starts[:, None], _OF_NONE]
    return np.split(rows, starts[1:])


def _seen(prediction: Prediction) -> Floats:
    """The distribution that the other conflicts read."""
    return prediction.probabilities if prediction.answer is None else prediction.answer


def _mass(kinds: NDArray[np.int64], probabilities: Floats) -> Floats:
    """The probability of each kind."""
    return np.bincount(kinds, weights=probabilities, minlength=len(KINDS)).astype(np.float64)


def _means(masses: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """The mean mass over the conflicts that each row of `chosen` names; NaN where it names none."""
    step = max(1, _CHUNK // masses.size)
    # Summed one conflict after the other, as a mean is: a product of matrices would round otherwise.
    sums = [
        np.where(chosen[at : at + step, :, None], masses, 0.0).sum(axis=1)
        for at in range(0, len(chosen), step)
    ]
    counts = chosen.sum(1).astype(float)
    counts[counts == 0] = np.nan
    return np.asarray(np.concatenate(sums) / counts[:, None])


def _beside(masses: Floats, files: NDArray[np.int64], step: int) -> Floats:
    """The mass of the conflict before or behind each in its file; NaN where there is none."""
    found = np.full(masses.shape, np.nan)
    at = np.arange(len(masses))
    inside = at[(at + step >= 0) & (at + step < len(masses))]
    places = inside[files[inside + step] == files[inside]]
    found[places] = masses[places + step]
    return found
