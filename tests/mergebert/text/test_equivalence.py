from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.equivalence import Level, identities, strictest_levels
from mergebert.text.languages import LANGUAGES, Language, by_name
from mergebert.text.lexemes import Passage


def finest(name: str, one: str, other: str, opened: str = "", behind: str = "") -> Level | None:
    """The strictest level at which two texts are the same; None if they are not at any."""
    [level] = strictest_levels([one], other, Passage(by_name(name), opened, behind))
    return level


SAME = {
    "white space": ("java", "int a=1;\n", "int  a = 1;", Level.SPACE),
    "a comment": ("java", "a(); // b\n", "/* c */ a();\n", Level.CODE),
    "a comment and a line": ("java", "a(); // b\nc();", "a(); // b c();", None),
    "a comment in a string": ("java", 'a("// b");', 'a("// c");', None),
    "white space in a string": ("javascript", "a('b  c')", "a('b c')", None),
    "words run together": ("java", "int a;", "inta;", None),
    "indentation": ("python", "  a\n", "    a\n", None),
    "indentation in brackets": ("python", "a(b,\n  c)\n", "a(b,\n    c)\n", Level.SPACE),
    "blank lines": ("python", "a\n\n\nb\n", "a\nb\n", Level.SPACE),
    "a comment of Python": ("python", "a  # b\n    # c\nb\n", "a\nb\n", Level.CODE),
    "a docstring": ("python", '"""a"""\n', '"""b"""\n', None),
    "a directive": ("go", "//go:build a\n", "//go:build b\n", None),
    "lines of YAML": ("yaml", "a: b\n", "a:\n  b\n", None),
    "a trailing comma": ("typescript", "[a, b,]", "[a, b]", Level.CODE),
    "a trailing comma before a comment": ("go", "a{\n b, // c\n}", "a{b}", Level.CODE),
    "a hole in a list": ("javascript", "[a,,]", "[a,]", None),
    "a comma alone": ("javascript", "[,]", "[]", None),
    "a tuple": ("python", "(a,)", "(a)", None),
    "a longer tuple": ("python", "(a, b,)", "(a, b)", Level.CODE),
    "an index": ("python", "a[b,]", "a[b]", None),
    "a list": ("python", "c = [b,]", "c = [b]", Level.CODE),
    "a tuple of Rust": ("rust", "(a,)", "(a)", None),
    "a list of Rust": ("rust", "[a,]", "[a]", Level.CODE),
    "an argument of a macro": ("c", "A(a,)", "A(a)", None),
    "an initialiser": ("c", "{a,}", "{a}", Level.CODE),
    "a comma in a string": ("java", "{',', a}", "{' ', a}", None),
    "arguments": ("java", "f(a, b);", "f(b, a);", None),
    "statements": ("java", "a(); b();", "b(); a();", None),
    "imports of Java": (
        "java",
        "import a.B;\nimport static c.D.*;\n",
        "import static c.D.*;\nimport a.B;\n",
        Level.ORDER,
    ),
    "an import twice": ("java", "import a.B;\nimport a.B;\n", "import a.B;\n", None),
    "imports apart": ("java", "import a.B;\nint x;\nimport c.D;", "import c.D;\nint x;\nimport a.B;", None),
    "imports of C#": ("csharp", "using A;\nusing B = C.D;\n", "using B = C.D;\nusing A;\n", Level.ORDER),
    "resources of C#": (
        "csharp",
        "using var a = b;\nusing var c = d;\n",
        "using var c = d;\nusing var a = b;\n",
        None,
    ),
    "imports of Python": (
        "python",
        "import a.b as c\nfrom d import e\n",
        "from d import e\nimport a.b as c\n",
        Level.ORDER,
    ),
    "imports of Python apart": (
        "python",
        "import a\nif b:\n  import c\n",
        "import c\nif b:\n  import a\n",
        None,
    ),
    "imported names of Python": (
        "python",
        "from a import (\n  b,\n  c,\n)\n",
        "from a import (c, b)\n",
        Level.ORDER,
    ),
    "imports of Go": ("go", 'a "b/a"\n"c"\n', '"c"\na "b/a"\n', Level.ORDER),
    "strings of Go": ("go", 'a{"b", "c"}', 'a{"c", "b"}', None),
    "imports of Kotlin": (
        "kotlin",
        "import a.b\nimport c.* \nclass D",
        "import c.*\nimport a.b\nclass D",
        Level.ORDER,
    ),
    "imports of PHP": ("php", "use A\\B;\nuse C as D;\n", "use C as D;\nuse A\\B;\n", Level.ORDER),
    "imports of Rust": ("rust", "use a::{b, c};\nuse d::*;\n", "use d::*;\nuse a::{c, b,};\n", Level.ORDER),
    "imports of JavaScript": ("javascript", "import 'a';\nimport 'b';\n", "import 'b';\nimport 'a';\n", None),
    "imported names": (
        "javascript",
        "import a, { b, c } from 'd';",
        "import a, { c, b } from 'd';",
        Level.ORDER,
    ),
    "members of an object": ("javascript", "a = { b, c };", "a = { c, b };", None),
    "includes": ("c", "#include <a>\n#include <b>\n", "#include <b>\n#include <a>\n", None),
    "modifiers": ("java", "static final int A;", "final static int A;", Level.ORDER),
    "what is thrown": ("java", "void f() throws A, B {", "void f() throws B, A {", Level.ORDER),
    "what is implemented": (
        "java",
        "class A implements B<C, D>, E {",
        "class A implements E, B<C, D> {",
        Level.ORDER,
    ),
    "type arguments": ("java", "class A implements B<C, D> {", "class A implements B<D, C> {", None),
}


@pytest.mark.parametrize(("name", "one", "other", "level"), SAME.values(), ids=SAME)
def test_the_first_level_at_which_texts_are_the_same(
    name: str, one: str, other: str, level: Level | None
) -> None:
    opened = "<?php " if name == "php" else ""
    assert finest(name, one, other, opened) is level
    assert finest(name, other, one, opened) is level


def test_a_comma_may_stand_before_a_bracket_of_the_file() -> None:
    assert finest("typescript", "  a,\n", "  a\n", behind="];\n") is Level.CODE
    assert finest("typescript", "  a,\n", "  a\n", behind="b];\n") is None
    assert finest("python", "  a,\n", "  a\n", opened="(", behind=")\n") is None
    assert finest("python", "  a,\n  b,\n", "  a,\n  b\n", opened="(", behind=")\n") is Level.CODE


def test_without_a_grammar_nothing_is_a_comment_or_optional() -> None:
    assert finest("text", "[a,]", "[a]") is None
    assert finest("yaml", "a # b", "a") is None


_PIECES = [
    "a",
    "b ",
    "1",
    "import ",
    "a.b",
    ";",
    "\n",
    "  ",
    ",",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "//",
    "/*",
    "*/",
    "#",
    "use ",
    "static ",
    "public ",
    "from ",
    "throws ",
]
TEXTS = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)


@given(TEXTS, st.data(), st.sampled_from(LANGUAGES))
def test_each_level_implies_the_next(text: str, data: st.DataObject, language: Language) -> None:
    passage = Passage(language, data.draw(st.sampled_from(["", "/* ", "(", '"'])), data.draw(TEXTS))
    others = [data.draw(_variants(text)) for _ in range(2)]
    keys = [identities(one, passage) for one in (text, *others)]
    for one in keys:
        for other in keys:
            same = [one[level] == other[level] for level in Level]
            assert all(coarse or not fine for fine, coarse in pairwise(same))
            assert all(
                hash(one[level]) == hash(other[level]) for level in Level if one[level] == other[level]
            )


def _variants(text: str) -> st.SearchStrategy[str]:
    """Texts that may be the same as `text`: with white space, a comment or a comma put in, or lines swapped."""
    insertions = st.sampled_from([" ", "\n", "/* c */", "# c\n", "// c\n", ","])
    inserted = st.tuples(st.integers(0, len(text)), insertions).map(
        lambda one: text[: one[0]] + one[1] + text[one[0] :]
    )
    return st.one_of(inserted, st.permutations(text.splitlines(keepends=True)).map("".join))
