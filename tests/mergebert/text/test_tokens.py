import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.languages import LANGUAGES, Language, by_name
from mergebert.text.tokens import is_space, is_word, tokenize

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
CODE_LIKE = st.text(st.sampled_from("ab_$@#'\"\\/*+-=<>!?.:;,(){}[]01xe \t\r\n\x00\f\x85\u00a0\u2028é\udce9"))
ANY_LANGUAGE = st.sampled_from(LANGUAGES)


def tokens(text: str, name: str) -> list[str]:
    return [token for token in tokenize(text, by_name(name)) if not is_space(token)]


@given(ANY_TEXT | CODE_LIKE, ANY_LANGUAGE)
def test_joined_tokens_are_the_text(text: str, language: Language) -> None:
    found = tokenize(text, language)
    assert "".join(found) == text
    assert "" not in found


@given(ANY_TEXT | CODE_LIKE, ANY_LANGUAGE)
def test_newlines_stand_alone(text: str, language: Language) -> None:
    breaks = [token for token in tokenize(text, language) if "\n" in token or "\r" in token]
    assert set(breaks) <= {"\n", "\r\n", "\r"}
    assert len(breaks) == len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1


@given(ANY_TEXT | CODE_LIKE, ANY_LANGUAGE)
def test_no_token_mixes_whitespace_with_anything_else(text: str, language: Language) -> None:
    for token in tokenize(text, language):
        assert is_space(token) or not any(character.isspace() for character in token)
    assert "".join(t for t in tokenize(text, language) if not is_space(t)) == "".join(text.split())


@given(ANY_TEXT | CODE_LIKE, ANY_LANGUAGE)
def test_no_token_longer_than_one_character_holds_a_bracket(text: str, language: Language) -> None:
    for token in tokenize(text, language):
        assert len(token) == 1 or not set(token) & set("()[]{}")


def test_runs_of_blanks_and_each_newline_are_one_token() -> None:
    assert tokenize("a \t b\r\n\n\r  c\u00a0d", by_name("text")) == (
        ["a", " \t ", "b", "\r\n", "\n", "\r", "  ", "c", "\u00a0", "d"]
    )


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("java", "Map<A, List<B>> a$1 >>>= 0x1F_FL;", "Map < A , List < B > > a$1 >>>= 0x1F_FL ;"),
        ("java", "@Override // don't", "@ Override // don ' t"),
        ("javascript", "a?.b ?? `x${$y}` !== this.#p", "a ?. b ?? ` x $ { $y } ` !== this . #p"),
        ("javascript", r'"\nName"', r'" \n Name "'),
        ("typescript", "(a: A) => <B/>", "( a : A ) => < B />"),
        ("csharp", "@class ??= a?.b => 1e-5f", "@class ??= a ?. b => 1e-5f"),
        ("python", 'x **= y // 2  # """doc"""', 'x **= y // 2 # """ doc """'),
        ("go", "a, b := <-c &^ 0b1", "a , b := <- c &^ 0b1"),
        (
            "rust",
            "fn f<'a>(r#in: &'a str) { 'a' ..= 'bc' }",
            "fn f < 'a > ( r#in : & 'a str ) { ' a ' ..= ' bc ' }",
        ),
        ("cpp", "p->*q <=> std::x(1'000) ## '1'", "p ->* q <=> std :: x ( 1'000 ) ## ' 1 '"),
        ("c", "#include <a.h> /** b */", "# include < a . h > /** b */"),
        ("kotlin", "a?.b ?: c!! 0..<9", "a ?. b ?: c !! 0 ..< 9"),
        (
            "php",
            r"<?php use App\Models\nice; $this?->a .= $$b",
            r"<?php use App \ Models \ nice ; $this ?-> a .= $ $b",
        ),
        ("ruby", "@a = @@b.nil? ? $c : d! unless e!=f", "@a = @@b . nil? ? $c : d! unless e != f"),
        ("yaml", "on: 2024-01-31 # 3fa9", "on : 2024 - 01 - 31 # 3fa9"),
        ("make", "A ::= $(B)", "A ::= $ ( B )"),
        ("text", "<a href='http://x'/> -> ------", "< a href = ' http :// x ' /> -> ------"),
        ("text", "<<<<<<< ours", "<<<<<<< ours"),
    ],
)
def test_tokens_are_those_of_the_language(name: str, text: str, expected: str) -> None:
    assert tokens(text, name) == expected.split()


@pytest.mark.parametrize("token", ["name", "_", "$x", "@a", "@@a", "#p", "'a", "r#in", "été", "class"])
def test_identifiers_and_keywords_are_words(token: str) -> None:
    assert is_word(token)


@pytest.mark.parametrize("token", ["1", "0x1", "+=", "$", "@", "#", "'", "<?php", " ", "\n", "\udce9", "\\n"])
def test_anything_else_is_no_word(token: str) -> None:
    assert not is_word(token)


def test_a_language_without_a_lexicon_is_read_as_text() -> None:
    assert tokenize("a-b", Language("unheard")) == ["a", "-", "b"]
