"""What is said of a conflict to people: always with the labels of the markers, since roles swap in a rebase."""

from __future__ import annotations

from mergebert.terminal import percent, visible
from mergebert.text.markers import lines_of
from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.document_state import DocumentConflict
from mergebert_lsp.text.suggestions import Suggestion

LONGEST_LABEL = 40


def labels_of(conflict: DocumentConflict) -> ThreeWay[str]:
    """The names of the three versions as the markers give them; git's words where they give none, or the same."""
    found = conflict.marked.conflict.labels.map(_short)
    ours, theirs = found.ours or "ours", found.theirs or "theirs"
    if ours == theirs:
        ours, theirs = f"{ours} (first)", f"{theirs} (second)"
    return ThreeWay(f"base ({found.base})" if found.base not in ("", "base") else "base", ours, theirs)


def suggestion_title(conflict: DocumentConflict, rank: int) -> str:
    """The title of a suggestion: what it takes and how sure it is."""
    one = conflict.suggestions[rank - 1]
    return f"Accept suggestion {rank}: {taken(one, labels_of(conflict))} ({percent(one.confidence)})"


def taken(one: Suggestion, labels: ThreeWay[str]) -> str:
    """What a suggestion takes of the versions, in their labels."""
    whole = {
        "ours": labels.ours,
        "theirs": labels.theirs,
        "base": labels.base,
        "ours+theirs": f"both, {labels.ours} first",
        "theirs+ours": f"both, {labels.theirs} first",
    }
    if one.method == "lines" and one.pattern in whole:
        return whole[one.pattern]
    if one.pattern in whole and one.method == "tokens":
        return f"merged, {whole[one.pattern]} where they clash"
    return f"merged ({one.method})"


def summary(conflict: DocumentConflict, of: int, is_ranked: bool) -> str:
    """One line: what the conflict is, and the best suggestion with its confidence."""
    labels = labels_of(conflict)
    where = f"Conflict {conflict.number} of {of}: {labels.ours} {_change(conflict, 'ours')}, "
    where += f"{labels.theirs} {_change(conflict, 'theirs')}"
    return f"{where}. {_verdict(conflict, is_ranked)}"


def _verdict(conflict: DocumentConflict, is_ranked: bool) -> str:
    if not conflict.marked.conflict.is_two_sided:
        return f"It has {conflict.marked.conflict.sides_count} sides; resolve it by hand."
    if not conflict.suggestions:
        return "No suggestion; resolve it by hand." if is_ranked else "No suggestion yet."
    best = conflict.suggestions[0]
    sure = ", sure enough to apply" if conflict.is_sure else ""
    return f"Best suggestion: {taken(best, labels_of(conflict))} ({percent(best.confidence)}{sure})."


def _change(conflict: DocumentConflict, side: str) -> str:
    """What a side did to the base, as far as that is known."""
    text, base = str(getattr(conflict.sides, side)), conflict.sides.base
    count, before = len(lines_of(text)), len(lines_of(base))
    if not conflict.knows_base:
        return f"has {_lines(count)}" if count else "has nothing"
    if text == base:
        return "kept the base"
    if not count:
        return f"removed {_lines(before)}"
    if not before:
        return f"added {_lines(count)}"
    return f"changed {_lines(count)}" if count == before else f"made {_lines(before)} into {count}"


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _short(label: str) -> str:
    shown = visible(label)
    return shown if len(shown) <= LONGEST_LABEL else shown[: LONGEST_LABEL - 1] + "…"
