"""Lexemes: the tokens of a text without white space, its strings whole and its comments told apart by the grammar."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from mergebert.text.languages import Language
from mergebert.text.markers import Item
from mergebert.text.syntax import grammar_of, source_of, tree_of
from mergebert.text.tokens import is_space, tokenize

if TYPE_CHECKING:
    import tree_sitter

# The nodes of each grammar that are comments, and those that are strings; what stands inside of one belongs to it.
_NODES = {
    "java": ("line_comment block_comment", "string_literal character_literal"),
    "javascript": ("comment html_comment", "string template_string regex"),
    "typescript": ("comment html_comment", "string template_string regex"),
    "csharp": (
        "comment",
        "string_literal verbatim_string_literal raw_string_literal interpolated_string_expression character_literal",
    ),
    "python": ("comment", "string"),
    "go": ("comment", "interpreted_string_literal raw_string_literal rune_literal"),
    "rust": ("line_comment block_comment", "string_literal raw_string_literal char_literal"),
    "c": ("comment", "string_literal char_literal system_lib_string"),
    "cpp": ("comment", "string_literal raw_string_literal char_literal system_lib_string"),
    "kotlin": ("line_comment block_comment", "string_literal multiline_string_literal character_literal"),
    "php": ("comment", "string encapsed_string heredoc nowdoc shell_command_expression"),
    "ruby": (
        "comment",
        "string heredoc_beginning heredoc_body regex subshell string_array symbol_array delimited_symbol character",
    ),
}
_DIRECTIVES = {"go": ("//go:", "//export ", "// +build ")}  # comments that a compiler reads
_HEREDOC = (b"<<-", b"<<~", b"<<")  # Ruby's, whose body is another node than its beginning
_ELEMENTS = frozenset({"jsx_element", "jsx_fragment"})
# Of Python, where a line in brackets has no indent.
_BRACKETED = frozenset(
    {"argument_list", "parameters", "tuple", "list", "set", "dictionary", "parenthesized_expression"}
)
_ELEMENT_CODE = frozenset({"jsx_expression", "jsx_opening_element", "jsx_closing_element"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_LOOK_BEHIND = 20_000  # bytes of a string or comment that began before; nobody writes a longer one
_LOOK_AHEAD = 2_000  # characters in which a string or comment that is open at the end may close
_NEAR = 60  # characters in which the next lexeme begins
_SPAN_BEGINS = re.compile(
    r"[\"'`/#<%]|-->|=begin|__END__"
)  # nothing else begins a string or comment in any language
_PLAIN = frozenset({"", "(", "[", "{"})


class Kind(IntEnum):
    """What a lexeme is; a compiler does not read comments."""

    CODE = 0
    STRING = 1
    COMMENT = 2


class Lexeme(NamedTuple):
    """A token, a string or a comment; `indent` is the white space before the first one of a line, where it has meaning.

    White space within a comment is gone, within a string it stays.
    """

    kind: Kind
    text: str
    indent: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The lexemes of a text where it stands; the text of the next one, where that may matter (behind a comma) and is near."""

    lexemes: tuple[Lexeme, ...]
    following: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A place in a file for one text or another: what is open before it (a comment, say), and what stands behind it."""

    language: Language
    opened: str = ""
    behind: str = ""

    def read(self, text: str) -> Reading:
        """`text` as it is read in this place."""
        before, inside, behind = map(source_of, (self.opened, text, self.behind))
        source = before + inside + behind
        start, stop = len(before), len(before) + len(inside)
        # Parsing is most of the work, and half of all texts hold nothing that could begin a string or comment.
        is_read_on = text.rstrip().endswith(",")
        is_plain = self.opened in _PLAIN and not _SPAN_BEGINS.search(text + self.behind * is_read_on)
        spans = [] if is_plain else _spans_of(self.opened + text + self.behind, self.language)
        first = _lexemes(source, (0, start), spans, self.language)
        found = _lexemes(source, (start, stop), spans, self.language)
        rest = _lexemes(source, (stop, len(source)), spans, self.language)
        following = next((one.text for one in rest if one.kind is not Kind.COMMENT), "")
        return Reading(tuple(_unindented_in_brackets(found, sum(map(_depth, first)))), following)


def passages(items: Sequence[Item], language: Language) -> list[Passage]:
    """The places of the conflicts among the parts of a file, which is read with ours in all of them."""
    texts = [item if isinstance(item, str) else item.sides.ours for item in items]
    starts = list(accumulate((len(text) for text in texts), initial=0))
    places = [(starts[at], starts[at + 1]) for at, item in enumerate(items) if not isinstance(item, str)]
    whole = "".join(texts)
    tree = tree_of(whole, language) if places else None
    if tree is None:
        return [Passage(language, "", whole[end : end + _NEAR]) for _, end in places]
    surroundings = _Surroundings(whole, tree, language)
    return [Passage(language, surroundings.opened(start), surroundings.behind(end)) for start, end in places]


class _Span(NamedTuple):
    """The bytes of a source that are one string or comment."""

    start: int
    stop: int
    kind: Kind


def _lexemes(
    source: bytes, within: tuple[int, int], spans: Iterable[_Span], language: Language
) -> Iterator[Lexeme]:
    """The lexemes of a part of a source, which may begin and end in the middle of a span."""
    at, end = within
    directives = _DIRECTIVES.get(language.name, ())
    indent: str | None = "" if language.whitespace_sensitive else None
    for span in [*spans, _Span(end, end, Kind.CODE)]:
        start, stop = max(span.start, at), min(span.stop, end)
        if start > stop or span.start > end:
            continue
        for token in tokenize(_text(source[at:start]), language):
            if not is_space(token):
                yield Lexeme(Kind.CODE, token, indent)
                indent = None
            elif language.whitespace_sensitive:
                indent = "" if token.endswith(("\n", "\r")) else None if indent is None else indent + token
        text, at = _text(source[start:stop]), stop
        if span.kind is Kind.COMMENT and text.startswith(directives or ("\0",)):
            yield Lexeme(Kind.CODE, text.rstrip())
        elif span.kind is Kind.COMMENT and text:
            yield Lexeme(Kind.COMMENT, "".join(text.split()))
        elif span.kind is Kind.STRING and text:
            yield Lexeme(Kind.STRING, text, indent)
            indent = None


def _unindented_in_brackets(lexemes: Iterable[Lexeme], depth: int) -> Iterator[Lexeme]:
    """The lexemes without the indents that have no meaning, as lines within brackets have none."""
    for lexeme in lexemes:
        yield lexeme._replace(indent=None) if depth > 0 and lexeme.indent is not None else lexeme
        depth += _depth(lexeme)


def _depth(lexeme: Lexeme) -> int:
    """How many brackets more are open behind a lexeme than before it."""
    if lexeme.kind is not Kind.CODE:
        return 0
    return (lexeme.text in _OPENING) - (lexeme.text in _CLOSING)


def _text(source: bytes) -> str:
    return source.decode("utf-8", "surrogatepass")


def _spans_of(text: str, language: Language) -> list[_Span]:
    tree = tree_of(text, language)
    return [] if tree is None else _spans(tree, language)


def _spans(tree: tree_sitter.Tree, language: Language) -> list[_Span]:
    """The strings and comments of a tree in order, none within another."""
    from tree_sitter import QueryCursor

    query = _query(language)
    if query is None:
        return []
    captures = QueryCursor(query).captures(tree.root_node)
    found = sorted(
        _Span(node.start_byte, node.end_byte, Kind[name])
        for name, nodes in captures.items()
        for node in nodes
    )
    return list(_outermost(found))


def _outermost(spans: Iterable[_Span]) -> Iterator[_Span]:
    end = 0
    for span in sorted(spans, key=lambda one: (one.start, -one.stop)):
        if span.stop > end:
            yield span
            end = span.stop


@cache
def _query(language: Language) -> tree_sitter.Query | None:
    from tree_sitter import Query

    grammar = grammar_of(*language.grammar) if language.grammar else None
    if grammar is None or language.name not in _NODES:
        return None
    lines = [
        f"({node}) @{kind.name}"
        for kind, nodes in zip((Kind.COMMENT, Kind.STRING), _NODES[language.name], strict=True)
        for node in nodes.split()
    ]
    return Query(grammar, "\n".join(lines))


class _Surroundings:
    """A text with its tree and its strings and comments, which tells what is open at a place of it."""

    def __init__(self, text: str, tree: tree_sitter.Tree, language: Language) -> None:
        self._text = text
        self._source = source_of(text)
        self._root = tree.root_node
        self._spans = _spans(tree, language)

    def opened(self, place: int) -> str:
        """What begins before a place and is still open there, as far as it changes how text is read."""
        offset = len(source_of(self._text[:place]))
        at = self._span_at(offset)
        if at < 0:
            return _enclosing(self._root.descendant_for_byte_range(offset, offset), offset)
        is_body = at > 0 and self._source.startswith(_HEREDOC, self._spans[at - 1].start)
        start = self._spans[at - 1 if is_body else at].start
        return _text(self._source[start:offset]) if offset - start <= _LOOK_BEHIND else ""

    def behind(self, place: int) -> str:
        """What stands behind a place: as much as closes a string or comment, or holds the next lexeme."""
        offset = len(source_of(self._text[:place]))
        at = self._span_at(offset)
        rest = len(_text(self._source[offset : self._spans[at].stop])) if at >= 0 else 0
        return self._text[place : place + (rest if rest <= _LOOK_AHEAD else 0) + _NEAR]

    def _span_at(self, offset: int) -> int:
        """Which span an offset lies within; -1 if none."""
        at = bisect_left(self._spans, offset, key=lambda span: span.start) - 1
        return at if at >= 0 and offset < self._spans[at].stop else -1


def _enclosing(node: tree_sitter.Node | None, offset: int) -> str:
    """What has to stand before text of an element, code of PHP or lines in brackets for them to be read as such."""
    while node is not None and node.type not in _ELEMENT_CODE:
        first = node.children[0] if node.child_count else None
        if node.type in _ELEMENTS:
            return "<>"
        if first is not None and first.type == "php_tag":
            return "<?php "
        if first is not None and node.type in _BRACKETED and first.end_byte <= offset < node.end_byte:
            return first.type
        node = node.parent if node.type != "text" else None
    return ""
