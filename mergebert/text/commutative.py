"""What is declared to have no order: imports, imported names, modifiers, and the types that are thrown or implemented.

Declared from what each language says of it; never statements, and never arguments by position. JavaScript runs a module
where it is imported and C pastes a text where it is included: of whole imports the order counts there. The declarations
are regular expressions over code with a lexeme a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mergebert.text.languages import Language
from mergebert.text.lexemes import Kind, Lexeme

_STRING, _INDENT = (
    "\x02",
    "\x03",
)  # they begin a line: what follows is a string, or the indent of a line of the text
_BEGIN = r"(?:\A|(?<=[;{}]\n))"  # of a statement


def _compiled(table: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    return {language: re.compile(pattern, re.MULTILINE) for language, pattern in table.items()}


# What stands before a list, and the list, whose elements are separated by commas.
_NAMES = r"(?P<before>^(?:import|export)\n(?:type\n)?(?:[\w$]+\n,\n)?\{\n)(?P<list>(?:[\w$,]+\n)+)"
_IMPLEMENTED = r"(?P<before>^implements\n)(?P<list>(?:[\w$.<>|&,\\[\]]+\n)+)"
_LISTS = (
    _compiled(
        {
            "java": r"(?P<before>^(?:throws|implements)\n)(?P<list>(?:(?!permits$)[\w.<>?&@,\[\]]+\n)+)",
            "javascript": _NAMES,
            "php": _IMPLEMENTED,
            "python": rf"(?P<before>^{_INDENT}[ \t]*from\n(?:[\w.]+\n)+?import\n(?:\(\n)?)(?P<list>(?:[\w,]+\n)+)",
            "rust": r"(?P<before>^::\n\{\n)(?P<list>(?:[\w:*,]+\n)+)",
            "typescript": _NAMES,
        }
    ),
    _compiled({"typescript": _IMPLEMENTED}),
)
_MODIFIERS = {
    "java": "public protected private static final abstract synchronized native transient volatile strictfp",
    "csharp": "public protected private internal static readonly abstract sealed virtual override async extern unsafe",
    "kotlin": "public protected private internal open final abstract sealed override lateinit inline suspend data",
    "php": "public protected private static final abstract readonly",
    "typescript": "public protected private static readonly abstract override declare",
}
# A part of a run of such parts.
_PARTS = (
    _compiled({name: rf"^(?:{'|'.join(words.split())})\n" for name, words in _MODIFIERS.items()}),
    _compiled(
        {
            "csharp": rf"{_BEGIN}(?:global\n)?using\n(?:static\n)?(?!var\n)\w+\n(?:(?:[.=<,]|::)\n\w+\n|>\n)*;\n",
            "go": rf'^(?:[\w.]+\n)?{_STRING}"[^\n]*\n',
            "java": r"^import\n(?:[\w.*]+\n)+;\n",
            "kotlin": r"^import\n\w+\n(?:\.\n[\w*]+\n)*(?:as\n\w+\n)?",
            "php": rf"{_BEGIN}use\n(?:[\w\\{{}},]+\n)+;\n",
            "python": rf"^{_INDENT}[ \t]*(?:import|from)\n(?:[\w.,*()]+\n)+",
            "rust": rf"{_BEGIN}(?:pub\n)?use\n(?:[\w:*,{{}}]+\n)+;\n",
        }
    ),
)


def in_canonical_order(code: Sequence[Lexeme], language: Language) -> str:
    """`code`, a lexeme a line, with everything that has no order in alphabetical order."""
    text = "".join(map(_line, code))
    for lists in _LISTS:
        if language.name in lists:
            text = lists[language.name].sub(_with_sorted_list, text)
    for parts in _PARTS:
        if language.name in parts:
            text = "".join(_with_sorted_runs(text, parts[language.name]))
    return text


def _line(lexeme: Lexeme) -> str:
    indent = "" if lexeme.indent is None else _INDENT + lexeme.indent
    quoted = _STRING + lexeme.text.replace("\n", "\\n") if lexeme.kind is Kind.STRING else lexeme.text
    return f"{indent}{quoted}\n"


def _with_sorted_list(found: re.Match[str]) -> str:
    elements = found["list"].removesuffix("\n").split("\n,\n")
    return found["before"] + "\n,\n".join(sorted(elements)) + "\n"


def _with_sorted_runs(text: str, part: re.Pattern[str]) -> Iterator[str]:
    """The pieces of `text` with the parts of each unbroken run sorted; lines with another indent break one."""
    run: list[str] = []
    at = 0
    for found in part.finditer(text):
        if run and (found.start() > at or _indent(found[0]) != _indent(run[0])):
            yield from sorted(run)
            run = []
        yield text[at : found.start()]
        run.append(found[0])
        at = found.end()
    yield from sorted(run)
    yield text[at:]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(f"{_INDENT} \t"))]
