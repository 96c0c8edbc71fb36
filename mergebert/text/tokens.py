"""Lexical tokens: words, numbers, operators, blanks, newlines; joined, they are the text again."""

import re
from functools import cache
from typing import NamedTuple

from mergebert.text.languages import Language


class _Lexicon(NamedTuple):
    """What a language adds to the tokens every text has."""

    word: str  # regular expression of identifiers and keywords
    operators: str  # those longer than one character, separated by blanks; any other character stands alone
    number: str
    escape: str = ""  # regular expression of escapes in strings, so that "\nName" holds the word Name


# [^\W\d] is a letter of any script or an underscore.
_WORD = r"[^\W\d]\w*"
_DOLLAR_WORD = r"(?:[^\W\d]|\$(?!\{))\w*(?:\$(?!\{)\w*)*"  # `${` opens a hole in a template string
_NUMBER = r"0[xXbBoO]\w+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d[\d_]*)?\w*"
_QUOTED_NUMBER = rf"(?:{_NUMBER})(?:'\w+)*"  # C++ separates digits by single quotes
_ESCAPE = r"""\\[abfnrtv0\\'"]"""

_ASSIGNMENTS = "+= -= *= /= %= &= |= ^= <<= >>="
_C_LIKE = f"// /* /** */ == != <= >= && || ++ -- << {_ASSIGNMENTS}"

# `>>` is no token where it closes two lists of type arguments, nor is anything that holds a bracket.
_TEXT = _Lexicon(
    r"\w+", "<!-- --> </ /> <? ?> :// // /* */ == != <= >= && || -> => :: := += -= ?= -- .. ...", r"\d+"
)
_LEXICONS = {
    "java": _Lexicon(_DOLLAR_WORD, f'{_C_LIKE} >>>= -> :: ... """', _NUMBER, _ESCAPE),
    "javascript": _Lexicon(
        rf"\#?{_DOLLAR_WORD}",
        f"{_C_LIKE} === !== ** **= => ... ?. ?? ??= &&= ||= >>>= </ />",
        _NUMBER,
        _ESCAPE,
    ),
    "csharp": _Lexicon(rf"@?{_WORD}", f'{_C_LIKE} /// -> => :: .. ?? ??= ?. >>>= """', _NUMBER, _ESCAPE),
    "python": _Lexicon(
        _WORD,
        f'''** **= // //= @= := -> == != <= >= << >> ... """ \'\'\' {_ASSIGNMENTS}''',
        _NUMBER,
        _ESCAPE,
    ),
    "go": _Lexicon(_WORD, f"{_C_LIKE} >> := <- ... &^ &^=", _NUMBER, _ESCAPE),
    "rust": _Lexicon(
        # A possessive `*+`: 'a' is a character, and giving back letters would find a lifetime in it.
        rf"(?:r\#)?{_WORD}|'{_WORD}+(?!')",
        f"{_C_LIKE} /// //! -> => :: .. ... ..=",
        _NUMBER,
        _ESCAPE,
    ),
    "cpp": _Lexicon(_DOLLAR_WORD, f"{_C_LIKE} /// -> ->* .* :: ... <=> ##", _QUOTED_NUMBER, _ESCAPE),
    "kotlin": _Lexicon(_WORD, f'{_C_LIKE} === !== -> :: .. ..< ?. ?: !! """', _NUMBER, _ESCAPE),
    "php": _Lexicon(
        # No escapes: the backslash separates namespaces.
        rf"\$?{_WORD}",
        f"<?php <?= ?> {_C_LIKE} >> === !== <> <=> -> ?-> => :: ... ** **= .= ?? ??= <<<",
        _NUMBER,
    ),
    "ruby": _Lexicon(
        rf"(?:\$|@@?)?{_WORD}(?:[?!](?!=))?",
        f"== === != =~ !~ <=> <= >= && || &&= ||= << >> ** **= -> => :: .. ... &. <<~ <<- {_ASSIGNMENTS}",
        _NUMBER,
        _ESCAPE,
    ),
    "make": _TEXT._replace(operators=f"{_TEXT.operators} ::= :::= &&"),
}
_LEXICONS["typescript"] = _LEXICONS["javascript"]
_LEXICONS["c"] = _LEXICONS["cpp"]

# A ruler drawn under a heading or a conflict marker is one token, not eighty.
_RULER = r"-{3,}|={4,}|\*{3,}|\#{3,}|/{4,}|~{3,}|\+{3,}|<{7,}|>{7,}|\|{7,}"
_BLANKS = r"[ \t]+"
_NEWLINE = r"\r\n|\n|\r"

_STARTS_WORD = re.compile(r"[$@\#']*[^\W\d]")


@cache
def _pattern(name: str) -> re.Pattern[str]:
    lexicon = _LEXICONS.get(name, _TEXT)
    operators = sorted(set(lexicon.operators.split()), key=lambda operator: (-len(operator), operator))
    alternatives = [lexicon.word, _BLANKS, _NEWLINE, lexicon.number, lexicon.escape, _RULER]
    alternatives += [re.escape(operator) for operator in operators]
    return re.compile("|".join(filter(None, alternatives)) + "|.", re.DOTALL)


def tokenize(text: str, language: Language) -> list[str]:
    """The tokens of any text; joining them gives it back character for character."""
    return _pattern(language.name).findall(text)


def is_space(token: str) -> bool:
    """Whether the token is blanks or a newline, as `str.split` understands them."""
    return token.isspace()


def is_word(token: str) -> bool:
    """Whether the token is an identifier or a keyword."""
    return _STARTS_WORD.match(token) is not None
