"""Code lenses above each conflict: what the lenses of VS Code itself do not offer."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CodeLens, Command

from mergebert.terminal import percent
from mergebert_lsp.features.actions import ACCEPT, NEXT
from mergebert_lsp.features.wording import labels_of, taken
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.document_state import DocumentConflict, DocumentState

SWAPPED = "both-swapped"  # VS Code shows one order of both above every conflict, and either side


def lenses(document: DocumentState) -> list[CodeLens]:
    """The lenses of a text, in order."""
    return [lens for conflict in document.conflicts for lens in _lenses(document, conflict)]


def _lenses(document: DocumentState, conflict: DocumentConflict) -> Iterator[CodeLens]:
    where = document.positions.range(conflict.marked.start, conflict.marked.start)
    for choice, title in _titles(conflict):
        data = {"uri": document.uri, "version": document.version, "conflict": conflict.id, "choice": choice}
        yield CodeLens(where, Command(title, ACCEPT, arguments=[data]))
    if len(document.conflicts) > 1:
        title = f"Next conflict ({conflict.number} of {len(document.conflicts)})"
        here = {"uri": document.uri, "line": where.start.line}
        yield CodeLens(where, Command(title, NEXT, arguments=[here]))


def _titles(conflict: DocumentConflict) -> Iterator[tuple[str, str]]:
    """The best suggestion and the other order of both: more would push VS Code's own out of sight."""
    for one in conflict.suggestions[:1]:
        yield "1", f"{taken(one, labels_of(conflict))} ({percent(one.confidence)})"
    if conflict.edit(SWAPPED) is not None:
        yield SWAPPED, CHOICES[SWAPPED].title(labels_of(conflict))
