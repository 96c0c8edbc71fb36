"""The merges of a repository: which there are, and which to replay."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebert.errors import GitError
from mergebert_data.history.gitpython import answer
from mergebert_data.history.plumbing import environment_of, git_result
from mergebert_data.history.repository import ALL, SourceRepository, shallow_commits

OCTOPUS = "merge: of more than two parents"
CUT_OFF = "merge: cut off by a shallow clone"


@dataclass(frozen=True, slots=True)
class MergeCommit:
    """A merge commit and its two parents."""

    commit: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class MergeListing:
    """The merges to replay, newest first, and counts of those left out, by reason."""

    merges: list[MergeCommit]
    skipped: Mapping[str, int]


def merge_listing(source: SourceRepository, limit: int | None = None, seed: int = 0) -> MergeListing:
    """The two-parent merges over all refs, or a sample of `limit` of them.

    Of a shallow clone only those are listed whose sides are complete down to their base.
    """
    try:
        listing = answer(source.git_dir, "rev-list", *ALL, "--date-order", "--min-parents=2", "--parents")
    except GitError as error:
        raise GitError(f"git cannot list the merges of {source.name}: {error}") from error
    lines = [line.split() for line in listing.split("\n") if line]
    found = [MergeCommit(*names) for names in lines if len(names) == 3]
    chosen = found if limit is None else sampled(found, limit, f"{seed} {source.name}")
    whole = _whole(source, chosen)
    skipped = {OCTOPUS: len(lines) - len(found), CUT_OFF: len(chosen) - len(whole)}
    return MergeListing(whole, {reason: count for reason, count in skipped.items() if count})


def _whole(source: SourceRepository, found: list[MergeCommit]) -> list[MergeCommit]:
    """The merges none of whose commits since the base has lost its parents to a shallow clone."""
    grafted = {commit.encode() for commit in shallow_commits(source)}
    if not grafted:
        return found
    environment = environment_of(source.git_dir)
    sides = (git_result(environment, "rev-list", f"{merge.ours}...{merge.theirs}").output for merge in found)
    return [merge for merge, commits in zip(found, sides, strict=True) if grafted.isdisjoint(commits.split())]


def sampled(found: Sequence[MergeCommit], limit: int, seed: str) -> list[MergeCommit]:
    """`limit` of the merges, in their order; the same for a seed, whatever the order of refs."""
    if len(found) <= limit:
        return list(found)
    chosen = set(random.Random(seed).sample(sorted(merge.commit for merge in found), limit))
    return [merge for merge in found if merge.commit in chosen]
