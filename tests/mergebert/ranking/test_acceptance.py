from __future__ import annotations

from dataclasses import replace

import pytest

from mergebert.ranking import acceptance
from mergebert.ranking.acceptance import checked
from mergebert.ranking.evidence import FileEvidence, FileMerge
from mergebert.ranking.resolution import RankedConflict, Resolution
from mergebert.text.languages import Language
from mergebert.text.markers import Conflict, Markers, MergedFile
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import Tier

MARKERS = Markers("<<<<<<< a\n", "||||||| b\n", "=======\n", ">>>>>>> c\n")
SURE = (0.95, 0.99, 0.96, 0.98, 0.97)


def test_what_nobody_can_parse_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides can be judged, the two together take too long."""
    conflict = Conflict(ThreeWay("", "a = 1\n", "b = 2\n"), MARKERS)
    both = Resolution("a = 1\nb = 2\n", "ours+theirs", "lines", 0.99)
    evidence = FileEvidence(FileMerge("a.py", MergedFile((conflict,))))

    def error_count(text: str, language: Language) -> int | None:
        return None if text == both.text else 0

    monkeypatch.setattr(acceptance, "error_count", error_count)
    [one] = checked(evidence, [RankedConflict(conflict, (both,), Tier.APPLIED)])

    assert not one.accepted


def ranked_file() -> tuple[FileEvidence, list[RankedConflict]]:
    """A file of five conflicts, all accepted with another confidence; what is applied is `both 0`, `both 1`, ..."""
    conflicts = [Conflict(ThreeWay("", f"ours {at}\n", f"theirs {at}\n"), MARKERS) for at in range(5)]
    ranked = [
        RankedConflict(one, (Resolution(f"both {at}\n", "ours+theirs", "lines", sure),), Tier.APPLIED)
        for at, (one, sure) in enumerate(zip(conflicts, SURE, strict=True))
    ]
    parts = [part for one in conflicts for part in (one, "between\n")]
    return FileEvidence(FileMerge("a.py", MergedFile(tuple(parts)))), ranked


@pytest.mark.parametrize(
    ("broken", "kept", "parsed"),
    [((), {0, 1, 2, 3, 4}, 1), ((0,), {1, 3}, 2), ((2, 4), {1, 3}, 2), ((3,), {1}, 3), ((1, 0), set(), 3)],
)
def test_the_less_sure_half_is_withdrawn_until_the_file_parses(
    broken: tuple[int, ...], kept: set[int], parsed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, ranked = ranked_file()
    tried = []

    def error_count(text: str, language: Language) -> int:
        if "both" in text:
            tried.append(text)
        return sum(f"both {at}\n" in text for at in broken)

    monkeypatch.setattr(acceptance, "error_count", error_count)
    found = checked(evidence, ranked)

    assert {at for at, one in enumerate(found) if one.accepted} == kept
    assert [one.resolutions for one in found] == [one.resolutions for one in ranked]
    assert len(tried) == parsed


def test_drafts_are_tried_with_what_is_applied_and_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The surest two are applied; of the drafts the least sure breaks the file, and its half is withdrawn."""
    evidence, ranked = ranked_file()
    mixed = [one if at in (1, 3) else replace(one, tier=Tier.DRAFT) for at, one in enumerate(ranked)]
    monkeypatch.setattr(acceptance, "error_count", lambda text, language: int("both 0\n" in text))
    tiers = [one.tier for one in checked(evidence, mixed)]
    assert tiers == [Tier.SUGGESTED, Tier.APPLIED, Tier.SUGGESTED, Tier.APPLIED, Tier.DRAFT]


def test_nothing_accepted_is_nothing_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence, ranked = ranked_file()
    refused = [one.refused() for one in ranked]
    monkeypatch.setattr(acceptance, "error_count", lambda text, language: pytest.fail("parsed for nothing"))
    assert checked(evidence, refused) == refused


@pytest.mark.parametrize("better", ["ours", "theirs"])
def test_the_better_side_says_how_many_errors_may_stay(better: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence, ranked = ranked_file()

    def error_count(text: str, language: Language) -> int:
        return 1 if "both" in text or better not in text else 0

    monkeypatch.setattr(acceptance, "error_count", error_count)
    assert not any(one.accepted for one in checked(evidence, ranked))
