from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.evidence import (
    CONTEXT_LINES,
    FileEvidence,
    FileMerge,
    distinctive_lines,
    is_distinctive,
    words_of,
)
from mergebert.text.markers import MergedFile, parse
from mergebert.text.threeway import ThreeWay
from tests.mergebert.strategies import conflict_of, merged_files

CONFLICT = conflict_of("old = 1\n", "ours = 1\n", "theirs = 1\n")


def evidence(merged: MergedFile, stages: ThreeWay[str] | None = None, path: str = "a.py") -> FileEvidence:
    return FileEvidence(FileMerge(path, merged, stages))


@given(merged_files())
def test_there_is_one_fact_for_each_conflict(merged: MergedFile) -> None:
    facts = evidence(merged)
    count = len(merged.conflicts)
    assert len(facts.conflicts) == len(facts.surroundings) == len(facts.positions) == count
    assert list(facts.positions) == sorted(facts.positions)
    assert all(0.0 <= position <= 1.0 for position in facts.positions)
    assert facts.agreed == "".join(part for part in merged.parts if isinstance(part, str))
    for around in facts.surroundings:
        assert around.before.count("\n") <= CONTEXT_LINES >= around.after.count("\n")
        assert around.before in facts.agreed and around.after in facts.agreed


@given(merged_files())
def test_whole_versions_that_say_no_more_move_nothing(merged: MergedFile) -> None:
    """Where agreed text is the same in all versions, no word is brought in or taken out outside the conflicts."""
    sides = [tuple(conflict.sides) for conflict in merged.conflicts]
    agreed = "".join(part for part in merged.parts if isinstance(part, str))
    stages = ThreeWay(*(agreed + "".join(side[at] for side in sides) for at in range(3)))
    facts = evidence(merged, stages)
    assert facts.elsewhere == ThreeWay(facts.words, facts.words, facts.words)
    assert facts.moves == (frozenset(), frozenset(), frozenset(), frozenset())


def test_words_moved_outside_the_conflicts() -> None:
    merged = MergedFile(("head new\n", CONFLICT, "renamed\n"))
    stages = ThreeWay(
        "head gone\nold = 1\nname\n", "head new\nours = 1\nname\n", "head gone\ntheirs = 1\nrenamed\n"
    )
    facts = evidence(merged, stages)
    assert facts.moves == ({"new"}, {"gone"}, {"renamed"}, {"name"})


def test_without_whole_versions_nothing_is_known_to_move() -> None:
    facts = evidence(MergedFile((CONFLICT,)))
    assert facts.elsewhere is None
    assert facts.moves == (frozenset(),) * 4


def test_what_stands_around_a_conflict() -> None:
    before = "".join(f"line {at}\n" for at in range(9))
    merged = MergedFile((before, CONFLICT, CONFLICT, "after\nend"))
    first, second = evidence(merged).surroundings
    assert first.before == "line 5\nline 6\nline 7\nline 8\n"
    assert (first.after, second.before) == ("", "")
    assert second.after == "after\nend"


def test_a_file_that_is_all_conflict() -> None:
    facts = evidence(MergedFile((CONFLICT,)))
    assert (facts.agreed, facts.positions, facts.words) == ("", (0.0,), Counter())
    assert facts.surroundings[0].before == facts.surroundings[0].after == ""


def test_a_file_without_conflicts() -> None:
    facts = evidence(parse("fine\n"))
    assert (facts.conflicts, facts.surroundings, facts.positions) == ((), (), ())


def test_words_are_counted() -> None:
    assert words_of("alpha beta_2 x 12 alpha été") == {"alpha": 2, "beta_2": 1, "été": 1}


def test_lines_that_say_something() -> None:
    assert distinctive_lines("  import abc\n}\n\n});\na b c\nok\n") == {"import abc", "a b c"}
    assert not is_distinctive("--- ---")
    assert is_distinctive("x12")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_has_words_and_lines(text: str) -> None:
    assert sum(words_of(text).values()) >= 0
    assert all(line == line.strip() and "\n" not in line for line in distinctive_lines(text))


def test_the_language_is_that_of_the_path() -> None:
    assert evidence(parse(""), path="src/Main.java").language.name == "java"
