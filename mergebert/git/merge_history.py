"""What history tells of a merge: how old its sides are, how they changed its files, and the texts these had; within bounds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebert.errors import GitError
from mergebert.git.command import git_result
from mergebert.text.history import MergeContext, MergeHistory, PastVersions, SideChange

MOST_VERSIONS = 40  # of a file on one side; what the other side still has is seldom older
MOST_COMMITS = 400  # of one side that changed any of the files
MOST_BYTES = 20_000_000  # of all versions together
LONGEST_LOOK = 0.5  # seconds that git may walk the commits of a side; a longer history stays unknown
# What a clone left out is not fetched, and no program checks signatures or shows texts.
_QUIET = ("--literal-pathspecs", "-c", "protocol.allow=never")
_LOG = (
    *("log", "--raw", "-r", "-z", "--no-abbrev", "--format=%x01%at %ae", "--full-history", "--no-merges"),
    *("--no-renames", "--no-show-signature", "--no-ext-diff", "--no-textconv"),
)
_COMMIT = re.compile(rb"\n*\x01(-?\d+) (.*)")
_CHANGE = re.compile(rb"\n*:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) [A-Z]\d*")


@dataclass(frozen=True, slots=True)
class Change:
    """One commit's change of a file: when and by whom it was written (an address), and the blob it left."""

    time: int
    author: str
    blob: str


Changes = Mapping[str, Sequence[Change]]  # of each path, newest first
# Runs git in one repository, given its words and its input; the output, or None where it failed.
Git = Callable[[Sequence[str], bytes | None], bytes | None]


@dataclass(frozen=True, slots=True)
class Merger:
    """Who merges: the address, the time (seconds since 1970; None for that of the later side), and the names of the two
    branches; None for what is not known."""

    address: str | None
    time: int | None
    branches: tuple[str | None, str | None] = (None, None)


def git_in(repository: Path, seconds: float = LONGEST_LOOK) -> Git:
    """git in this repository, given up after so many seconds."""

    def output_of(words: Sequence[str], stdin: bytes | None) -> bytes | None:
        try:
            code, output, _ = git_result(list(words), repository, stdin, seconds)
        except GitError:
            return None
        return None if code else output

    return output_of


def merge_history(git: Git, ours: str, theirs: str, merger: Merger, paths: Sequence[str]) -> MergeHistory:
    """What the commits of both sides since their base tell of a merge of two commits, given by their ids, and of these paths.

    In a shallow clone, which lacks some of them, nothing is known of the paths.
    """
    context = _context(git, ours, theirs, merger)
    if git(["rev-parse", "--is-shallow-repository"], None) != b"false\n":
        return MergeHistory(context)
    sides = [_changes(git, range_, paths) for range_ in (f"{theirs}..{ours}", f"{ours}..{theirs}")]
    changes = {path: _side_changes(sides, path, merger) for path in paths}
    return MergeHistory(context, changes, _past_versions(git, sides, paths))


def _context(git: Git, ours: str, theirs: str, merger: Merger) -> MergeContext | None:
    counts = git(["rev-list", "--left-right", "--count", f"{ours}...{theirs}"], None)
    base = (git(["merge-base", ours, theirs], None) or b"").decode("ascii").strip()
    if not counts or not base:
        return None
    authors = _authors(git, (ours, theirs, base))
    if not authors.keys() >= {ours, theirs, base}:
        return None
    (ours_time, ours_author), (theirs_time, theirs_author) = authors[ours], authors[theirs]
    ours_commits, theirs_commits = map(int, counts.split())
    return MergeContext(
        ours_time=ours_time,
        theirs_time=theirs_time,
        base_time=authors[base][0],
        merge_time=max(ours_time, theirs_time) if merger.time is None else merger.time,
        ours_commits=ours_commits,
        theirs_commits=theirs_commits,
        ours_is_merger=_is_by(ours_author, merger),
        theirs_is_merger=_is_by(theirs_author, merger),
        ours_branch=merger.branches[0],
        theirs_branch=merger.branches[1],
    )


def _is_by(author: str, merger: Merger) -> bool | None:
    return None if merger.address is None else author == merger.address.lower()


def _authors(git: Git, commits: Sequence[str]) -> dict[str, tuple[int, str]]:
    """When each commit was written, and by which address."""
    output = git(["show", "-s", "--no-show-signature", "--format=%H %at %ae", *commits], None) or b""
    lines = (line.split(" ", 2) for line in output.decode("utf-8", "replace").lower().split("\n") if line)
    return {commit: (int(time), address) for commit, time, address in lines}


def _side_changes(
    sides: Iterable[Changes | None], path: str, merger: Merger
) -> tuple[SideChange, SideChange]:
    ours, theirs = (_side_change(side.get(path, ()) if side else (), merger) for side in sides)
    return ours, theirs


def _side_change(changes: Sequence[Change], merger: Merger) -> SideChange:
    if not changes:
        return SideChange()
    return SideChange(len(changes), changes[0].time, _is_by(changes[0].author, merger))


def _past_versions(
    git: Git, changes: Sequence[Changes | None], paths: Sequence[str]
) -> dict[str, PastVersions]:
    """The texts that each path has had on both sides, newest first, as far as they are known."""
    sides = [
        None if side is None else {path: _blobs(side.get(path, ())) for path in paths} for side in changes
    ]
    known = [side for side in sides if side is not None]
    texts = _texts(
        git, list(dict.fromkeys(blob for side in known for blobs in side.values() for blob in blobs))
    )

    def of_side(side: Mapping[str, Sequence[str]] | None, path: str) -> tuple[str, ...] | None:
        if side is None or texts is None:
            return None
        return tuple(texts[blob] for blob in side[path] if blob in texts)

    return {path: PastVersions(*(of_side(side, path) for side in sides)) for path in paths}


def _changes(git: Git, commits: str, paths: Sequence[str]) -> Changes | None:
    output = git([*_QUIET, *_LOG, f"--max-count={MOST_COMMITS}", commits, "--", *paths], None)
    return None if output is None else _parsed(output)


def _parsed(output: bytes) -> Changes:
    """The changes in the output of `_LOG`: of each commit a line of its own, then a change and a path by turns."""
    found: dict[str, list[Change]] = defaultdict(list)
    time, author = 0, ""
    fields = iter(output.split(b"\0"))
    for field in fields:
        if commit := _COMMIT.fullmatch(field):
            time, author = int(commit[1]), commit[2].decode("utf-8", "replace").lower()
        elif change := _CHANGE.fullmatch(field):
            path = next(fields, b"").decode("utf-8", "surrogateescape")
            found[path].append(Change(time, author, change[1].decode("ascii")))
    return found


def _blobs(changes: Sequence[Change]) -> list[str]:
    """The newest blobs of a path, none where it was taken away."""
    return [change.blob for change in changes[:MOST_VERSIONS] if change.blob.strip("0")]


def _texts(git: Git, blobs: Sequence[str]) -> dict[str, str] | None:
    """The texts of blobs, as many as the bound on their bytes allows; None where git could not read them."""
    if not blobs:
        return {}
    sizes = git([*_QUIET, "cat-file", "--batch-check"], _lines(blobs))
    if sizes is None:
        return None
    wanted = list(_within(MOST_BYTES, blobs, sizes.split(b"\n")))
    output = git([*_QUIET, "cat-file", "--batch"], _lines(wanted))
    return None if output is None else dict(_read(output))


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode("ascii")


def _within(most: int, blobs: Iterable[str], sizes: Iterable[bytes]) -> Iterator[str]:
    for blob, line in zip(blobs, sizes, strict=False):
        kind, _, size = line.rpartition(b" ")
        if kind.endswith(b" blob") and int(size) <= most:
            most -= int(size)
            yield blob


def _read(output: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        name, _, size = output[at:end].split(b" ")
        at = end + 1 + int(size)
        yield name.decode("ascii"), output[end + 1 : at].decode("utf-8", "surrogateescape")
        at += 1
