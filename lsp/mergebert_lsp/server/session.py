"""What the server knows at this moment: the documents of the editor, and what the worker has said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mergebert.text.languages import LANGUAGES
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.server.options import EditorOptions
from mergebert_lsp.server.supervisor import Supervisor
from mergebert_lsp.text.document_state import NO_FACTS, DocumentState
from mergebert_lsp.text.marker_facts import MarkerFacts, facts_from
from mergebert_lsp.text.suggestions import ConflictSuggestions, suggestions_of
from mergebert_lsp.text.uris import path_of, uri_of
from mergebert_lsp.worker.messages import LARGEST_TEXT, EditorText


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """What a session asks of the connection: each is called when something has changed."""

    show: Callable[[DocumentState], None]
    forget: Callable[[str], None]
    refresh: Callable[[], None]
    status: Callable[[], None]
    complain: Callable[[str], None]
    progress: Callable[[int, int], None]
    done: Callable[[], None]


@dataclass
class Session:
    """The state of one connection."""

    events: SessionEvents
    client: Client = field(default_factory=Client)
    options: EditorOptions = field(default_factory=EditorOptions)
    encoding: str = "utf-16"
    folders: dict[str, str] = field(default_factory=dict)  # of the workspace, path by URI
    documents: dict[str, DocumentState] = field(default_factory=dict)
    others: dict[str, DocumentState] = field(default_factory=dict)  # files of the merge that are not open
    is_whole: bool = False  # whether all files of the merge were asked for

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self._on_message, self.events.complain)
        self._languages: dict[str, str] = {}
        self._suggested: dict[str, tuple[ConflictSuggestions, ...]] = {}
        self._facts: dict[str, MarkerFacts] = {}
        self._tracked: set[str] = set()  # texts that the worker knows
        self._settled = asyncio.Event()
        self._problems: set[str] = set()
        self._spent: dict[str, tuple[int | None, str]] = {}

    @property
    def is_busy(self) -> bool:
        """Whether the newest task is still unanswered."""
        return self.supervisor.is_busy

    def opened(self, uri: str, version: int | None, text: str, language: str = "") -> None:
        """A text was opened, or has changed as a whole."""
        if language:
            self._languages[uri] = language
        document = self.documents[uri] = DocumentState(
            uri, version, text, self.encoding, self._suggested.get(uri, ()), self._facts.get(uri, NO_FACTS)
        )
        self.others.pop(uri, None)
        self._come_back(document)
        if document.has_conflicts or uri in self._tracked:
            if len(text) <= LARGEST_TEXT:  # else it is shown and not ranked
                self._tracked.add(uri)
                self._ask({uri: self._source(uri, text)})
            self.events.show(document)
            self.events.status()

    def closed(self, uri: str) -> None:
        """A text was closed; the file, if it is one, counts as it lies on the disk again."""
        self.documents.pop(uri, None)
        self._languages.pop(uri, None)
        self._suggested.pop(uri, None)
        self._facts.pop(uri, None)
        self._spent.pop(uri, None)
        if uri in self._tracked:
            self._tracked.remove(uri)
            self._ask({uri: None})
            self.events.forget(uri)
            self.events.status()

    def ask_again(self, saved: str = "") -> None:
        """Posts a new task although no text has changed, as after a save or for new settings."""
        if self._tracked or self.is_whole:
            self._ask({}, [saved] if saved else [])

    def ask_whole(self) -> int:
        """Asks for the whole merge of every folder; the generation of the answer."""
        self.is_whole = True
        return self._ask({})

    async def settled(self, generation: int) -> None:
        """Waits until this generation, or a newer one, was answered."""
        while self.supervisor.answered < generation:
            self._settled.clear()
            await self._settled.wait()

    def spend(self, documents: Iterable[DocumentState]) -> None:
        """Notes that an edit of these texts was sent: no other applies until the editor reports them changed."""
        self._spent.update((document.uri, _state(document)) for document in documents)

    def restore(self, documents: Iterable[DocumentState]) -> None:
        """Notes that an edit was not applied."""
        for document in documents:
            self._spent.pop(document.uri, None)

    def is_spent(self, document: DocumentState) -> bool:
        """Whether an edit of this version of the text was applied or sent."""
        return self._spent.get(document.uri) == _state(document)

    def close(self) -> None:
        """Ends the worker; what waits for it waits no longer."""
        self.supervisor.close()
        self._settled.set()

    def all_documents(self) -> Iterator[DocumentState]:
        """The texts with conflicts: of the editor first, then the other files of the merge."""
        yield from (document for document in self.documents.values() if document.has_conflicts)
        yield from (document for document in self.others.values() if document.has_conflicts)

    def _come_back(self, document: DocumentState) -> None:
        """Forgets an edit that this text has been changed by: should it ever read as before, edits fit it again."""
        if not self.is_spent(document):
            self._spent.pop(document.uri, None)

    def _ask(self, texts: dict[str, EditorText | None], saved: Sequence[str] = ()) -> int:
        folders = tuple(self.folders.values()) if self.is_whole else ()
        return self.supervisor.post(texts, self.options.worker_settings, folders, saved)

    def _source(self, uri: str, text: str) -> EditorText:
        path = path_of(uri)
        return EditorText(text, path, _name(uri, path, self._languages.get(uri, "")))

    def _on_message(self, message: Mapping[str, Any]) -> None:
        """Takes over what the worker says."""
        kind = message.get("kind")
        if kind == "offers":
            self._offered(message["files"], message["is_part"])
        elif kind == "progress" and message["of"] and message["generation"] == self.supervisor.generation:
            self.events.progress(message["done"], message["of"])
        elif kind == "problem" and message["message"] not in self._problems:
            self._problems.add(message["message"])
            self.events.complain(message["message"])
        elif kind == "done" and message["generation"] == self.supervisor.generation:
            self._settled.set()
            self._drop(message.get("others", ()))
            for document in self.documents.values():
                if document.has_conflicts:
                    self.events.show(document)
            self.events.refresh()
            self.events.done()

    def _offered(self, files: list[Mapping[str, Any]], is_part: bool) -> None:
        held = {path_of(uri): uri for uri in self.documents}
        for file in files:
            suggested = tuple(suggestions_of(row) for row in file["suggested"])
            uri = file["uri"] or held.get(file["path"]) or uri_of(file["path"])
            facts = facts_from(file["facts"])
            document = self.documents.get(uri)
            if document is not None:
                if is_part:
                    suggested += tuple(one for one in self._suggested.get(uri, ()) if one not in suggested)
                self._suggested[uri], self._facts[uri] = suggested, facts
                document = self.documents[uri] = document.with_suggestions(suggested, facts)
            elif not file["uri"]:
                document = DocumentState(uri, None, file["text"], self.encoding, suggested, facts)
                self.others[uri] = document
                self._come_back(document)
            if document is not None and (uri in self.documents or self.is_whole):
                self.events.show(document)
        self.events.refresh()

    def _drop(self, kept: Sequence[str]) -> None:
        """Forgets files that belong to no merge any more."""
        for uri in [uri for uri in self.others if path_of(uri) not in kept]:
            del self.others[uri]
            self._spent.pop(uri, None)
            self.events.forget(uri)


def _state(document: DocumentState) -> tuple[int | None, str]:
    return document.version, document.text


def _name(uri: str, path: str | None, language: str) -> str:
    """What names the language of a text: its file name, or one made of the language that the editor says it has."""
    name = Path(path).name if path else uri.rpartition("/")[2].partition("?")[0]
    if "." in name and not uri.startswith("untitled:"):
        return name
    known = (one for one in LANGUAGES if language and language in (one.name, *one.aliases) and one.extensions)
    found = next(known, None)
    return f"untitled{found.extensions[0]}" if found else name
