"""From a replayed merge to examples: what git cut, what people committed, and who they were."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from git.exc import GitCommandError

from mergebert.candidates import Candidate, candidates, whitespace_key
from mergebert.errors import MarkerError
from mergebert.example import ConflictExample, FileExample, MergeContext
from mergebert.languages import Language, language_of
from mergebert.markers import Conflict, MergedFile, has_markers, parse
from mergebert.threeway import ThreeWay
from mergebert_data.filters import cut_drop, path_drop, stage_drop, text_of
from mergebert_data.history import Merge
from mergebert_data.locate import Located, located
from mergebert_data.replay import ConflictedFile, Replay, Scratch

_AUTHOR = re.compile(rb"^author .*<([^<>\n]*)> (-?\d+)", re.MULTILINE)
LARGEST_HUNK = 100_000  # characters of all sides; larger ones are located by alignment alone


@dataclass(frozen=True, slots=True)
class Cut:
    """A conflicted file ready to be mined: its versions, its conflicts, and the file people committed."""

    file: ConflictedFile
    language: Language
    blobs: ThreeWay[str]
    stages: ThreeWay[str]
    conflicted: str
    parsed: MergedFile
    merged: str


@dataclass(slots=True)
class Extractor:
    """Makes the examples of one repository's merges; `dropped` counts what it left out, by reason."""

    repository: str
    scratch: Scratch
    dropped: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[str, ...]] = field(default_factory=set)

    def examples(self, replay: Replay) -> list[FileExample]:
        """The examples of one merge; none if people left conflict markers in it."""
        cuts = list(self._cuts(replay))
        if any(has_markers(cut.merged) for cut in cuts):
            self.dropped["merge committed with conflict markers"] += 1
            return []
        provenance = self._provenance(replay.merge) if cuts else None
        if provenance is None:
            return []
        return [self._example(cut, replay.merge, provenance) for cut in cuts]

    def _cuts(self, replay: Replay) -> Iterator[Cut]:
        for file in replay.conflicts or ():
            cut, reason = self._cut(file, replay.merge)
            if cut is None:
                self.dropped[f"file: {reason}"] += 1
            else:
                yield cut

    def _cut(self, file: ConflictedFile, merge: Merge) -> tuple[Cut | None, str | None]:
        language = language_of(file.path)
        reason = path_drop(file.path, language)
        if reason:
            return None, reason
        if file.blobs is None:
            return None, "added, deleted, renamed or not a regular file on a side"
        committed = self.scratch.content(f"{merge.commit}:{file.path}")
        if committed is None:
            return None, "absent from the merge commit"
        identity = (file.path, *file.blobs, blake2b(committed, digest_size=16).hexdigest())
        if identity in self.seen:
            return None, "same conflict and result seen before"
        self.seen.add(identity)
        merged, reason = text_of(committed)
        return (None, reason) if reason else self._cut_texts(file, language, merged)

    def _cut_texts(
        self, file: ConflictedFile, language: Language, merged: str
    ) -> tuple[Cut | None, str | None]:
        assert file.blobs is not None
        texts = []
        for blob in file.blobs:
            text, reason = text_of(self.scratch.content(blob) or b"")
            reason = reason or stage_drop(text)
            if reason:
                return None, reason
            texts.append(text)
        stages = ThreeWay(*texts)
        conflicted = self.scratch.line_merge(stages)
        if conflicted is None:
            return None, "refused by git merge-file"
        try:
            parsed = parse(conflicted, 7)
        except MarkerError:
            return None, "conflict markers in an input"
        reason = cut_drop(parsed)
        return (
            (None, reason)
            if reason
            else (Cut(file, language, file.blobs, stages, conflicted, parsed, merged), None)
        )

    def _provenance(self, merge: Merge) -> tuple[str, MergeContext] | None:
        try:
            return self._context(merge)
        except (GitCommandError, ValueError):
            self.dropped["merge whose parents cannot be read"] += 1
            return None

    def _context(self, merge: Merge) -> tuple[str, MergeContext]:
        """The merge base and what was known of the merge when it was made."""
        git = self.scratch.git
        base = git.merge_base(merge.ours, merge.theirs).split("\n")[0]
        ours_commits, theirs_commits = git.rev_list(
            "--left-right", "--count", f"{merge.ours}...{merge.theirs}"
        ).split()
        merger, merge_time = self._author(merge.commit)
        ours, ours_time = self._author(merge.ours)
        theirs, theirs_time = self._author(merge.theirs)
        _, base_time = self._author(base)
        return base, MergeContext(
            ours_time, theirs_time, base_time, merge_time,
            int(ours_commits), int(theirs_commits), ours == merger, theirs == merger,
        )  # fmt: skip

    def _author(self, commit: str) -> tuple[bytes, int]:
        """The author's address and the author time of a commit."""
        found = _AUTHOR.search(self.scratch.content(commit) or b"")
        if not found:
            raise ValueError(f"commit {commit} names no author")
        return found[1].lower(), int(found[2])

    def _example(self, cut: Cut, merge: Merge, provenance: tuple[str, MergeContext]) -> FileExample:
        base, context = provenance
        return FileExample(
            repository=self.repository,
            merge=merge.commit,
            ours_commit=merge.ours,
            theirs_commit=merge.theirs,
            base_commit=base,
            path=cut.file.path,
            language=cut.language.name,
            blobs=cut.blobs,
            stages=cut.stages,
            conflicted=cut.conflicted,
            merged=cut.merged,
            context=context,
            conflicts=conflict_examples(cut.parsed, cut.merged, cut.language),
        )


def conflict_examples(conflicted: MergedFile, merged: str, language: Language) -> tuple[ConflictExample, ...]:
    """What people made of each conflict of a file, as far as it can be proved."""
    found = [_candidates(conflict, language) for conflict in conflicted.conflicts]
    resolutions = located(conflicted, merged, [[candidate.text for candidate in some] for some in found])
    return tuple(
        _conflict_example(index, resolution, some)
        for index, (resolution, some) in enumerate(zip(resolutions, found, strict=True))
    )


def content_key(conflict: Conflict, resolution: str | None) -> str:
    """A short hash of sides and resolution without white space: equal where two examples teach the same."""
    parts = [
        *map(whitespace_key, conflict.sides),
        "?" if resolution is None else "=" + whitespace_key(resolution),
    ]
    return blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def pattern_names(resolution: str, found: tuple[Candidate, ...]) -> tuple[str, ...]:
    """Every way to make the resolution out of the conflict, white space aside; empty if there is none."""
    wanted = whitespace_key(resolution)
    origins = (origin for some in found if whitespace_key(some.text) == wanted for origin in some.origins)
    names = (f"{origin.method}: {origin.name}" for origin in origins)
    return tuple(dict.fromkeys(names))


def _candidates(conflict: Conflict, language: Language) -> tuple[Candidate, ...]:
    return candidates(conflict, language) if sum(map(len, conflict.sides)) <= LARGEST_HUNK else ()


def _conflict_example(
    index: int, resolution: Located | None, found: tuple[Candidate, ...]
) -> ConflictExample:
    if resolution is None:
        return ConflictExample(index, None, "", False, ())
    return ConflictExample(
        index, resolution.text, resolution.proof, False, pattern_names(resolution.text, found)
    )
