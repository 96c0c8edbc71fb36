"""Merges replayed without a work tree and without a trace in the repository: what git calls a conflict."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mergebert.errors import GitError
from mergebert.text.threeway import ThreeWay
from mergebert_data.history.attributes import LARGEST, AttributeIndex, Attributes
from mergebert_data.history.gitpython import answer, git_in
from mergebert_data.history.merges import MergeCommit
from mergebert_data.history.plumbing import (
    GitResult,
    Objects,
    TreeDiff,
    TreeDiffs,
    environment_of,
    git_result,
)
from mergebert_data.history.repository import BATCHING_GIT, SourceRepository, shallow_commits

# Renamed folders move files nobody in the merge touched; scratch objects need not be durable or small.
SETTINGS = tuple(
    part
    for setting in ("merge.directoryRenames=false", "core.fsync=none", "core.looseCompression=0")
    for part in ("-c", setting)
)
MERGE_TREE_OPTIONS = ("--write-tree", "-z", "--no-messages", "--allow-unrelated-histories")
BATCH_SECONDS = 900  # for one batch; a merge whose rename search never ends must not hold up the rest
MERGE_SECONDS = 60
FILE_MODES = ("100644", "100755")


@dataclass(frozen=True, slots=True)
class Stage:
    """One version of a conflicted path, as the index would hold it."""

    mode: str
    blob: str


@dataclass(frozen=True, slots=True)
class ConflictedFile:
    """A path that git could not merge, with its versions; None for one that does not exist."""

    path: str
    stages: ThreeWay[Stage | None]

    @property
    def blobs(self) -> ThreeWay[str] | None:
        """The three blob ids where all three versions are regular files, else None."""
        base, ours, theirs = self.stages
        if base is None or ours is None or theirs is None:
            return None
        if any(stage.mode not in FILE_MODES for stage in (base, ours, theirs)):
            return None
        return ThreeWay(base.blob, ours.blob, theirs.blob)


@dataclass(frozen=True, slots=True)
class Replay:
    """The conflicts of one merge; None where git gave up."""

    merge: MergeCommit
    conflicts: tuple[ConflictedFile, ...] | None


class ScratchRepository:
    """An empty bare repository, in a new folder inside `parent`, that borrows the objects of another.

    New objects are written here and vanish with it; the configuration, attributes and hooks of the other are never read.
    """

    def __init__(self, source: SourceRepository, parent: Path) -> None:
        self.source = source
        self.folder = Path(tempfile.mkdtemp(dir=parent.resolve()))
        self.git = git_in(self.folder)
        answer(self.folder, "init", "--quiet", "--bare", "--template=")
        alternates = self.folder / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        borrowed = "".join(f"{path}\n" for path in (source.graph, source.objects) if path)
        alternates.write_text(borrowed, encoding="utf-8", errors="surrogateescape")
        self.grafted = shallow_commits(source)
        if self.grafted:
            (self.folder / "shallow").write_text("".join(f"{commit}\n" for commit in self.grafted))
        self._environment = environment_of(self.folder)
        self._objects = Objects(self._environment)
        self._diffs = TreeDiffs(self._environment)
        self._attributes = AttributeIndex(self._environment)

    def __enter__(self) -> ScratchRepository:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in (self._objects, self._diffs, self._attributes):
            process.close()
        self.git.clear_cache()
        shutil.rmtree(self.folder, ignore_errors=True)

    def git_result(self, *arguments: str, stdin: bytes | None = None) -> GitResult:
        """The result of one git command in this repository."""
        return git_result(self._environment, *arguments, stdin=stdin)

    def contents(
        self, names: Sequence[str], kind: str = "blob", largest: int | None = None
    ) -> list[bytes | None]:
        """The contents of objects of one kind, named `<id>` or `<commit>:<path>` and cut off behind byte `largest`; None for
        what cannot be read."""
        return self._objects.read(names, kind, largest)

    def changes(self, wanted: Sequence[str]) -> list[TreeDiff | None]:
        """The changes of each commit, or of `<old tree> <new tree>`; None for merge commits and what cannot be read."""
        return self._diffs.of(wanted)

    def attributes(self, commit: str) -> Attributes:
        """What the .gitattributes files of a commit say of its paths."""
        return Attributes(
            lambda paths: self.contents([f"{commit}:{path}" for path in paths], largest=LARGEST),
            self._attributes,
        )

    def entry(self, commit: str, path: str) -> Stage | None:
        """The mode and id of a path in a commit; None if it has no such path, GitError if its trees cannot be read."""
        listing = self.git_result("--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--", path)
        if listing.status:
            raise GitError(f"git cannot read the files of commit {commit}; run git fsck on the repository.")
        mode, _, rest = listing.output.partition(b"\t")[0].decode().partition(" ")
        return Stage(mode, rest.rpartition(" ")[2]) if rest else None

    def require_source(self) -> None:
        """Raises GitError where the whole repository has gone, and not one object of it."""
        if not Path(self.source.objects).is_dir():
            raise GitError(
                f"{self.source.git_dir} was moved or deleted while it was mined; bring it back and mine again."
            )

    def replayed(self, merges: Sequence[MergeCommit]) -> Iterator[Replay]:
        """The replay of each merge, in order: one git process for all from git 2.39 on, and one more for each it fails at."""
        while merges:
            done = 0
            for replay in self._batch(merges, BATCH_SECONDS):
                done += 1
                yield replay
            if done < len(merges):
                self.require_source()
                yield next(self._batch(merges[done : done + 1], MERGE_SECONDS), Replay(merges[done], None))
            merges = merges[done + 1 :]

    def _batch(self, merges: Sequence[MergeCommit], seconds: float) -> Iterator[Replay]:
        """The replays, in order, up to the first merge that git fails at."""
        if self.git.version_info >= BATCHING_GIT:
            yield from map(Replay, merges, parsed_conflicts(self._output_of_many(merges, seconds)))
            return
        for merge in merges:
            found = list(parsed_conflicts(self._output_of_one(merge, seconds)))
            if not found:
                return
            yield Replay(merge, found[0])

    def _output_of_many(self, merges: Sequence[MergeCommit], seconds: float) -> bytes:
        """The output of git for many merges."""
        with tempfile.TemporaryFile() as requests:
            requests.write("".join(f"{merge.ours} {merge.theirs}\n" for merge in merges).encode())
            requests.seek(0)
            answer = self.git.execute(
                ["git", *SETTINGS, "merge-tree", *MERGE_TREE_OPTIONS, "--stdin"],
                istream=requests,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=seconds,
            )
        return bytes(answer)

    def _output_of_one(self, merge: MergeCommit, seconds: float) -> bytes:
        """The output of git for one merge, in the form of that for many."""
        status, answer, _ = self.git.execute(
            ["git", *SETTINGS, "merge-tree", *MERGE_TREE_OPTIONS, merge.ours, merge.theirs],
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
            kill_after_timeout=seconds,
        )
        return b"%d\0%b\0" % (status, answer)


def parsed_conflicts(answer: bytes) -> Iterator[tuple[ConflictedFile, ...] | None]:
    """The conflicts of each merge in the output of `git merge-tree --stdin -z`, as far as it is complete."""
    fields = iter(answer.split(b"\0"))
    for status in fields:
        tree = next(fields, None)
        if status not in (b"0", b"1") or not tree:
            return
        entries = []
        for entry in fields:
            if not entry:
                break
            entries.append(entry)
        else:
            return  # cut off in the middle
        yield _conflicted_files(entries)


def _conflicted_files(entries: Sequence[bytes]) -> tuple[ConflictedFile, ...]:
    """The files of `<mode> <blob> <stage>TAB<path>` entries."""
    files: dict[str, list[Stage | None]] = {}
    for entry in entries:
        head, _, path = entry.partition(b"\t")
        mode, blob, stage = head.decode().split(" ")
        versions = files.setdefault(path.decode("utf-8", "surrogateescape"), [None, None, None])
        versions[int(stage) - 1] = Stage(mode, blob)
    return tuple(ConflictedFile(path, ThreeWay(*versions)) for path, versions in files.items())
