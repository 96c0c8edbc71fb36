"""The languages mergebert knows, and which one a path is written in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mergebert.errors import InputError


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its name, the files it is found in, and the tree-sitter grammar that parses it."""

    name: str
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    whitespace_sensitive: bool = False
    grammar: tuple[str, str] | None = None  # module and the function in it that gives the grammar
    aliases: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()  # as the first line of a script names them, without a version


# A format we know nothing about may give meaning to its blanks, so they are taken to matter.
TEXT = Language("text", (".txt",), whitespace_sensitive=True, aliases=("plain", "plaintext"))

LANGUAGES: tuple[Language, ...] = (
    Language("java", (".java",), grammar=("tree_sitter_java", "language")),
    Language(
        "javascript",
        (".js", ".jsx", ".mjs", ".cjs"),
        grammar=("tree_sitter_javascript", "language"),
        aliases=("js", "jsx", "node", "javascriptreact"),
        interpreters=("node", "nodejs", "rhino"),
    ),
    Language(
        "typescript",
        (".ts", ".tsx", ".mts", ".cts"),
        grammar=("tree_sitter_typescript", "language_typescript"),
        aliases=("ts",),
        interpreters=("ts-node", "tsx", "deno", "bun"),
    ),
    Language(
        "csharp",
        (".cs", ".csx"),
        grammar=("tree_sitter_c_sharp", "language"),
        aliases=("c#", "cs", "c_sharp"),
        interpreters=("dotnet-script",),
    ),
    Language(
        "python",
        (".py", ".pyi", ".pyw"),
        ("SConstruct", "SConscript", "wscript"),
        whitespace_sensitive=True,
        grammar=("tree_sitter_python", "language"),
        aliases=("py", "python3"),
        interpreters=("python", "pypy", "ipython"),
    ),
    Language("go", (".go",), grammar=("tree_sitter_go", "language"), aliases=("golang",)),
    Language("rust", (".rs",), grammar=("tree_sitter_rust", "language"), aliases=("rs",)),
    Language("c", (".c", ".h"), grammar=("tree_sitter_c", "language")),
    Language(
        "cpp",
        (".cpp", ".cc", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".h++", ".ipp", ".inl", ".tpp"),
        grammar=("tree_sitter_cpp", "language"),
        aliases=("c++", "cxx"),
    ),
    Language("kotlin", (".kt", ".kts"), grammar=("tree_sitter_kotlin", "language"), aliases=("kt",)),
    Language("php", (".php", ".phtml"), grammar=("tree_sitter_php", "language_php"), interpreters=("php",)),
    Language(
        "ruby",
        (".rb", ".rake", ".gemspec", ".podspec", ".ru"),
        (
            *(
                "Gemfile",
                "Rakefile",
                "Podfile",
                "Fastfile",
                "Vagrantfile",
                "Guardfile",
                "Capfile",
                "Brewfile",
            ),
            *("Appraisals", "Berksfile", "Dangerfile", "Thorfile"),
        ),
        grammar=("tree_sitter_ruby", "language"),
        aliases=("rb",),
        interpreters=("ruby", "jruby", "rake", "rbx"),
    ),
    Language("yaml", (".yaml", ".yml"), (".clang-format",), whitespace_sensitive=True, aliases=("yml",)),
    Language(
        "make",
        (".mk", ".mak"),
        ("Makefile", "makefile", "GNUmakefile"),
        whitespace_sensitive=True,
        aliases=("makefile", "gnumake"),
        interpreters=("make", "gmake"),
    ),
    TEXT,
)


_BY_NAME: Mapping[str, Language] = {
    name: language for language in LANGUAGES for name in (language.name, *language.aliases)
}

# Same language, another grammar: TSX is not a superset of TypeScript (`<T>x` is a cast in one, an element in
# the other), and a .h file is as often C++ as C, whose grammar the one for C++ contains.
_TSX = replace(_BY_NAME["typescript"], grammar=("tree_sitter_typescript", "language_tsx"))
_HEADER = replace(_BY_NAME["c"], grammar=_BY_NAME["cpp"].grammar)

_BY_DIALECT: Mapping[str, Language] = {**_BY_NAME, "tsx": _TSX, "typescriptreact": _TSX}
_BY_FILENAME: Mapping[str, Language] = {
    filename: language for language in LANGUAGES for filename in language.filenames
}
_BY_EXTENSION: Mapping[str, Language] = {
    **{extension: language for language in LANGUAGES for extension in language.extensions},
    ".tsx": _TSX,
    ".h": _HEADER,
}
_BY_INTERPRETER: Mapping[str, Language] = {
    interpreter: language for language in LANGUAGES for interpreter in language.interpreters
}
# `env` may stand before the interpreter, with options and variables of its own.
_SHEBANG = re.compile(
    r"#![ \t]*(?:\S*/env[ \t]+(?:(?:-[^ \t]+|\w+=\S*)[ \t]+)*)?(?:[^ \t\r\n]*/)?([^ \t\r\n/]+)"
)
_VERSION = re.compile(r"-?\d[\d.]*$")


def language_of(path: str) -> Language:
    """The language a file of this path is written in; TEXT when its name says nothing.

    Compare languages by `name`: a dialect such as TSX is the same language with another grammar.
    """
    filename = path.replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = filename.rpartition(".")
    by_extension = _BY_EXTENSION.get(f".{extension.lower()}", TEXT) if stem and dot else TEXT
    return _BY_FILENAME.get(filename, by_extension)


def language_of_script(text: str) -> Language:
    """The language of a text that begins by naming its interpreter (`#!/usr/bin/env python3`); TEXT where none is named."""
    found = _SHEBANG.match(text)
    return _BY_INTERPRETER.get(_VERSION.sub("", found[1]), TEXT) if found else TEXT


def by_name(name: str) -> Language:
    """The language of this name or alias, in any case."""
    language = _BY_DIALECT.get(name.lower())
    if language is None:
        known = ", ".join(language.name for language in LANGUAGES)
        raise InputError(f"unknown language {name!r}: use one of {known}")
    return language
