"""`mergebert languages`: the languages known by file name."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from mergebert.text.languages import LANGUAGES, Language


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of `mergebert languages`."""
    parser.add_argument(
        "--gitattributes", action="store_true", help="print lines for a .gitattributes file instead"
    )


def run(arguments: Namespace) -> int:
    """The exit code of `mergebert languages`."""
    lines = _attributes() if arguments.gitattributes else _table()
    print("\n".join(lines))
    return 0


def _attributes() -> Iterator[str]:
    for language in LANGUAGES:
        yield from (f"{pattern} merge=mergebert" for pattern in _patterns(language))


def _table() -> Iterator[str]:
    for language in LANGUAGES:
        parsed = "parsed" if language.grammar else "words"
        yield f"{language.name:<11} {parsed:<7} {' '.join(_patterns(language))}"
    yield f"{'any other':<11} {'words':<7} text in UTF-8"


def _patterns(language: Language) -> list[str]:
    return [f"*{extension}" for extension in language.extensions] + list(language.filenames)
