"""Syntax trees by tree-sitter, within bounds of time and memory, and the errors in them."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from time import thread_time
from typing import TYPE_CHECKING

from mergebert.text.languages import Language

if TYPE_CHECKING:
    import tree_sitter

LARGEST_TEXT = 2_000_000  # bytes; larger sources are generated and tell little for the time they take

# Processor seconds. The parser reports after every hundred steps, which take some 30 microseconds in real
# code; a parse that falls this far behind a generous allowance is given up.
_ALLOWANCE = 200e-6
_LONGEST_DELAY = 0.2

# Type arguments that are opened and never closed cost these grammars the square of their number, in memory
# and in one step that cannot be called off: 20,000 take 3 GB. Real statements hold a handful.
_AMBIGUOUS = frozenset({"java", "csharp", "c", "cpp"})
_LONG_STATEMENT = re.compile(r"(?:<[^;{}<]*){32,}")
_MOST_OPENED = 2_000

_READ_AT_ONCE = 1 << 14  # bytes


class _Patience:
    """Calls off a parse that has fallen too far behind; short bursts of hard work are forgiven."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._reported = thread_time()

    def __call__(self, offset: int, has_error: bool) -> bool:
        now = thread_time()
        self._delay = max(0.0, self._delay + now - self._reported - _ALLOWANCE)
        self._reported = now
        return self._delay > _LONGEST_DELAY


@cache
def grammar_of(module: str, function: str) -> tree_sitter.Language | None:
    """The grammar that a function of a module gives; None where its package is not installed."""
    from tree_sitter import Language as Grammar

    try:
        return Grammar(getattr(import_module(module), function)())
    except ImportError:  # not every platform has a wheel of every grammar
        return None


def _tree(source: bytes, grammar: tree_sitter.Language) -> tree_sitter.Tree | None:
    from tree_sitter import Parser, Point

    def read(offset: int, _: Point) -> bytes:
        return source[offset : offset + _READ_AT_ONCE]

    # A parser keeps state and costs a microsecond: one a parse, so that threads need not share it.
    try:
        return Parser(grammar).parse(read, progress_callback=_Patience())
    except ValueError:  # what the binding raises for a parse that was called off
        return None


def _errors(root: tree_sitter.Node) -> int:
    count = 0
    unseen = [root]
    while unseen:
        node = unseen.pop()
        if node.has_error:
            count += node.is_error or node.is_missing
            unseen += node.children
    return count


def _is_explosive(text: str, language: Language) -> bool:
    if language.name not in _AMBIGUOUS:
        return False
    opened = sum(statement.group().count("<") for statement in _LONG_STATEMENT.finditer(text))
    return opened > _MOST_OPENED


def tree_of(text: str, language: Language) -> tree_sitter.Tree | None:
    """The syntax tree of a text, whose offsets are those of `source_of(text)`; None if it cannot be had.

    That is where the language has no grammar, or the text is too large or takes too long to parse.
    """
    if language.grammar is None or len(text) > LARGEST_TEXT or _is_explosive(text, language):
        return None
    grammar = grammar_of(*language.grammar)
    source = source_of(text)
    return None if grammar is None or len(source) > LARGEST_TEXT else _tree(source, grammar)


def source_of(text: str) -> bytes:
    """The bytes of `text` as the parser reads them."""
    # Not surrogateescape: an editor may send surrogates it refuses. Either way the parser sees an error.
    return text.encode("utf-8", "surrogatepass")


def error_count(text: str, language: Language) -> int | None:
    """The number of places where the text breaks the grammar of its language; None if it cannot be parsed."""
    tree = tree_of(text, language)
    return None if tree is None else _errors(tree.root_node)
