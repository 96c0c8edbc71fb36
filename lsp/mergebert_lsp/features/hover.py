"""Hover: what each side did to the base, and what is suggested, how it is made and how sure it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lsprotocol.types import Hover, MarkupContent, MarkupKind

from mergebert.terminal import percent, shown_lines, small_diff
from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.wording import labels_of, summary, taken
from mergebert_lsp.text.document_state import DocumentConflict, DocumentState

MOST_LINES = 24  # of one diff or text; a hover is read at a glance

_BACKTICKS = re.compile("`+")
_MARKUP = re.compile(r"[\\`*_\[\]<>~]")  # labels come from the repository and are no markup


def hover(document: DocumentState, at: int, client: Client, is_ranked: bool) -> Hover | None:
    """What is to be said of the conflict at a character; None outside of conflicts."""
    conflict = next(iter(document.at(at, at)), None)
    if conflict is None:
        return None
    first = _MARKUP.sub(r"\\\g<0>", summary(conflict, len(document.conflicts), is_ranked))
    text = "\n\n".join([first, *_sides(conflict), *_suggestions(conflict)])
    kind = MarkupKind.Markdown if client.reads_markdown else MarkupKind.PlainText
    return Hover(MarkupContent(kind, text), document.positions.line_range(at))


def _sides(conflict: DocumentConflict) -> Iterator[str]:
    labels, sides = labels_of(conflict), conflict.sides
    for label, text in ((labels.ours, sides.ours), (labels.theirs, sides.theirs)):
        if not conflict.knows_base:
            yield f"{_code(label)}:\n{_fenced('', shown_lines(text) or ['(nothing)'])}"
        else:
            yield f"{labels.base} → {_code(label)}:\n{_fenced('diff', small_diff(sides.base, text))}"


def _suggestions(conflict: DocumentConflict) -> Iterator[str]:
    labels = labels_of(conflict)
    for rank, one in enumerate(conflict.suggestions, start=1):
        sure = ", sure enough to apply" if rank == 1 and conflict.is_sure else ""
        how = f"pattern {one.pattern}, method {one.method}"
        title = f"**{rank}. {percent(one.confidence)}** {_code(taken(one, labels))} ({how}{sure})"
        if rank > 1:
            yield title
            continue
        yield f"{title}\n{_fenced('', shown_lines(one.text) or ['(nothing)'])}"


def _fenced(language: str, lines: Sequence[str]) -> str:
    """A block of code that no line of it can end."""
    kept = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        kept.append(f"... {len(lines) - MOST_LINES} more lines")
    text = "\n".join(kept)
    fence = "`" * max(3, _longest(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _code(text: str) -> str:
    """Inline code that its text cannot end; labels come from the repository and are no markup."""
    fence = "`" * (_longest(text) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _longest(text: str) -> int:
    return max((len(found) for found in _BACKTICKS.findall(text)), default=0)
