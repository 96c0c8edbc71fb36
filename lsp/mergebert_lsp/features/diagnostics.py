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
from mergebert_lsp.text.view import Shown, View

SOURCE = "mergebert"
CONFLICT, TORN = "conflict", "torn"


def diagnostics(view: View, client: Client, is_ranked: bool) -> list[Diagnostic]:
    """The diagnostics of a text in order; before it was ranked they say so."""
    count = len(view.conflicts)
    found = [
        Diagnostic(
            range=view.positions.line_range(shown.marked.start),
            message=summary(shown, count, is_ranked),
            severity=DiagnosticSeverity.Error,
            code=CONFLICT,
            source=SOURCE,
            related_information=list(_related(view, shown)) if client.shows_related else None,
            data={"conflict": shown.id, "confidence": _confidence(shown)},
        )
        for shown in view.conflicts
    ]
    torn = [
        Diagnostic(
            range=view.positions.line_range(one.start),
            message=one.reason,
            severity=DiagnosticSeverity.Warning,
            code=TORN,
            source=SOURCE,
        )
        for one in view.torn
    ]
    return sorted(found + torn, key=lambda one: one.range.start.line)


def _confidence(shown: Shown) -> float | None:
    return round(shown.suggestions[0].confidence, 4) if shown.suggestions else None


def _related(view: View, shown: Shown) -> Iterator[DiagnosticRelatedInformation]:
    """Where each side stands."""
    labels = labels_of(shown)
    spans = shown.marked.spans
    for label, span in ((labels.ours, spans.ours), (labels.theirs, spans.theirs)):
        if span is not None:
            where: Range = view.positions.range(*span)
            yield DiagnosticRelatedInformation(Location(view.uri, where), label)
