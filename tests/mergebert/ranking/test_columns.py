from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.columns import (
    AFTER,
    BEFORE,
    CHANGE_TYPES,
    CONFLICT_CLASSES,
    CONTEXT,
    DELETE,
    EDIT_TYPES,
    GAP,
    HEAD,
    INSERT,
    MAX_COLUMNS,
    NEWLINE,
    NOTHING,
    PAD,
    REPLACE,
    SAME,
    SPECIAL_TOKENS,
    STABLE_COLUMNS,
    START,
    UNKNOWN,
    Columns,
    conflict_class,
    encode,
)
from mergebert.ranking.evidence import Surroundings
from mergebert.ranking.subwords import SubwordTokenizer
from mergebert.text.align import Change
from mergebert.text.candidates import ConflictDiff, Origin, candidates
from mergebert.text.languages import LANGUAGES, Language, by_name
from mergebert.text.markers import Conflict
from mergebert.text.patterns import PATTERNS, Pattern
from mergebert.text.threeway import ThreeWay
from mergebert.text.tokens import tokenize
from mergebert.training.dataset.tokenizer import save, trained_tokenizer
from tests.mergebert.strategies import conflict_of, conflicts, spaced_texts, tight_conflicts

JAVA = by_name("java")
NOWHERE = Surroundings("", "")
ANY_TEXT = st.text(st.characters(exclude_categories=()))


class Letters:
    """Subwords that can be read again: one id a token, first come, first numbered."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, token: str) -> Sequence[int]:
        return [self.numbers.setdefault(token, len(SPECIAL_TOKENS) + len(self.numbers))]

    def read(self, ids: Sequence[int]) -> list[str]:
        """The tokens behind the ids of one side; gaps and newlines are no tokens."""
        tokens = {number: token for token, number in self.numbers.items()}
        return [tokens[at] for at in ids if at in tokens]


def encoded(conflict: Conflict, around: Surroundings = NOWHERE) -> tuple[Columns, ConflictDiff, Letters]:
    diff, subwords = ConflictDiff(conflict, JAVA), Letters()
    return encode(diff, around, subwords), diff, subwords


def of_conflict(columns: Columns) -> np.ndarray:
    """Which columns belong to the conflict itself."""
    return columns.kinds[:, 2] <= HEAD


@given(conflicts, spaced_texts, spaced_texts)
def test_columns_are_well_formed(conflict: Conflict, before: str, after: str) -> None:
    columns, diff, _ = encoded(conflict, Surroundings(before, after))
    length = len(columns.ids)
    assert columns.ids.shape == columns.kinds.shape == (length, 3)
    assert 1 <= length <= MAX_COLUMNS
    assert (columns.ids[0] == START).all() and (columns.ids[:, 0] != PAD).all()
    assert (columns.kinds >= 0).all()
    assert (columns.kinds[:, :2] < len(EDIT_TYPES)).all() and (columns.kinds[:, 2] < len(CHANGE_TYPES)).all()
    assert len(columns.heads) == len(diff.token_diff.disputed)


@given(conflicts, spaced_texts, spaced_texts)
def test_heads_point_at_the_first_columns_of_disputed_hunks(
    conflict: Conflict, before: str, after: str
) -> None:
    columns, _, _ = encoded(conflict, Surroundings(before, after))
    kept = [head for head in columns.heads if head >= 0]
    assert kept == np.flatnonzero(columns.kinds[:, 2] == HEAD).tolist()
    assert columns.heads == (*kept, *[-1] * (len(columns.heads) - len(kept)))


@given(conflicts)
def test_ids_spell_the_sides_when_nothing_is_cut(conflict: Conflict) -> None:
    columns, diff, subwords = encoded(conflict)
    stable = max((len(h.ranges.base) for h in diff.token_diff.hunks if h.change is Change.NONE), default=0)
    if len(columns.ids) < MAX_COLUMNS // 2 and stable <= STABLE_COLUMNS:
        for side, units in enumerate(diff.tokens):
            assert subwords.read(columns.ids[of_conflict(columns), side]) == [
                key for key in units.keys if key
            ]


@given(conflicts)
def test_edits_agree_with_gaps(conflict: Conflict) -> None:
    columns, _, _ = encoded(conflict)
    rows = of_conflict(columns)
    for (base, *sides), kinds in zip(columns.ids[rows], columns.kinds[rows], strict=True):
        for side, edit in zip(sides, kinds[:2], strict=True):
            if NEWLINE in (base, side) or (base == side == GAP and edit != NOTHING):
                continue  # a later subword of a longer token, or the line break before it
            if edit == SAME:
                assert base == side or GAP in (base, side)
            elif edit == INSERT:
                assert base == GAP
            elif edit == DELETE:
                assert side == GAP
            elif edit == REPLACE:
                assert base != side
            else:
                assert edit == NOTHING
                assert base == side == GAP


@given(conflicts)
def test_changes_are_those_of_the_hunks(conflict: Conflict) -> None:
    columns, diff, _ = encoded(conflict)
    found = {int(kind) for kind in columns.kinds[of_conflict(columns), 2]}
    order = list(Change)
    wanted = {order.index(hunk.change) for hunk in diff.token_diff.hunks}
    assert found - {HEAD} <= wanted
    assert (HEAD in found) == bool(diff.token_diff.disputed)


@given(conflicts)
def test_swapping_ours_and_theirs_swaps_columns(conflict: Conflict) -> None:
    columns, _, _ = encoded(conflict)
    swapped, _, _ = encoded(Conflict(conflict.sides.swapped(), conflict.markers))
    assert len(swapped.ids) == len(columns.ids)
    assert swapped.heads == columns.heads
    assert (swapped.kinds[:, 1::-1] == columns.kinds[:, :2]).all()
    assert ((swapped.ids == GAP)[:, [0, 2, 1]] == (columns.ids == GAP)).all()


@given(conflicts, spaced_texts, spaced_texts)
def test_context_looks_alike_on_all_sides(conflict: Conflict, before: str, after: str) -> None:
    columns, _, _ = encoded(conflict, Surroundings(before, after))
    outside = ~of_conflict(columns)
    assert (columns.ids[outside] == columns.ids[outside][:, :1]).all()
    assert (columns.kinds[outside][:, :2] == CONTEXT).all()
    places = columns.kinds[:, 2]
    assert (places[0], AFTER in places) == (BEFORE, bool(after.strip()))


@given(tight_conflicts, st.integers(0, 6))
def test_tokens_of_any_number_of_pieces(conflict: Conflict, count: int) -> None:
    columns = encode(ConflictDiff(conflict, JAVA), NOWHERE, lambda token: range(5, 5 + count))
    assert len(columns.ids) <= MAX_COLUMNS
    assert columns.ids.shape == columns.kinds.shape


def test_one_replaced_token() -> None:
    columns, _, subwords = encoded(conflict_of("f(a);\n", "f(b);\n", "f(c);\n"))
    disputed = columns.kinds[:, 2] == HEAD
    assert [subwords.read(columns.ids[disputed, side]) for side in range(3)] == [["a"], ["b"], ["c"]]
    assert columns.kinds[disputed].tolist() == [[REPLACE, REPLACE, HEAD]]


def test_one_side_inserts_and_the_other_deletes() -> None:
    columns, _, _ = encoded(conflict_of("a b\n", "a x b\n", "b\n"))
    rows = [tuple(row) for row in columns.kinds[of_conflict(columns), :2].tolist()]
    assert (SAME, DELETE) in rows or (REPLACE, DELETE) in rows
    assert (INSERT, NOTHING) in rows


@pytest.mark.parametrize("lines", [50, 2000])
def test_long_conflicts_are_cut(lines: int) -> None:
    sides = ("".join(f"{name}{at} same{at}\n" for at in range(lines)) for name in "bot")
    columns, diff, subwords = encoded(conflict_of(*sides), Surroundings("begin\n", "finish\n"))
    assert len(columns.ids) <= MAX_COLUMNS
    assert len(columns.heads) == len(diff.token_diff.disputed) == lines
    assert (columns.heads[0] >= 0, columns.heads[-1] >= 0) == (True, lines == 50)
    assert subwords.read(columns.ids[columns.kinds[:, 2] == AFTER, 0]) == ["finish"]


def test_long_runs_keep_both_ends() -> None:
    stable = "".join(f"s{at}\n" for at in range(200))
    columns, _, subwords = encoded(conflict_of(f"{stable}a\n", f"{stable}b\n", f"{stable}c\n"))
    read = subwords.read(columns.ids[of_conflict(columns), 0])
    assert (read[0], read[-2:]) == ("s0", ["s199", "a"])
    assert len(read) == 20 + 1

    long = "".join(f"t{at} " for at in range(300))
    columns, _, subwords = encoded(conflict_of("a\n", f"b {long}\n", "c\n"))
    read = subwords.read(columns.ids[of_conflict(columns), 1])
    assert (read[0], read[-1]) == ("b", "t299")
    assert len(read) == 128


def test_places_past_the_end_are_no_heads() -> None:
    """A column of the text behind the conflict never passes for the head of a hunk that was cut off."""
    sides = ("".join(f"{name} same{at}\n" for at in range(300)) for name in "bot")
    columns, _, _ = encoded(conflict_of(*sides), Surroundings("x " * 40 + "\n", "y " * 40 + "\n"))
    assert len(columns.ids) == MAX_COLUMNS
    assert all(columns.kinds[head, 2] == HEAD for head in columns.heads if head >= 0)
    assert columns.heads[-1] == -1


def test_an_empty_conflict_still_has_a_column() -> None:
    columns, _, _ = encoded(conflict_of("", "", ""))
    assert (columns.ids.shape, columns.heads) == ((1, 3), ())


def test_newlines_before_a_token_are_told() -> None:
    columns, _, _ = encoded(conflict_of("", "a\nb\n", "c\n"))
    assert (columns.ids[:, 1] == NEWLINE).sum() == 2


@given(conflicts, st.sampled_from(LANGUAGES))
def test_every_way_to_make_a_candidate_has_a_class(conflict: Conflict, language: object) -> None:
    for option in candidates(conflict, language):
        assert all(CONFLICT_CLASSES[conflict_class(origin)] for origin in option.origins)


def test_classes_of_a_conflict() -> None:
    ours, theirs, base = PATTERNS[:3]
    assert [CONFLICT_CLASSES[conflict_class(origin)] for origin in (
        Origin("lines", (base,)), Origin("tokens"), Origin("tokens", (ours, theirs)), Origin("line merge"),
        Origin("line merge", (ours, ours)), Origin("line merge", (ours, theirs)), Origin("line merge", (base,)),
        Origin("sorted union"), Origin("empty"),
    )] == [
        "lines:base", "tokens", "tokens", "line merge:clean", "line merge:ours", "line merge:mixed",
        "line merge:mixed", "sorted union", "empty",
    ]  # fmt: skip
    assert CONFLICT_CLASSES[: len(PATTERNS)] == tuple(f"lines:{pattern.value}" for pattern in Pattern)
    assert len(set(CONFLICT_CLASSES)) == len(CONFLICT_CLASSES)


def test_the_numbers_of_a_bundle_are_those_that_encoding_writes() -> None:
    named = {
        SPECIAL_TOKENS: (PAD, GAP, NEWLINE, START, UNKNOWN),
        EDIT_TYPES: (SAME, INSERT, DELETE, REPLACE, NOTHING, CONTEXT),
        CHANGE_TYPES: (*range(len(Change)), HEAD, BEFORE, AFTER),
    }
    assert all(numbers == tuple(range(len(names))) for names, numbers in named.items())


@pytest.fixture(scope="module")
def subwords(tmp_path_factory: pytest.TempPathFactory) -> SubwordTokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    save(trained_tokenizer([("java", "int total = count + 1;\n" * 20)], 320), path)
    return SubwordTokenizer(path)


@given(text=ANY_TEXT | st.sampled_from(SPECIAL_TOKENS), language=st.sampled_from(LANGUAGES))
def test_every_token_has_pieces(subwords: SubwordTokenizer, text: str, language: Language) -> None:
    """Those that look like special ones among them: no lexer gives `[PAD]` as one token."""
    for token in tokenize(text, language):
        ids = subwords(token)
        assert ids
        assert all(len(SPECIAL_TOKENS) <= at < 320 for at in ids)
        assert subwords(token) == ids


def test_known_words_are_one_piece(subwords: SubwordTokenizer) -> None:
    assert len(subwords("total")) == 1
    assert len(subwords("unheard")) > 1


@given(conflict=conflicts)
def test_a_real_tokenizer_encodes(subwords: SubwordTokenizer, conflict: Conflict) -> None:
    columns = encode(ConflictDiff(conflict, JAVA), Surroundings("int a;\n", "}\n"), subwords)
    assert columns.ids.max(initial=0) < 320
    assert UNKNOWN not in columns.ids


def test_sides_without_any_word() -> None:
    columns, _, _ = encoded(Conflict(ThreeWay("\n", "\n\n", "   \n"), conflict_of("", "", "").markers))
    assert len(columns.ids) >= 1
