from collections import Counter

import pytest

from mergebert.errors import InputError
from mergebert.text.languages import LANGUAGES, TEXT, by_name, language_of, language_of_script


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("src/main/java/App.java", "java"),
        ("web/index.jsx", "javascript"),
        ("web/index.cjs", "javascript"),
        ("web/index.d.ts", "typescript"),
        ("web/view.tsx", "typescript"),
        ("Program.CS", "csharp"),
        ("a\\b\\module.py", "python"),
        ("main.go", "go"),
        ("lib.rs", "rust"),
        ("a.c", "c"),
        ("a.h", "c"),
        ("a.hpp", "cpp"),
        ("build.gradle.kts", "kotlin"),
        ("index.php", "php"),
        ("Gemfile", "ruby"),
        ("app/Dangerfile", "ruby"),
        ("wscript", "python"),
        (".github/workflows/ci.yml", "yaml"),
        ("src/Makefile", "make"),
        ("README.md", "text"),
        ("LICENSE", "text"),
        (".java", "text"),
        ("archive.java/notes", "text"),
        ("caf\udce9.py", "python"),
        ("", "text"),
    ],
)
def test_a_path_tells_the_language(path: str, name: str) -> None:
    assert language_of(path).name == name


def test_dialects_differ_in_their_grammar_only() -> None:
    assert language_of("a.tsx").grammar == ("tree_sitter_typescript", "language_tsx")
    assert language_of("a.ts").grammar == ("tree_sitter_typescript", "language_typescript")
    assert language_of("a.h").grammar == language_of("a.cpp").grammar
    assert by_name("tsx") == language_of("a.tsx")


def test_whitespace_matters_where_it_carries_meaning() -> None:
    sensitive = {language.name for language in LANGUAGES if language.whitespace_sensitive}
    assert sensitive == {"python", "yaml", "make", "text"}


def test_names_aliases_and_extensions_belong_to_one_language_each() -> None:
    for language in LANGUAGES:
        assert by_name(language.name) is language
        assert all(by_name(alias.upper()) is language for alias in language.aliases)
    extensions = Counter(extension for language in LANGUAGES for extension in language.extensions)
    assert max(extensions.values()) == 1


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"cobol.*java.*text"):
        by_name("cobol")


def test_text_is_the_fallback() -> None:
    assert TEXT.grammar is None
    assert language_of("data.unknown") is TEXT


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("#!/usr/bin/python\nx = 1\n", "python"),
        ("#! /usr/local/bin/python3.11 -u\r\n", "python"),
        ("#!/usr/bin/env python3", "python"),
        ("#!/usr/bin/env -S LANG=C node --harmony\n", "javascript"),
        ("#!/usr/bin/env ruby\n", "ruby"),
        ("#!/usr/bin/env -S deno run\n", "typescript"),
        ("#!/usr/bin/php5.6\n", "php"),
        ("#!make -f\n", "make"),
        ("#!/bin/sh\npython x.py\n", "text"),
        ("#!/usr/bin/env\n", "text"),
        ("#!\n/usr/bin/python\n", "text"),
        ("# !/usr/bin/python\n", "text"),
        ("x\n#!/usr/bin/python\n", "text"),
        ("#!/opt/python/bin/other\n", "text"),
        ("", "text"),
    ],
)
def test_a_first_line_tells_the_language_of_a_script(text: str, name: str) -> None:
    assert language_of_script(text).name == name


def test_an_interpreter_runs_one_language() -> None:
    interpreters = Counter(name for language in LANGUAGES for name in language.interpreters)
    assert max(interpreters.values()) == 1
