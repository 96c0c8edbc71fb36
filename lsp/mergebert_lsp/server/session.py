"""What the server knows at this moment: the texts of the editor, their views, and what the worker has said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pygls.uris import from_fs_path, to_fs_path

from mergebert.text.languages import LANGUAGES
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.server.options import Options
from mergebert_lsp.server.supervisor import Supervisor
from mergebert_lsp.text.region import Region, region_of
from mergebert_lsp.text.view import View
from mergebert_lsp.worker.wire import LARGEST_TEXT, Source


@dataclass(frozen=True, slots=True)
class Shell:
    """What a session asks of the connection: each is called when something has changed."""

    show: Callable[[View], None]
    forget: Callable[[str], None]
    refresh: Callable[[], None]
    status: Callable[[], None]
    complain: Callable[[str], None]
    progress: Callable[[int, int], None]
    done: Callable[[], None]


@dataclass
class Session:
    """The state of one connection."""

    shell: Shell
    client: Client = field(default_factory=Client)
    options: Options = field(default_factory=Options)
    encoding: str = "utf-16"
    folders: dict[str, str] = field(default_factory=dict)  # of the workspace, path by URI
    views: dict[str, View] = field(default_factory=dict)
    others: dict[str, View] = field(default_factory=dict)  # files of the merge that no editor holds
    is_whole: bool = False  # whether all files of the merge were asked for

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self._hear, self.shell.complain)
        self._languages: dict[str, str] = {}
        self._regions: dict[str, tuple[Region, ...]] = {}
        self._tracked: set[str] = set()  # texts that the worker knows
        self._answered = 0  # the newest generation that was answered wholly
        self._settled = asyncio.Event()
        self._problems: set[str] = set()
        self._spent: dict[str, tuple[int | None, str]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether the worker has not yet said its last word."""
        return self._answered < self.supervisor.generation

    def opened(self, uri: str, version: int | None, text: str, language: str = "") -> None:
        """A text was opened, or has changed as a whole."""
        if language:
            self._languages[uri] = language
        view = self.views[uri] = View(uri, version, text, self.encoding, self._regions.get(uri, ()))
        self.others.pop(uri, None)
        self._come_back(view)
        if view.has_conflicts or uri in self._tracked:
            if len(text) <= LARGEST_TEXT:  # else it is shown and not ranked
                self._tracked.add(uri)
                self._ask({uri: self._source(uri, text)})
            self.shell.show(view)
            self.shell.status()

    def closed(self, uri: str) -> None:
        """A text was closed; the file, if it is one, counts as it lies on the disk again."""
        self.views.pop(uri, None)
        self._languages.pop(uri, None)
        self._regions.pop(uri, None)
        self._spent.pop(uri, None)
        if uri in self._tracked:
            self._tracked.remove(uri)
            self._ask({uri: None})
            self.shell.forget(uri)
            self.shell.status()

    def ask_again(self, saved: str = "") -> None:
        """Asks anew because something besides the texts has changed, such as a text being saved."""
        if self._tracked or self.is_whole:
            self._ask({}, [saved] if saved else [])

    def ask_whole(self) -> int:
        """Asks for the whole merge of every folder; the generation of the answer."""
        self.is_whole = True
        return self._ask({})

    async def settled(self, generation: int) -> None:
        """Waits until this generation, or a newer one, was answered."""
        while self._answered < generation:
            self._settled.clear()
            await self._settled.wait()

    def spend(self, views: Iterable[View]) -> None:
        """Notes that an edit of these texts is on its way: until they come back changed, no other fits them."""
        self._spent.update((view.uri, _state(view)) for view in views)

    def restore(self, views: Iterable[View]) -> None:
        """Notes that an edit was not made."""
        for view in views:
            self._spent.pop(view.uri, None)

    def is_spent(self, view: View) -> bool:
        """Whether an edit of this very text was made, or is on its way."""
        return self._spent.get(view.uri) == _state(view)

    def close(self) -> None:
        """Ends the worker."""
        self.supervisor.close()

    def all_views(self) -> Iterator[View]:
        """The texts with conflicts: of the editor first, then the other files of the merge."""
        yield from (view for view in self.views.values() if view.has_conflicts)
        yield from (view for view in self.others.values() if view.has_conflicts)

    def _come_back(self, view: View) -> None:
        """Forgets an edit that this text has been changed by: should it ever read as before, edits fit it again."""
        if not self.is_spent(view):
            self._spent.pop(view.uri, None)

    def _ask(self, texts: dict[str, Source | None], saved: Sequence[str] = ()) -> int:
        folders = tuple(self.folders.values()) if self.is_whole else ()
        return self.supervisor.post(texts, self.options.wishes, folders, saved)

    def _source(self, uri: str, text: str) -> Source:
        path = to_fs_path(uri) if uri.startswith("file:") else None
        return Source(text, path, _name(uri, path, self._languages.get(uri, "")))

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Takes over what the worker says."""
        kind = message.get("kind")
        if kind == "offers":
            self._offered(message["files"], message["is_part"])
        elif kind == "progress" and message["generation"] == self.supervisor.generation:
            self.shell.progress(message["done"], message["of"])
        elif kind == "problem" and message["message"] not in self._problems:
            self._problems.add(message["message"])
            self.shell.complain(message["message"])
        elif kind == "done" and message["generation"] == self.supervisor.generation:
            self._answered = message["generation"]
            self._settled.set()
            self._drop(message.get("others", ()))
            for view in self.views.values():
                if view.has_conflicts:
                    self.shell.show(view)
            self.shell.refresh()
            self.shell.done()

    def _offered(self, files: list[Mapping[str, Any]], is_part: bool) -> None:
        held = {to_fs_path(uri): uri for uri in self.views if uri.startswith("file:")}
        for file in files:
            regions = tuple(region_of(row) for row in file["regions"])
            uri = file["uri"] or held.get(file["path"]) or from_fs_path(file["path"]) or ""
            view = self.views.get(uri)
            if view is not None:
                if is_part:
                    regions += tuple(one for one in self._regions.get(uri, ()) if one not in regions)
                self._regions[uri] = regions
                view = self.views[uri] = view.answered(regions)
            elif not file["uri"]:
                view = self.others[uri] = View(uri, None, file["text"], self.encoding, regions)
                self._come_back(view)
            if view is not None and (uri in self.views or self.is_whole):
                self.shell.show(view)
        self.shell.refresh()

    def _drop(self, kept: Sequence[str]) -> None:
        """Forgets files that belong to no merge any more."""
        for uri in [uri for uri in self.others if to_fs_path(uri) not in kept]:
            del self.others[uri]
            self._spent.pop(uri, None)
            self.shell.forget(uri)


def _state(view: View) -> tuple[int | None, str]:
    return view.version, view.text


def _name(uri: str, path: str | None, language: str) -> str:
    """What names the language of a text: its file name, or one made of the language that the editor says it has."""
    name = Path(path).name if path else uri.rpartition("/")[2].partition("?")[0]
    if "." in name and not uri.startswith("untitled:"):
        return name
    known = (one for one in LANGUAGES if language and language in (one.name, *one.aliases) and one.extensions)
    found = next(known, None)
    return f"untitled{found.extensions[0]}" if found else name
