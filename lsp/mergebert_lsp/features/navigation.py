"""Where the next and the previous conflict are, in this text and then in the other files of the merge."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol.types import Location

from mergebert_lsp.text.document_state import DocumentConflict, DocumentState


def next_conflict(documents: Sequence[DocumentState], uri: str, line: int, step: int) -> Location | None:
    """The conflict after (`step` 1) or before (`step` -1) a line; beyond the last one comes the next text."""
    here = next((document for document in documents if document.uri == uri), None)
    places = [(one, conflict) for one in _from(documents, here) for conflict in one.conflicts]
    if not places:
        return None
    if here is None or not here.conflicts:
        return _location(*places[0 if step > 0 else -1])
    lines = [here.positions.position(conflict.marked.start).line for conflict in here.conflicts]
    ends = [here.positions.position(conflict.marked.end).line for conflict in here.conflicts]
    if step > 0:
        at = next((at for at, start in enumerate(lines) if start > line), len(lines))
    else:
        at = next((at for at in reversed(range(len(ends))) if ends[at] <= line), -1)
    return _location(*places[at % len(places)])


def _from(documents: Sequence[DocumentState], here: DocumentState | None) -> list[DocumentState]:
    """The documents in their order, the one that is looked at first."""
    at = documents.index(here) if here is not None else 0
    return [*documents[at:], *documents[:at]]


def _location(document: DocumentState, conflict: DocumentConflict) -> Location:
    return Location(document.uri, document.positions.range(conflict.marked.start, conflict.marked.start))
