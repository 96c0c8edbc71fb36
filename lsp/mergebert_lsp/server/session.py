"""What the server knows at this moment: the documents of the editor, and what the worker has said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mergebert.text.languages import LANGUAGES
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.server.git_facts import ask_git
from mergebert_lsp.server.options import EditorOptions
from mergebert_lsp.server.supervisor import Supervisor
from mergebert_lsp.text.document_state import NO_FACTS, DocumentState
from mergebert_lsp.text.marker_facts import MarkerFacts, facts_from
from mergebert_lsp.text.suggestions import ConflictSuggestions, suggestions_of
from mergebert_lsp.text.uris import path_of, uri_of
from mergebert_lsp.worker.messages import LARGEST_TEXT, EditorText

# Seconds in which the worker starts and git answers, many times over. After them git is asked without the worker, and
# after as many again a text is shown as its markers alone read: a conflict that is content does less harm than a real one
# that nobody sees.
LONGEST_READING = 10.0


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


@dataclass(slots=True)
class _Reading:
    """The wait for what git says of the markers in a text."""

    generation: int  # of the task that asks for it
    is_gits: bool = False  # whether git was asked without the worker
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._readings: dict[str, _Reading] = {}
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
        facts, suggested = self._facts.get(uri, NO_FACTS), self._suggested.get(uri, ())
        document = DocumentState(uri, version, text, self.encoding, suggested, facts)
        self.others.pop(uri, None)
        is_known = document.has_conflicts or uri in self._tracked
        if is_known and len(text) <= LARGEST_TEXT:  # a larger one is shown and not ranked
            self._tracked.add(uri)
            generation = self._ask({uri: self._source(uri, text)})
            if self._is_unread(document):
                self._begin_reading(uri, generation)
                document = document.with_suggestions(suggested, None)
        self.documents[uri] = document
        self._come_back(document)
        if is_known and uri not in self._readings:
            self.events.show(document)
            self.events.status()

    def _is_unread(self, document: DocumentState) -> bool:
        """Whether git has to be asked of the markers in a text before any is shown: it had no conflict until now."""
        before = self.documents.get(document.uri)
        has_more = document.has_conflicts and not (before and before.has_conflicts)
        return has_more and path_of(document.uri) is not None

    def _begin_reading(self, uri: str, generation: int) -> None:
        """Waits for what the worker says of the markers in a text, but not for ever."""
        if uri not in self._readings:
            reading = self._readings[uri] = _Reading(generation)
            asyncio.get_running_loop().call_later(LONGEST_READING, self._ask_git, uri, reading)

    def _ask_git(self, uri: str, reading: _Reading) -> None:
        """Asks git itself about the markers in a text, unless that is known, and waits for it, but not for ever."""
        if self._readings.get(uri) is not reading or reading.is_gits:
            return
        path = path_of(uri)
        if uri in self._facts or path is None:
            self._read(uri, self._facts.get(uri, NO_FACTS))
            return
        reading.is_gits = True

        def read(facts: MarkerFacts) -> None:
            if uri in self.documents:
                self._read(uri, facts)

        def give_up() -> None:
            if self._readings.get(uri) is reading:
                self._read(uri, NO_FACTS)

        ask_git(path, self.documents[uri].text, read)
        asyncio.get_running_loop().call_later(LONGEST_READING, give_up)

    def _read(self, uri: str, facts: MarkerFacts) -> None:
        """Takes over what git says of the markers in a text, and shows it."""
        self._facts[uri] = facts
        document = self.documents[uri].with_suggestions(self._suggested.get(uri, ()), facts)
        self.documents[uri] = document
        reading = self._readings.pop(uri, None)
        if reading is not None:
            reading.is_over.set()
            self.events.show(document)
            self.events.status()

    async def found(self, uri: str) -> DocumentState | None:
        """A text of the editor, once it is known which of its markers are content."""
        while uri in self._readings:
            await self._readings[uri].is_over.wait()
        return self.documents.get(uri)

    def closed(self, uri: str) -> None:
        """A text was closed; the file, if it is one, counts as it lies on the disk again."""
        self.documents.pop(uri, None)
        self._languages.pop(uri, None)
        self._suggested.pop(uri, None)
        self._facts.pop(uri, None)
        self._spent.pop(uri, None)
        if uri in self._readings:
            self._readings.pop(uri).is_over.set()
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
        for uri in tuple(self._readings):  # where the worker was given up
            await self.found(uri)

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
        if kind == "facts":
            for uri, facts in message["facts"].items():
                if uri in self.documents and self._is_in_time(uri, message):
                    self._read(uri, facts_from(facts))
        elif kind == "offers":
            self._offered(message)
        elif kind == "progress" and message["of"] and message["generation"] == self.supervisor.generation:
            self.events.progress(message["done"], message["of"])
        elif kind == "problem" and message["message"] not in self._problems:
            self._problems.add(message["message"])
            self.events.complain(message["message"])
        elif kind == "done" and message["generation"] == self.supervisor.generation:
            self._settled.set()
            for uri, reading in tuple(self._readings.items()):
                self._ask_git(uri, reading)
            self._drop(message.get("others", ()))
            for document in self.documents.values():
                if document.has_conflicts:
                    self.events.show(document)
            self.events.refresh()
            self.events.done()

    def _is_in_time(self, uri: str, message: Mapping[str, Any]) -> bool:
        """Whether a message is no older than what is asked of a text."""
        reading = self._readings.get(uri)
        return reading is None or reading.generation <= message["generation"]

    def _offered(self, message: Mapping[str, Any]) -> None:
        held = {path_of(uri): uri for uri in self.documents}
        for file in message["files"]:
            suggested = tuple(suggestions_of(row) for row in file["suggested"])
            uri = file["uri"] or held.get(file["path"]) or uri_of(file["path"])
            facts = facts_from(file["facts"])
            document = self.documents.get(uri)
            if document is not None:
                if message["is_part"]:
                    suggested += tuple(one for one in self._suggested.get(uri, ()) if one not in suggested)
                self._suggested[uri] = suggested
                if not self._is_in_time(uri, message):
                    continue
                self._read(uri, facts)
                document = self.documents[uri]
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
