from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.ranking.classes import classes_of
from mergebert.text.equivalence import Level, identities
from mergebert.text.languages import LANGUAGES, Language
from mergebert.text.lexemes import Passage

WORDS = ("a", "b", "x1", "import", "from", "use", "public", "static", "throws", "implements", "1")
MARKS = (*tuple(",;(){}[].=:'\"`"), "//", "/*", "*/", "#", "\\", "<?", "?>", "__END__", "=begin", "-->", "::")
pieces = st.lists(st.sampled_from((*WORDS, *MARKS, " ", "  ", "\n", "\t")), max_size=14).map("".join)
plain = st.lists(st.sampled_from((*WORDS, *tuple(",;(){}.="), " ", "\n")), max_size=10).map("".join)


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Texts some of which differ only in white space, commas or order."""
    words = draw(st.lists(st.sampled_from((*WORDS, ",", ";", "{", "}")), max_size=8))
    texts = [draw(st.permutations(words)) for _ in range(3)]
    return [draw(st.sampled_from([" ", "\n", "  "])).join(text) for text in texts]


def plainly(texts: list[str], passage: Passage) -> tuple[int, ...]:
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(identities(text, passage)[Level.ORDER], len(numbers)) for text in texts)


@given(
    st.sampled_from(LANGUAGES),
    st.lists(pieces, max_size=6) | st.lists(plain, max_size=6) | alike(),
    st.sampled_from(["", "(", "/* "]),
    st.sampled_from(["", ")\n", "b\n"]),
)
def test_a_short_cut_changes_no_class(language: Language, texts: list[str], opened: str, behind: str) -> None:
    passage = Passage(language, opened, behind)
    assert classes_of(texts, passage) == plainly(texts, passage)


@pytest.mark.parametrize("mark", ["//", "#", "\\"])
def test_what_may_be_a_comment_is_read(mark: str) -> None:
    for language in LANGUAGES:
        texts = ["a = 1\n", f"a = 1 {mark} b\n", "a  = 1\n"]
        assert classes_of(texts, Passage(language)) == plainly(texts, Passage(language))
