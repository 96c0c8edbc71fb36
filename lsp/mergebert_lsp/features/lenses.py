"""Code lenses above each conflict: what the lenses of VS Code itself do not offer."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CodeLens, Command

from mergebert.terminal import percent
from mergebert_lsp.features.actions import ACCEPT, NEXT
from mergebert_lsp.features.wording import action_titles, labels_of, taken
from mergebert_lsp.text.view import Shown, View

SWAPPED = "both-swapped"  # VS Code shows one order of both above every conflict, and either side


def lenses(view: View) -> list[CodeLens]:
    """The lenses of a text, in order."""
    return [lens for shown in view.conflicts for lens in _lenses(view, shown)]


def _lenses(view: View, shown: Shown) -> Iterator[CodeLens]:
    where = view.positions.range(shown.marked.start, shown.marked.start)
    for choice, title in _titles(shown):
        data = {"uri": view.uri, "version": view.version, "conflict": shown.id, "choice": choice}
        yield CodeLens(where, Command(title, ACCEPT, arguments=[data]))
    if len(view.conflicts) > 1:
        title = f"Next conflict ({shown.number} of {len(view.conflicts)})"
        here = {"uri": view.uri, "line": where.start.line}
        yield CodeLens(where, Command(title, NEXT, arguments=[here]))


def _titles(shown: Shown) -> Iterator[tuple[str, str]]:
    """The best suggestion and the other order of both: more would push VS Code's own out of sight."""
    for one in shown.suggestions[:1]:
        yield "1", f"{taken(one, labels_of(shown))} ({percent(one.confidence)})"
    if shown.edit(SWAPPED) is not None:
        yield SWAPPED, action_titles(shown)[SWAPPED]
