"""Features of what history tells of a merge and of a conflict in it; NaN where nobody knows."""

from __future__ import annotations

from math import log1p, nan

from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.features import Values
from mergebert.text.history import FileHistory, MergeContext, Superseded

CONTEXT_FEATURES = (
    "ours_commits",
    "theirs_commits",
    "commits_ratio",
    "ours_age",
    "theirs_age",
    "base_age",
    "age_difference",
    "ours_is_merger",
    "theirs_is_merger",
)
BRANCH_FEATURES = ("theirs_is_trunk",)
CHANGE_FEATURES = (
    "ours_file_commits",
    "theirs_file_commits",
    "file_age_difference",
    "ours_file_by_merger",
    "theirs_file_by_merger",
)
SUPERSEDED_FEATURES = (
    "ours_superseded",
    "theirs_superseded",
    "ours_versions_ago",
    "theirs_versions_ago",
    "ours_file_superseded",
    "theirs_file_superseded",
)
HISTORY_FEATURES = (*BRANCH_FEATURES, *CHANGE_FEATURES, *SUPERSEDED_FEATURES)
_DAY = 86400.0
# The branches from which others are brought up to date. Of ours nothing is asked: git names it in no message where it is one.
_TRUNKS = frozenset({"main", "master", "trunk", "develop", "dev", "development", "next"})


def merge_features(file: FileMerge, index: int) -> Values:
    """What history tells of the merge of a file and of one of its conflicts."""
    history = file.history
    changes = _change_features(history) if history else dict.fromkeys(CHANGE_FEATURES, nan)
    superseded = _superseded_features(history, index) if history else dict.fromkeys(SUPERSEDED_FEATURES, nan)
    return context_features(file.context) | _branch_features(file.context) | changes | superseded


def context_features(context: MergeContext | None) -> Values:
    """Facts of the merge: how old and how long each side is, and whether the person merging wrote it."""
    if context is None:
        return dict.fromkeys(CONTEXT_FEATURES, nan)
    ours, theirs = max(context.ours_commits, 0), max(context.theirs_commits, 0)
    ages = [
        (context.merge_time - time) / _DAY
        for time in (context.ours_time, context.theirs_time, context.base_time)
    ]
    values = (
        log1p(ours),
        log1p(theirs),
        log1p(ours) - log1p(theirs),
        *(log1p(max(age, 0.0)) for age in ages),
    )
    mergers = (_number(context.ours_is_merger), _number(context.theirs_is_merger))
    return dict(zip(CONTEXT_FEATURES, (*values, (ages[0] - ages[1]), *mergers), strict=True))


def _branch_features(context: MergeContext | None) -> Values:
    name = context.theirs_branch if context else None
    return {"theirs_is_trunk": nan if name is None else float(name.rpartition("/")[2] in _TRUNKS)}


def _change_features(history: FileHistory) -> Values:
    ours, theirs = history.ours_change, history.theirs_change
    is_dated = ours.last_time is not None and theirs.last_time is not None
    values = (
        log1p(ours.commits) if ours.commits else nan,
        log1p(theirs.commits) if theirs.commits else nan,
        ((theirs.last_time or 0) - (ours.last_time or 0)) / _DAY if is_dated else nan,
        _number(ours.by_merger),
        _number(theirs.by_merger),
    )
    return dict(zip(CHANGE_FEATURES, values, strict=True))


def _superseded_features(history: FileHistory, index: int) -> Values:
    here = history.conflicts[index] if index < len(history.conflicts) else Superseded()
    values = (
        *map(_is_found, (here.ours, here.theirs)),
        *map(_distance, (here.ours, here.theirs)),
        *map(_is_found, (history.file.ours, history.file.theirs)),
    )
    return dict(zip(SUPERSEDED_FEATURES, values, strict=True))


def _is_found(versions_ago: int | None) -> float:
    return nan if versions_ago is None else float(versions_ago >= 0)


def _distance(versions_ago: int | None) -> float:
    return nan if versions_ago is None or versions_ago < 0 else log1p(versions_ago)


def _number(flag: bool | None) -> float:
    return nan if flag is None else float(flag)
