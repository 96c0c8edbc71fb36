"""Where the next and the previous conflict are, in this text and then in the other files of the merge."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol.types import Location

from mergebert_lsp.text.view import Shown, View


def next_conflict(views: Sequence[View], uri: str, line: int, step: int) -> Location | None:
    """The conflict after (`step` 1) or before (`step` -1) a line; beyond the last one comes the next text."""
    here = next((view for view in views if view.uri == uri), None)
    places = [(one, shown) for view in _from(views, here) for one, shown in _places(view)]
    if not places:
        return None
    if here is None or not here.conflicts:
        return _location(*places[0 if step > 0 else -1])
    lines = [here.positions.position(shown.marked.start).line for shown in here.conflicts]
    ends = [here.positions.position(shown.marked.end).line for shown in here.conflicts]
    if step > 0:
        at = next((at for at, start in enumerate(lines) if start > line), len(lines))
    else:
        at = next((at for at in reversed(range(len(ends))) if ends[at] <= line), -1)
    return _location(*places[at % len(places)])


def _from(views: Sequence[View], here: View | None) -> list[View]:
    """The views in their order, the one that is looked at first."""
    at = views.index(here) if here is not None else 0
    return [*views[at:], *views[:at]]


def _places(view: View) -> list[tuple[View, Shown]]:
    return [(view, shown) for shown in view.conflicts]


def _location(view: View, shown: Shown) -> Location:
    return Location(view.uri, view.positions.range(shown.marked.start, shown.marked.start))
