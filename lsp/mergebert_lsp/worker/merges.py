"""The texts that the worker knows, grouped by merge: those of the editor, and files that no editor has open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mergebert.errors import InputError
from mergebert.text.history import UNKNOWN_MERGE, MergeHistory
from mergebert.text.markers import MergedFile
from mergebert.text_files import decoded, read_bytes
from mergebert_lsp.worker.messages import LARGEST_TEXT, EditorText
from mergebert_lsp.worker.reconciled_text import ReconciledText, reconciled_text, resolvable
from mergebert_lsp.worker.repository import OwnResolutions, Repositories, Repository, Versions

MOST_CONFLICTS = 1000  # remembered; some hundred kilobytes each at worst
MOST_CHARACTERS = 40_000_000  # of texts and their versions; each takes up to twenty bytes while it is ranked
MergeKey = Repository | str  # a work tree, or the URI of a text that belongs to none


@dataclass(frozen=True, slots=True)
class MergeText:
    """A text of a merge; `uri` is empty for a file that no editor has open."""

    uri: str
    editor_text: EditorText

    @property
    def name(self) -> str:
        """Its URI, or the path of a file that no editor has open."""
        return self.uri or self.editor_text.path or ""


@dataclass(frozen=True, slots=True)
class _Reconciled:
    """A reconciled text and what it was reconciled with."""

    editor_text: EditorText
    versions: Versions | None
    before: MergedFile | None
    here: ReconciledText

    def holds_for(
        self,
        editor_text: EditorText,
        versions: Versions | None,
        before: MergedFile | None,
        own: OwnResolutions,
    ) -> bool:
        """Whether reconciling again would give the same result; a text compared with itself does."""
        known = (self.before, self.here.file.line_merge)
        is_same = self.editor_text == editor_text and self.versions is versions and before in known
        return is_same and self.here.file.own == own


class Merges:
    """Every text, and what was made of it last."""

    def __init__(self) -> None:
        self._texts: dict[str, EditorText] = {}
        # Of texts without versions: the merge with what was resolved since.
        self._before: dict[str, MergedFile] = {}
        self._reconciled: dict[str, _Reconciled] = {}
        self._repositories = Repositories()
        self._files = _Files()

    def take(self, texts: Mapping[str, EditorText | None]) -> None:
        """Takes over texts that have changed, and lets go of closed ones."""
        for uri, editor_text in texts.items():
            if editor_text is None:
                for held in (self._texts, self._before, self._reconciled):
                    held.pop(uri, None)
            else:
                self._texts[uri] = editor_text
        if None in texts.values():
            paths = frozenset(Path(one.path) for one in self._texts.values() if one.path)
            self._repositories.forget(paths)
            self._files.forget()

    @property
    def uris(self) -> tuple[str, ...]:
        """The texts of the editor."""
        return tuple(self._texts)

    def text(self, uri: str) -> MergeText | None:
        """A text of the editor."""
        editor_text = self._texts.get(uri)
        return MergeText(uri, editor_text) if editor_text else None

    def by_work_tree(self) -> dict[MergeKey, list[MergeText]]:
        """The texts that hold conflicts or did, by the work tree that they belong to; others stand alone."""
        found: dict[MergeKey, list[MergeText]] = {}
        for uri, editor_text in self._texts.items():
            if len(editor_text.text) > LARGEST_TEXT:
                continue
            repository = self.repository(editor_text)
            is_unmerged = repository is not None and repository.is_unmerged(Path(editor_text.path or ""))
            if is_unmerged or uri in self._before or resolvable(editor_text.text):
                found.setdefault(repository or uri, []).append(MergeText(uri, editor_text))
        return found

    def repository(self, editor_text: EditorText) -> Repository | None:
        """The work tree that a text lies in, if it is a file of one."""
        return self._repositories.around(Path(editor_text.path)) if editor_text.path else None

    def work_trees(self, folders: Sequence[str]) -> Iterator[Repository]:
        """The work trees around these folders, each once."""
        around = [self._repositories.around(Path(folder)) for folder in folders]
        yield from dict.fromkeys(found for found in around if found is not None)

    def history(self, root: Path | None) -> MergeHistory:
        """What history tells of the merge that waits in a work tree; nothing outside of one."""
        repository = self._repositories.around(root) if root else None
        return repository.history() if repository else UNKNOWN_MERGE

    def rest(
        self, repository: Repository, items: Sequence[MergeText], check: Callable[[], None]
    ) -> list[MergeText]:
        """The files of a merge that no editor has open, up to MOST_CONFLICTS conflicts and MOST_CHARACTERS in all."""
        held = {repository.name_of(Path(item.editor_text.path or "")) for item in items}
        size = sum(len(resolvable(item.editor_text.text)) for item in items)
        room = MOST_CHARACTERS - sum(len(item.editor_text.text) for item in items)
        rest = []
        for name in repository.unmerged():
            if name in held:
                continue
            check()
            path = repository.root / name
            editor_text = self._files.read(path, name) if room > 0 else None
            if editor_text is None:
                continue
            versions = repository.versions_of(path)
            room -= len(editor_text.text) + sum(map(len, versions.stages if versions else ()))
            count = len(resolvable(editor_text.text))
            size += max(count, 1) if count or versions else 0
            if (count or versions) and size <= MOST_CONFLICTS and room > 0:
                rest.append(MergeText("", editor_text))
        return rest

    def reconciled(self, key: MergeKey, item: MergeText) -> ReconciledText:
        """The text reconciled with what git knows of it, or with what it was before."""
        editor_text, versions, own = item.editor_text, None, OwnResolutions()
        if isinstance(key, Repository) and editor_text.path:
            path = Path(editor_text.path)
            editor_text = replace(editor_text, name=key.name_of(path) or editor_text.name)
            versions = key.versions_of(path)
            own = key.own_in(path)
        before = self._before.get(item.name) if versions is None and item.uri else None
        last = self._reconciled.get(item.name)
        if last is not None and last.holds_for(editor_text, versions, before, own):
            return last.here
        here = reconciled_text(editor_text, versions, before, own)
        self._reconciled[item.name] = _Reconciled(editor_text, versions, before, here)
        if item.uri and versions is None:
            self._before[item.uri] = here.file.line_merge
        return here


class _Files:
    """Files of the disk as an editor would open them, read again when they were written again."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int], EditorText | None]] = {}

    def read(self, path: Path, name: str) -> EditorText | None:
        """The file; None where it is no text of a usual size."""
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if path not in self._read or self._read[path][0] != stamp:
                self._read[path] = (stamp, _source(path, name) if found.st_size <= LARGEST_TEXT else None)
        except OSError:
            return None
        return self._read[path][1]

    def forget(self) -> None:
        """Lets go of every file."""
        self._read.clear()


def _source(path: Path, name: str) -> EditorText | None:
    try:
        return EditorText(decoded(path, read_bytes(path)), str(path), name)
    except InputError:
        return None
