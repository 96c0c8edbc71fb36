"""A diagnostic for every conflict, and for markers that make none."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import (
    Diagnostic,
    DiagnosticRelatedInformation,
    DiagnosticSeverity,
    Location,
    Range,
)

from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.wording import labels_of, summary
from mergebert_lsp.text.document_state import DocumentConflict, DocumentState

SOURCE = "mergebert"
CONFLICT, TORN = "conflict", "torn"


def diagnostics(document: DocumentState, client: Client, is_ranked: bool) -> list[Diagnostic]:
    """The diagnostics of a text in order; before it was ranked they say so."""
    count = len(document.conflicts)
    found = [
        Diagnostic(
            range=document.positions.line_range(conflict.marked.start),
            message=summary(conflict, count, is_ranked),
            severity=DiagnosticSeverity.Error,
            code=CONFLICT,
            source=SOURCE,
            related_information=list(_related(document, conflict)) if client.shows_related else None,
            data={"conflict": conflict.id, "confidence": _confidence(conflict)},
        )
        for conflict in document.conflicts
    ]
    torn = [
        Diagnostic(
            range=document.positions.line_range(one.start),
            message=one.reason,
            severity=DiagnosticSeverity.Warning,
            code=TORN,
            source=SOURCE,
        )
        for one in document.torn
    ]
    return sorted(found + torn, key=lambda one: one.range.start.line)


def _confidence(conflict: DocumentConflict) -> float | None:
    return round(conflict.suggestions[0].confidence, 4) if conflict.suggestions else None


def _related(document: DocumentState, conflict: DocumentConflict) -> Iterator[DiagnosticRelatedInformation]:
    """Where each side stands."""
    labels = labels_of(conflict)
    spans = conflict.marked.spans
    for label, span in ((labels.ours, spans.ours), (labels.theirs, spans.theirs)):
        if span is not None:
            where: Range = document.positions.range(*span)
            yield DiagnosticRelatedInformation(Location(document.uri, where), label)
