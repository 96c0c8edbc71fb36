from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mergebert.ranking.columns import CONFLICT_CLASSES, conflict_class
from mergebert.text.candidates import (
    CHOICES,
    Candidate,
    ConflictDiff,
    Origin,
    candidates,
    line_units,
    token_units,
    whitespace_key,
)
from mergebert.text.languages import LANGUAGES, Language, by_name
from mergebert.text.markers import Conflict, Markers
from mergebert.text.patterns import PATTERNS, merged_sources
from mergebert.text.threeway import ThreeWay
from mergebert.text.tokens import is_space, tokenize
from tests.mergebert.strategies import (
    SPACED_LINES,
    conflict_of,
    conflicts,
    spaced_conflicts,
    spaced_texts,
    tight_conflicts,
)

JAVA, PYTHON, TEXT = map(by_name, ("java", "python", "text"))
ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_LANGUAGE = st.sampled_from(LANGUAGES)


def words(text: str, language: Language) -> list[str]:
    return [token for token in tokenize(text, language) if not is_space(token)]


def texts(conflict: Conflict, language: Language) -> list[str]:
    return [option.text for option in candidates(conflict, language)]


@given(ANY_TEXT | spaced_texts, ANY_LANGUAGE)
def test_units_join_to_the_text(text: str, language: Language) -> None:
    tokens = token_units(text, language)
    assert "".join(tokens.texts) == text
    assert [key for key in tokens.keys if key] == words(text, language)
    assert all(
        one.endswith(key) and not one.removesuffix(key).strip()
        for one, key in zip(tokens.texts, tokens.keys, strict=True)
    )
    lines = line_units(text)
    assert "".join(lines.texts) == text
    assert lines.keys == [line.strip() for line in lines.texts]


@given(ANY_TEXT | spaced_texts, ANY_LANGUAGE)
def test_the_keys_of_a_text_are_its_tokens(text: str, language: Language) -> None:
    diff = ConflictDiff(conflict_of("", "", ""), language)
    assert diff.keys_of(text) == words(text, language) == diff.keys_of(text)


@given(ANY_TEXT)
def test_the_whitespace_key_forgets_white_space_alone(text: str) -> None:
    assert whitespace_key(text) == "".join(character for character in text if not character.isspace())


@given(conflicts, ANY_LANGUAGE)
def test_candidates_are_distinct_and_made_by_known_methods(conflict: Conflict, language: Language) -> None:
    options = candidates(conflict, language)
    assert len({option.text for option in options}) == len(options)
    assert all(option.origins and option.method and option.pattern for option in options)
    origins = [origin for option in options for origin in option.origins]
    assert len(set(origins)) == len(origins)
    assert all(0 <= conflict_class(origin) < len(CONFLICT_CLASSES) for origin in origins)


@given(conflicts)
def test_where_blanks_mean_nothing_candidates_differ_by_more(conflict: Conflict) -> None:
    assume(whitespace_key(conflict.sides.ours) != whitespace_key(conflict.sides.theirs))
    found = texts(conflict, JAVA)
    assert len({whitespace_key(text) for text in found}) == len(found)


@given(conflicts, ANY_LANGUAGE)
def test_the_plain_answers_are_always_there(conflict: Conflict, language: Language) -> None:
    sides = conflict.sides
    plain = {sides.ours, sides.theirs, sides.base, sides.ours + sides.theirs, sides.theirs + sides.ours, ""}
    found = set(texts(conflict, language))
    assert {whitespace_key(text) for text in plain} <= {whitespace_key(text) for text in found}
    assert sides.ours in found
    if language.whitespace_sensitive:
        assert plain <= found


@given(conflicts, ANY_LANGUAGE)
def test_nothing_is_invented(conflict: Conflict, language: Language) -> None:
    """Every token of a candidate stands in base, ours or theirs, and no more often than in all three together."""
    known = sum((Counter(words(side, language)) for side in conflict.sides), Counter())
    for text in texts(conflict, language):
        assert not Counter(words(text, language)) - known


@given(tight_conflicts, ANY_LANGUAGE)
def test_no_two_tokens_run_together(conflict: Conflict, language: Language) -> None:
    """A token merge reads as the very tokens it was put together from."""
    diff = ConflictDiff(conflict, language)
    keys = diff.tokens.map(lambda units: units.keys)
    sides = tuple(keys)
    for option in candidates(conflict, language, diff):
        origin = option.origins[0]
        if origin.method == "tokens":
            sources = merged_sources(diff.token_diff, keys, origin.patterns)
            assert words(option.text, language) == [key for side, at in sources if (key := sides[side][at])]


def test_no_three_tokens_run_together() -> None:
    """Neither `1.` nor `.5` is one token in Java, and `1.5` is."""
    conflict = conflict_of("x = [ 7 ] ;\n", "x = [1.] ;\n", "x = [5] ;\n")
    found = texts(conflict, JAVA)
    assert {"x = [1.] ;\n", "x = [5] ;\n"} <= set(found)
    for text in found:
        assert not set(words(text, JAVA)) - set("x=[];715.")


@given(spaced_conflicts)
def test_swapping_ours_and_theirs_mirrors_candidates(conflict: Conflict) -> None:
    diff = ConflictDiff(conflict, JAVA)
    # Of several disputed hunks only the likeliest choices are tried, and among equals the first ones.
    assume(len(diff.token_diff.disputed) <= 1 and len(diff.line_diff.disputed) <= 1)
    swapped = Conflict(conflict.sides.swapped(), conflict.markers)
    assert set(map(whitespace_key, texts(conflict, JAVA))) == set(map(whitespace_key, texts(swapped, JAVA)))


@given(spaced_texts, spaced_texts, ANY_LANGUAGE)
def test_an_unchanged_side_means_take_the_other(base: str, changed: str, language: Language) -> None:
    for conflict in (conflict_of(base, base, changed), conflict_of(base, changed, base)):
        clean = [option for option in candidates(conflict, language) if Origin("tokens") in option.origins]
        assert [words(option.text, language) for option in clean] == [words(changed, language)]


@given(conflicts, ANY_LANGUAGE)
def test_every_candidate_ends_its_line(conflict: Conflict, language: Language) -> None:
    assert all(not text or text.endswith("\n") for text in texts(conflict, language))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_end_that_less_base_drops_is_put_back_as_the_sides_have_it(end: str) -> None:
    conflict = conflict_of(f"a{end}", "", f"a b{end}")
    assert set(texts(conflict, JAVA)) == {"", f"a{end}", f"a b{end}", f" b{end}"}


def test_a_file_that_may_end_without_a_newline_still_may() -> None:
    found = texts(conflict_of("a\n", "b", "c\n"), JAVA)
    assert {"b", "c\n", "c\nb"} <= set(found)


def test_a_byte_order_mark_stays_at_the_start() -> None:
    found = texts(conflict_of("\ufeffa\n", "\ufeffb\n", "\ufeffc\n"), JAVA)
    assert {"\ufeffb\n", "\ufeffc\n"} <= set(found)
    assert not any("\ufeff" in text[1:] for text in found)


def test_a_byte_order_mark_in_the_middle_of_a_side_may_stay() -> None:
    sides = ("a\n", "x = '\ufeff'\n", "y\n")
    assert set(sides) <= set(texts(conflict_of(*sides), JAVA))


@given(conflicts, ANY_LANGUAGE)
def test_scores_only_choose_among_joint_choices(conflict: Conflict, language: Language) -> None:
    diff = ConflictDiff(conflict, language)
    scores = [[0.01, 0.01, 0.9, 0.01, 0.01, 0.01, 0.01, 0.02, 0.02]] * len(diff.token_diff.disputed)
    plain, scored = (candidates(conflict, language, diff, given) for given in (None, scores))
    methods = {origin.method for option in plain for origin in option.origins}
    assert {origin.method for option in scored for origin in option.origins} == methods
    if len(scores) <= 1:
        assert plain == scored


def test_candidates_are_the_same_twice() -> None:
    conflict = conflict_of("a b\nc\n", "a x b\nd\n", "a y b\ne\n")
    assert candidates(conflict, JAVA) == candidates(conflict, JAVA)


def test_token_hunks_are_combined() -> None:
    conflict = conflict_of("f(a, b)\n", "f(x, b, 1)\n", "g(a, y)\n")
    assert "g(x, y, 1)\n" in texts(conflict, JAVA)


def test_both_inserted_list_items_are_kept() -> None:
    found = texts(conflict_of("[a]\n", "[a, b]\n", "[a, c]\n"), JAVA)
    assert "[a, b, c]\n" in found
    assert "[a, c, b]\n" in found


def test_tokens_that_would_fuse_are_refused() -> None:
    found = texts(conflict_of("x = a;\n", "x =1;\n", "x =2;\n"), JAVA)
    assert "x =12;\n" not in found
    assert "x =1;\nx =2;\n" in found


def test_unions_of_lines() -> None:
    conflict = conflict_of("import b\n", "import b\nimport d\n", "import b\nimport a\nimport d\n")
    options = {
        option.text: [origin.method for origin in option.origins] for option in candidates(conflict, PYTHON)
    }
    assert "ours then new" in options["import b\nimport d\nimport a\n"]
    assert "theirs then new" in options["import b\nimport a\nimport d\n"]
    assert "sorted union" in options["import a\nimport b\nimport d\n"]


def test_a_side_that_only_differs_in_blanks_is_a_candidate_of_its_own() -> None:
    assert {"  a\n", "\ta\n"} <= set(texts(conflict_of("a\n", "  a\n", "\ta\n"), JAVA))


@pytest.mark.parametrize(
    ("base", "reformatted", "changed", "merged"),
    [
        ("f(a, b)\n", "f( a, b )\n", "g(a, b)\n", "g( a, b )\n"),
        ("a = b\nc = d\n", "  a = b\n  c = d\n", "a = b\nc = e\n", "  a = b\n  c = e\n"),
        ("x\nf(a)\n", "x\r\nf(a)\r\n", "x\nf(b)\n", "x\r\nf(b)\r\n"),
    ],
)
def test_white_space_that_one_side_changed_is_kept_whichever_side_it_is(
    base: str, reformatted: str, changed: str, merged: str
) -> None:
    for conflict in (conflict_of(base, reformatted, changed), conflict_of(base, changed, reformatted)):
        [clean] = [option for option in candidates(conflict, PYTHON) if Origin("tokens") in option.origins]
        assert clean.text == merged


def test_where_both_sides_changed_white_space_ours_stays() -> None:
    conflict = conflict_of("f(a, b)\n", "f( a, b)\n", "g(  a, b )\n")
    [clean] = [option for option in candidates(conflict, PYTHON) if Origin("tokens") in option.origins]
    assert clean.text == "g( a, b )\n"


def test_line_endings_stay_as_each_side_had_them() -> None:
    conflict = conflict_of("a\r\n", "a\r\nb\r\n", "a\r\nc\r\n")
    assert {"a\r\nb\r\nc\r\n", "a\r\nc\r\nb\r\n"} <= set(texts(conflict, TEXT))


def test_a_conflict_without_base_has_candidates() -> None:
    conflict = Conflict(
        ThreeWay("", "a\nb\n", "a\nc\n"), Markers("<<<<<<<\n", None, "=======\n", ">>>>>>>\n")
    )
    assert {"a\nb\n", "a\nc\n", "a\nb\nc\n"} <= set(texts(conflict, TEXT))


def test_names_for_people() -> None:
    ours, theirs = PATTERNS[:2]
    assert Origin("tokens").name == "clean"
    assert Origin("tokens", (ours, ours)).name == "ours"
    assert Origin("tokens", (ours, theirs, ours)).name == "ours/theirs"
    option = Candidate("x", (Origin("lines", (theirs,)), Origin("empty")))
    assert (option.method, option.pattern) == ("lines", "theirs")


def test_a_hunk_of_twenty_thousand_tokens_stays_within_memory() -> None:
    """Every other token is disputed, so that there are ten thousand hunks."""
    conflict = conflict_of(*(f";{name};{name};{name};{name}\n" * 2500 for name in "bot"))
    tracemalloc.start()
    try:
        diff = ConflictDiff(conflict, JAVA)
        options = candidates(conflict, JAVA, diff)
        assert tracemalloc.get_traced_memory()[1] < 256 * 1024**2
    finally:
        tracemalloc.stop()
    assert len(diff.token_diff.disputed) == 10_000
    assert (
        len({origin for option in options for origin in option.origins if origin.method == "tokens"})
        > CHOICES
    )


def test_a_huge_hunk_is_combined_by_whole_lines_alone() -> None:
    base = "".join(SPACED_LINES) * 900
    conflict = conflict_of(base, f"ours\n{base}", f"theirs\n{base}")
    methods = {origin.method for option in candidates(conflict, JAVA) for origin in option.origins}
    assert not methods & {"tokens", "line merge"}
    assert {"lines", "ours then new"} <= methods


def test_of_sides_of_megabytes_only_the_sides_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    conflict = conflict_of("a\n", "b\n", "c\n")
    assert len(candidates(conflict, PYTHON)) > 2
    monkeypatch.setattr("mergebert.text.candidates.LARGEST_JOINED", 5)
    assert [one.text for one in candidates(conflict, PYTHON)] == ["b\n", "c\n"]
