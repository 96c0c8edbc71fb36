from __future__ import annotations

import pytest

from mergebert import resolve
from mergebert.evidence import FileEvidence, FileMerge
from mergebert.languages import Language
from mergebert.markers import Conflict, Markers, MergedFile
from mergebert.resolve import RankedConflict, Resolution, checked
from mergebert.threeway import ThreeWay

MARKERS = Markers("<<<<<<< a\n", "||||||| b\n", "=======\n", ">>>>>>> c\n")


def test_what_nobody_can_parse_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides can be judged, the two together take too long."""
    conflict = Conflict(ThreeWay("", "a = 1\n", "b = 2\n"), MARKERS)
    both = Resolution("a = 1\nb = 2\n", "ours+theirs", "lines", 0.99)
    evidence = FileEvidence(FileMerge("a.py", MergedFile((conflict,))))

    def error_count(text: str, language: Language) -> int | None:
        return None if text == both.text else 0

    monkeypatch.setattr(resolve, "error_count", error_count)
    [one] = checked(evidence, [RankedConflict(conflict, (both,), accepted=True)])

    assert not one.accepted
