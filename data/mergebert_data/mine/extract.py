"""The examples of a replayed merge: its conflicts, what people committed in their place, and its provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice

from mergebert.errors import GitError, MarkerError
from mergebert.example import CLEAN, CONFLICT, PARENT, ConflictExample, FileExample
from mergebert.text.candidates import Candidate, candidates, whitespace_key
from mergebert.text.languages import Language, language_of, language_of_script
from mergebert.text.markers import Conflict, MergedFile, parse_line_merge
from mergebert.text.threeway import ThreeWay
from mergebert_data.history.attributes import Attributes
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.provenance import Provenance, ProvenanceReader
from mergebert_data.history.replay import FILE_MODES, ConflictedFile, Replay, ScratchRepository
from mergebert_data.history.stored_merge import stored_merge
from mergebert_data.locate.majority_vote import Location, locations
from mergebert_data.mine.cleanly_merged import MOST_FILES, clean_files, in_drawn_order, is_drawn
from mergebert_data.mine.filters import (
    LARGEST_FILE,
    NO_LANGUAGE,
    clean_drop_reason,
    conflicts_drop_reason,
    is_marked,
    language_at,
    may_be_script,
    path_drop_reason,
    path_flags,
    stages_drop_reason,
    text_flags,
    text_of,
)

LARGEST_HUNK = 100_000  # characters of all sides; larger ones are located by alignment alone
LONGEST_SHEBANG = 200  # bytes


@dataclass(frozen=True, slots=True)
class RecognizedFile:
    """A file both sides changed, with its language, its git attributes, and flags of its path: generated, vendored."""

    file: ConflictedFile
    language: Language
    flags: tuple[str, ...]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MineableFile:
    """A file both sides changed, with its texts: three versions, the merge of git, whole and parsed, and the committed one."""

    file: ConflictedFile
    language: Language
    flags: tuple[str, ...]
    stages: ThreeWay[str]
    conflicted: str
    parsed: MergedFile
    merged: str

    @property
    def kind(self) -> str:
        """The kind of its example: in conflict or merged cleanly."""
        return CONFLICT if self.parsed.conflicts else CLEAN


@dataclass(slots=True)
class Extractor:
    """Makes the examples of the merges of one repository; `dropped` counts what it left out, by reason.

    `seed` draws the files that git merged cleanly. Generated and vendored files are kept, with flags, if
    `keep_flagged`.
    """

    repository: str
    scratch: ScratchRepository
    seed: int = 0
    keep_flagged: bool = False
    dropped: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[str, ...]] = field(default_factory=set)
    provenances: ProvenanceReader = field(init=False)

    def __post_init__(self) -> None:
        self.provenances = ProvenanceReader(self.scratch)

    def expect(self, replays: Iterable[Replay]) -> None:
        """Reads ahead, for all replays of a block, what is cheaper to read at once."""
        self.provenances.expect(
            replay.merge
            for replay in replays
            if any(file.blobs for file in replay.conflicts or ()) or is_drawn(self.seed, replay.merge, False)
        )

    def examples(self, replay: Replay) -> list[FileExample]:
        """The examples of one merge, those in conflict first; none if people left conflict markers in it."""
        if replay.conflicts is None:
            return []
        attributes = self.scratch.attributes(replay.merge.commit)
        files = list(self._conflicted_files(replay, attributes))
        if any(is_marked(file.merged) for file in files):
            self.dropped["merge committed with conflict markers"] += 1
            return []
        if is_drawn(self.seed, replay.merge, bool(files)):
            files += islice(self._clean_files(replay, attributes), MOST_FILES)
        if not files:
            return []
        provenance, reason = self.provenances.of(replay.merge, [one.file.path for one in files])
        if provenance is None:
            self.scratch.require_source()
            self.dropped[reason] += 1
            return []
        return [self._example(file, replay, provenance) for file in files]

    def _conflicted_files(self, replay: Replay, attributes: Attributes) -> Iterator[MineableFile]:
        """The files in conflict that are mined; counts the others."""
        files = replay.conflicts or ()
        attributes.prepare(file.path for file in files if file.path.isprintable())
        for file in files:
            found = self._mineable(file, replay.merge, attributes)
            reason = None if isinstance(found, str) else conflicts_drop_reason(found.parsed)
            yield from self._unless_dropped("file", reason or found)

    def _clean_files(self, replay: Replay, attributes: Attributes) -> Iterator[MineableFile]:
        """The files that git merged cleanly and that are mined, in the order of the draw; few are tried."""
        base = self.provenances.base(replay.merge)
        files = clean_files(self.scratch, replay.merge, base) if base else []
        in_conflict = {file.path for file in replay.conflicts or ()}
        files = [file for file in files if language_of(file.path).grammar and file.path not in in_conflict]
        for file in in_drawn_order(files, self.seed, replay.merge)[: 2 * MOST_FILES]:
            found = self._mineable(file, replay.merge, attributes)
            reason = None if isinstance(found, str) else clean_drop_reason(found.parsed, found.merged)
            yield from self._unless_dropped("clean file", reason or found)

    def _unless_dropped(self, kind: str, found: MineableFile | str) -> Iterator[MineableFile]:
        """The file, or nothing for a reason to drop it, which is counted."""
        if isinstance(found, str):
            self.dropped[f"{kind}: {found}"] += 1
        else:
            yield found

    def _mineable(
        self, file: ConflictedFile, merge: MergeCommit, attributes: Attributes
    ) -> MineableFile | str:
        """A file with its texts, or why it is dropped."""
        reason = path_drop_reason(file.path)
        if reason:
            return reason
        set_in_commit = attributes.of(file.path)
        language = self._language(file, set_in_commit)
        if language.grammar is None:
            return NO_LANGUAGE
        flags = path_flags(file.path, set_in_commit)
        if flags and not self.keep_flagged:
            return f"{flags[0]} file"
        if file.blobs is None:
            return stages_drop_reason(file.stages)
        names = [f"{merge.commit}:{file.path}", *file.blobs]
        committed, *versions = self.scratch.contents(names, largest=LARGEST_FILE)
        if committed is None or b"\n" not in committed:
            reason = self._absence(merge, file.path, committed)
            if reason:
                return reason
        identity = (file.path, *file.blobs, blake2b(committed or b"", digest_size=16).hexdigest())
        if identity in self.seen:
            return "same conflict and result seen before"
        self.seen.add(identity)
        recognized = RecognizedFile(file, language, flags, set_in_commit)
        return self._mineable_texts(recognized, [committed, *versions])

    def _language(self, file: ConflictedFile, attributes: Mapping[str, str]) -> Language:
        """The language of a file: by its git attributes, its name, or its first line."""
        language = language_at(file.path, attributes)
        if language.grammar is not None or file.blobs is None or not may_be_script(file.path):
            return language
        (start,) = self.scratch.contents([file.blobs.base], largest=LONGEST_SHEBANG)
        return language_of_script((start or b"").decode("utf-8", "replace"))

    def _absence(self, merge: MergeCommit, path: str, committed: bytes | None) -> str | None:
        """Why the merge commit has no regular file of this path; None if it has."""
        try:
            entry = self.scratch.entry(merge.commit, path)
        except GitError:
            return self._unreadable()
        if entry is None:
            return "absent from the merge commit"
        if entry.mode not in FILE_MODES:
            return "no regular file in the merge commit"
        return self._unreadable() if committed is None else None

    def _unreadable(self) -> str:
        self.scratch.require_source()
        return "a version is missing or damaged"

    def _mineable_texts(
        self, recognized: RecognizedFile, contents: Sequence[bytes | None]
    ) -> MineableFile | str:
        """A file with its texts, given the contents of its merged version and its three stages, or why it is dropped."""
        texts = []
        for content in contents:
            if content is None:
                return self._unreadable()
            text, reason = text_of(content)
            if reason:
                return reason
            texts.append(text)
        merged, *versions = texts
        if any(map(is_marked, versions)):
            return "conflict markers in an input"
        flags = text_flags(recognized.file.path, versions, recognized.attributes)
        if flags and not self.keep_flagged:
            return f"{flags[0]} file"
        stages = ThreeWay(*versions)
        conflicted = stored_merge(stages)
        if conflicted is None:
            return "refused by git"
        try:
            parsed = parse_line_merge(conflicted)
        except MarkerError:
            return "conflict markers in an input"
        flags = tuple(dict.fromkeys((*recognized.flags, *flags)))
        return MineableFile(recognized.file, recognized.language, flags, stages, conflicted, parsed, merged)

    def _example(self, mineable: MineableFile, replay: Replay, provenance: Provenance) -> FileExample:
        assert mineable.file.blobs is not None
        merge = replay.merge
        taken = taken_side(mineable.stages, mineable.merged)
        return FileExample(
            repository=self.repository,
            merge=merge.commit,
            ours_commit=merge.ours,
            theirs_commit=merge.theirs,
            base_commit=provenance.base,
            path=mineable.file.path,
            language=mineable.language.name,
            blobs=mineable.file.blobs,
            stages=mineable.stages,
            conflicted=mineable.conflicted,
            merged=mineable.merged,
            context=provenance.context,
            conflicts=conflict_examples(mineable.parsed, mineable.merged, mineable.language, taken),
            kind=mineable.kind,
            flags=mineable.flags,
            history=provenance.history.of(mineable.file.path, mineable.stages, mineable.parsed.conflicts),
            taken=taken,
            is_discarded=bool(taken) and mineable.parsed.side(taken) != mineable.merged,
            conflicted_files=len(replay.conflicts or ()),
        )


def taken_side(stages: ThreeWay[str], merged: str) -> str:
    """Which side's whole version people committed; empty where it is neither's."""
    return next((side for side in ("ours", "theirs") if getattr(stages, side) == merged), "")


def conflict_examples(
    conflicted: MergedFile, merged: str, language: Language, taken: str = ""
) -> tuple[ConflictExample, ...]:
    """The conflicts of a file, each with its resolution and patterns where it is located.

    Where people committed the whole version of one side, its text is the resolution; nothing has to be located.
    """
    if not conflicted.conflicts:
        return ()
    found = [_candidates(conflict, language) for conflict in conflicted.conflicts]
    resolutions: Sequence[Location | None]
    if taken:
        resolutions = [Location(getattr(one.sides, taken), (PARENT,)) for one in conflicted.conflicts]
    else:
        resolutions = locations(
            conflicted, merged, [[candidate.text for candidate in some] for some in found]
        )
    return tuple(
        _conflict_example(index, resolution, some)
        for index, (resolution, some) in enumerate(zip(resolutions, found, strict=True))
    )


def pattern_names(resolution: str, found: tuple[Candidate, ...]) -> tuple[str, ...]:
    """The patterns that make the resolution out of the conflict, white space aside."""
    wanted = whitespace_key(resolution)
    origins = (origin for some in found if whitespace_key(some.text) == wanted for origin in some.origins)
    names = (f"{origin.method}: {origin.name}" for origin in origins)
    return tuple(dict.fromkeys(names))


def _candidates(conflict: Conflict, language: Language) -> tuple[Candidate, ...]:
    return candidates(conflict, language) if sum(map(len, conflict.sides)) <= LARGEST_HUNK else ()


def _conflict_example(
    index: int, resolution: Location | None, found: tuple[Candidate, ...]
) -> ConflictExample:
    if resolution is None:
        return ConflictExample(index, None, (), (), False, ())
    return ConflictExample(
        index,
        resolution.text,
        resolution.proof,
        resolution.dissent,
        False,
        pattern_names(resolution.text, found),
    )
