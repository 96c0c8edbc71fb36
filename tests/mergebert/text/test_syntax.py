import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text import syntax
from mergebert.text.languages import LANGUAGES, Language, by_name, language_of
from mergebert.text.syntax import error_count

PARSED = [language for language in LANGUAGES if language.grammar]

SOUND = {
    "java": "class A { int f() { return 1; } }\n",
    "javascript": "const f = (a) => <b>{a?.c}</b>;\n",
    "typescript": "const a = <string>b as unknown;\n",
    "csharp": "class A { int F() => 1; }\n",
    "python": "def f(a):\n    return a\n",
    "go": "package a\n\nfunc f() int { return 1 }\n",
    "rust": "fn f<'a>(a: &'a str) -> char { 'a' }\n",
    "c": "int f(void) { return 1; }\n",
    "cpp": "template <class T> struct A { A<A<T>> *a; };\n",
    "kotlin": "class A { fun f(): Int = 1 }\n",
    "php": "<p><?php function f($a) { return $a; } ?></p>\n",
    "ruby": "def f(a)\n  a.nil? ? 1 : 2\nend\n",
}
# The first opening bracket or keyword of a sound text is taken away.
TORN = {name: text.replace("(", "", 1).replace("def ", "", 1) for name, text in SOUND.items()}
TORN |= {
    "typescript": "const = <string>b;\n",
    "cpp": "template <class T struct A { };\n",
    "javascript": "f(a;\n",
}


@pytest.mark.parametrize("language", PARSED, ids=lambda language: language.name)
def test_sound_text_has_no_errors_and_torn_text_has(language: Language) -> None:
    assert error_count(SOUND[language.name], language) == 0
    assert (error_count(TORN[language.name], language) or 0) > 0


def test_dialects_are_parsed_with_their_own_grammar() -> None:
    element = "const a = <b>{c}</b>;\n"
    assert error_count(element, language_of("a.tsx")) == 0
    assert (error_count(element, language_of("a.ts")) or 0) > 0
    assert error_count("class A { public: int a; };\n", language_of("a.h")) == 0


def test_a_missing_token_is_an_error() -> None:
    assert error_count("class A { int a = 1 }", by_name("java")) == 1


def test_every_broken_place_counts() -> None:
    method = "void f() { int a = 1 }\n"
    assert error_count(f"class A {{ {method * 7} }}", by_name("java")) == 7


def test_a_character_may_lie_where_one_read_ends() -> None:
    for shift in range(4):
        assert error_count("#" + "a" * shift + "\U0001f600é" * 10_000 + "\n", by_name("python")) == 0


@pytest.mark.parametrize("name", ["text", "yaml", "make"])
def test_nobody_can_tell_without_a_grammar(name: str) -> None:
    assert error_count("(((", by_name(name)) is None


def test_nobody_can_tell_without_the_package_of_the_grammar() -> None:
    assert error_count("a", Language("elsewhere", grammar=("tree_sitter_not_installed", "language"))) is None


def test_large_texts_are_not_parsed() -> None:
    assert error_count("#" * (syntax.LARGEST_TEXT + 1), by_name("python")) is None
    assert error_count("#" + "é" * (syntax.LARGEST_TEXT // 2), by_name("python")) is None


@pytest.mark.parametrize("name", ["java", "csharp", "cpp", "c"])
@pytest.mark.parametrize("text", ["a<" * 50_000, ("a<" * 900 + ";\n") * 50])
def test_texts_that_would_fill_the_memory_are_not_parsed(name: str, text: str) -> None:
    assert error_count(text, by_name(name)) is None


def test_many_statements_with_type_arguments_are_parsed() -> None:
    field = "Map<String, List<Set<String>>> m = a < b ? c : d << 1;\n"
    assert error_count(f"class A {{ {field * 1_000} }}", by_name("java")) == 0


def test_a_parse_that_falls_behind_is_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "_LONGEST_DELAY", -1.0)
    assert error_count("a = 1\n" * 1_000, by_name("python")) is None


@pytest.mark.parametrize("language", PARSED, ids=lambda language: language.name)
def test_bytes_that_are_not_utf_8_are_no_errors_in_comments(language: Language) -> None:
    comment = "# caf\udce9\n" if language.name in ("python", "ruby") else "// caf\udce9\n"
    assert error_count(SOUND[language.name].replace("<?php", f"<?php {comment}") + comment, language) == 0


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(PARSED))
def test_any_text_has_a_count(text: str, language: Language) -> None:
    count = error_count(text, language)
    assert count is not None
    assert count >= 0


def test_threads_can_count_at_once() -> None:
    texts = [(text, by_name(name)) for name, text in SOUND.items()] * 20
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda arguments: error_count(*arguments), texts)) == {0}


def test_tree_sitter_is_imported_only_when_something_is_parsed() -> None:
    code = "import sys, mergebert.text.syntax, mergebert.text.tokens; sys.exit('tree_sitter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
