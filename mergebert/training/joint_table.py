"""The features of mergebert.ranking.neighbours for whole repositories at once: the same numbers, twenty times as fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.neighbours import GROUP_OF, GROUPS, KINDS, Floats, Prediction
from mergebert.ranking.resolver import SHARED_BY_ALL

MEANS = ("file", "merge", "answers", "file_answers", "previous", "next")
_OF_ALL = MEANS[:3]  # those whose every group is told, not only that of the candidate's kind

JOINT_FEATURES = (
    *("others_in_file", "others_in_merge", "answers_known"),
    *(f"{name} {group}" for name in _OF_ALL for group in GROUPS),
    *("first", "first to best", "first rank", "first entropy", "first kind", "kind"),
    *(f"{name} {part}" for name in MEANS for part in ("kind", "group")),
)
_IN_NONE = [at for at, name in enumerate(JOINT_FEATURES) if name in SHARED_BY_ALL]
_MEMBERS = [[kind for kind, group in enumerate(GROUP_OF) if group == at] for at in range(len(GROUPS))]
_CHUNK = 4_000_000  # numbers held at once in a merge of very many conflicts


def joint_rows(beliefs: Sequence[Prediction]) -> list[NDArray[np.float32]]:
    """For each conflict of a merge its rows: the values of JOINT_FEATURES for each candidate given all the other
    conflicts, and a last row, "none of these", that knows only what all candidates share."""
    masses = np.stack([_mass(belief, known=True) for belief in beliefs])  # [conflicts, kinds]
    files = np.array([belief.file for belief in beliefs])
    answered = np.array([belief.answer is not None for belief in beliefs])
    others = ~np.eye(len(beliefs), dtype=bool)
    same_file = others & (files[:, None] == files)
    means = np.stack(
        [
            _means(masses, same_file),
            _means(masses, others),
            _means(masses, others & answered),
            _means(masses, same_file & answered),
            _beside(masses, files, -1),
            _beside(masses, files, 1),
        ],
        axis=1,
    )  # [conflicts, means, kinds]
    groups = np.stack([means[:, :, members].sum(-1) for members in _MEMBERS], axis=-1)
    counts = np.stack([part.sum(1) for part in (same_file, others, others & answered)], axis=1)
    shared = np.concatenate([counts, groups[:, : len(_OF_ALL)].reshape(len(beliefs), -1)], axis=1)
    return [_rows(belief, shared[at], means[at], groups[at]) for at, belief in enumerate(beliefs)]


def _rows(belief: Prediction, shared: Floats, means: Floats, groups: Floats) -> NDArray[np.float32]:
    kinds, first = belief.kinds, belief.probabilities
    ranks = np.empty(len(first))
    ranks[np.argsort(-first, kind="stable")] = np.arange(len(first))
    entropy = -(first * np.log(first + 1e-9)).sum()
    own = _mass(belief, known=False)[kinds]
    said = np.stack([means[:, kinds], groups[:, np.array(GROUP_OF)[kinds]]], axis=1)  # [means, 2, options]
    rows = np.full((len(first) + 1, len(JOINT_FEATURES)), np.nan, np.float32)
    rows[:-1, : len(shared)] = shared
    values = [first, first - first.max(), ranks, np.full(len(first), entropy), own, kinds.astype(float)]
    rows[:-1, len(shared) : len(shared) + len(values)] = np.stack(values, axis=1)
    rows[:-1, len(shared) + len(values) :] = said.reshape(-1, len(first)).T
    rows[-1, _IN_NONE] = rows[0, _IN_NONE]
    return rows


def _mass(belief: Prediction, known: bool) -> Floats:
    """The belief in each kind: with `known` as the neighbours see it, a person's answer in the place of a belief."""
    weights = belief.answer if known and belief.answer is not None else belief.probabilities
    return np.bincount(belief.kinds, weights=weights, minlength=len(KINDS)).astype(np.float64)


def _means(masses: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """The mean mass over the conflicts that each conflict's row of `chosen` names; NaN where it names none."""
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
    inside = (at + step >= 0) & (at + step < len(masses))
    places = at[inside][files[at[inside] + step] == files[at[inside]]]
    found[places] = masses[places + step]
    return found
