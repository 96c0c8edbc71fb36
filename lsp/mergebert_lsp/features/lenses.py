"""Code lenses above each conflict: what the lenses of VS Code itself do not offer."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CodeLens, Command

from mergebert.terminal import percent
from mergebert_lsp.features.actions import ACCEPT, NEXT
from mergebert_lsp.features.wording import labels_of, taken
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.document_state import DocumentState, ShownConflict

SWAPPED = "both-swapped"  # VS Code shows one order of both above every conflict, and either side


def lenses(document: DocumentState) -> list[CodeLens]:
    """The lenses of a text, in order."""
    return [lens for shown in document.conflicts for lens in _lenses(document, shown)]


def _lenses(document: DocumentState, shown: ShownConflict) -> Iterator[CodeLens]:
    where = document.positions.range(shown.marked.start, shown.marked.start)
    for choice, title in _titles(shown):
        data = {"uri": document.uri, "version": document.version, "conflict": shown.id, "choice": choice}
        yield CodeLens(where, Command(title, ACCEPT, arguments=[data]))
    if len(document.conflicts) > 1:
        title = f"Next conflict ({shown.number} of {len(document.conflicts)})"
        here = {"uri": document.uri, "line": where.start.line}
        yield CodeLens(where, Command(title, NEXT, arguments=[here]))


def _titles(shown: ShownConflict) -> Iterator[tuple[str, str]]:
    """The best suggestion and the other order of both: more would push VS Code's own out of sight."""
    for one in shown.suggestions[:1]:
        yield "1", f"{taken(one, labels_of(shown))} ({percent(one.confidence)})"
    if shown.edit(SWAPPED) is not None:
        yield SWAPPED, CHOICES[SWAPPED].title(labels_of(shown))
