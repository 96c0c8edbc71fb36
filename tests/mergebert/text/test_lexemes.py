import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.languages import LANGUAGES, Language, by_name, language_of
from mergebert.text.lexemes import Kind, Passage, passages
from mergebert.text.markers import Conflict, Markers
from mergebert.text.threeway import ThreeWay

MARKERS = Markers("<<<<<<<\n", "|||||||\n", "=======\n", ">>>>>>>\n")
# One text of each language that holds what looks like a comment and is none, and a comment in each form.
CODE = {
    "java": (
        'char c = \'"\'; String s = "// a"; String t = """\n/* b */ """;\n',
        "// a'\n/* b */ /** c\n */\n",
    ),
    "javascript": ("a = '// a' + `/* ${'b'} */`; b = /[/]\\/\\//.test(a);\n", "// it's\n/* b */ <!-- c\n"),
    "typescript": ("a = '// a' + `/* ${'b'} */`; b = /[/]\\/\\//.test(a);\n", "// it's\n/* b */\n"),
    "csharp": ('var s = $"{a} // b"; s = @"// \\"; s = """// d""";\n', "// it's\n/* b */ /// <c>\n"),
    "python": ("a = '# a'\nb = f'''\n# {b}'''\n", "# it's\n"),
    "go": ('var a = "// a"\nvar b = `/* b */`\nvar c = \'"\'\n//go:build linux\n', "// it's\n/* b */\n"),
    "rust": (
        'let a: &\'a str = "// a"; let b = r#"/* "b */"#; let c = \'"\';\n',
        "// it's\n/* b /* c */ */ /// d\n",
    ),
    "c": ('#include <a//b.h>\nchar *a = "// a"; char b = \'"\';\n', "// it's\n/* b */\n"),
    "cpp": ('auto a = R"(// a)"; auto b = "/* b */"; int c = 1\'000;\n', "// it's\n/* b */\n"),
    "kotlin": ('val a = "// ${"/* b */"}"\nval b = """// "c" """\n', "// it's\n/* b /* c */ */\n"),
    "php": ("<?php\n$a = '// a'; $b = \"/* b */\"; $c = <<<C\n# c\nC;\n", "# it's\n// b\n/* c */\n"),
    "ruby": ("a = '# a'\nb = \"#{'# b'}\"\nc = %w[# c]\nd = <<~D\n  # d\nD\n", "# it's\n"),
}


def kinds(name: str, text: str) -> set[Kind]:
    return {lexeme.kind for lexeme in Passage(by_name(name)).read(text).lexemes}


@pytest.mark.parametrize("name", CODE)
def test_only_comments_are_comments(name: str) -> None:
    code, comments = CODE[name]
    assert kinds(name, code) == {Kind.CODE, Kind.STRING}
    opened = "<?php\n" if name == "php" else ""
    assert {one.kind for one in Passage(by_name(name), opened).read(comments).lexemes} == {Kind.COMMENT}


def test_every_grammar_has_its_comments_and_strings_named() -> None:
    assert set(CODE) == {language.name for language in LANGUAGES if language.grammar}


def test_white_space_stays_in_strings_and_goes_elsewhere() -> None:
    lexemes = Passage(by_name("java")).read('f( "a  b" ,1); // c  d\n').lexemes
    assert [one.text for one in lexemes] == ["f", "(", '"a  b"', ",", "1", ")", ";", "//cd"]


def test_the_indent_of_a_line_stays_where_it_has_meaning() -> None:
    lexemes = Passage(by_name("python")).read("  f(1,\n      2)\n\n    # c\n\tg\n").lexemes
    assert [one.indent for one in lexemes] == ["  ", None, None, None, None, None, None, "\t"]


READ = {
    "a comment": ("a.java", "/** a\n", " * don't\n", " */\n", "/** a\n"),
    "a string": ("a.py", "a = '''\n", "  # b\n", "'''\n", "'''\n"),
    "a template": ("a.js", "a = `\n", "  // it's ${b}\n", "`;\n", "`\n"),
    "an element": ("a.jsx", "a = <p>\n", "  it's\n", "</p>;\n", "<>"),
    "code in an element": ("a.jsx", "a = <p>{\n", "  b // it's\n", "}</p>;\n", ""),
    "code of PHP": ("a.php", "<?php\nclass A {\n", "  # it's\n", "}\n", "<?php "),
    "text around PHP": ("a.php", "<p>\n", "  # it's\n", "<?php f();\n", ""),
    "a heredoc": ("a.rb", "a = <<~B\n", "  # it's\n", "B\n", "<<~B\n"),
    "after a heredoc": ("a.rb", "a = <<~B\n  c\nB\n", "  # it's\n", "", ""),
    "brackets": ("a.py", "a = f(\n", "    b,\n", ")\n", "("),
    "the end of brackets": ("a.py", "a = f(\n  b)\n", "c\n", "", ""),
    "plain code": ("a.go", "package a\n", "var b = 1\n", "", ""),
}


@pytest.mark.parametrize(("path", "before", "text", "after", "opened"), READ.values(), ids=READ)
def test_a_place_is_read_with_what_is_open_before_it(
    path: str, before: str, text: str, after: str, opened: str
) -> None:
    conflict = Conflict(ThreeWay("", text, ""), MARKERS)
    [passage] = passages((before, conflict, after), language_of(path))
    assert passage.opened == opened
    assert passage.behind == after


def test_of_other_conflicts_ours_is_read() -> None:
    one, other = (Conflict(ThreeWay("", text, "/*"), MARKERS) for text in ("/*\n", "a\n"))
    assert [found.opened for found in passages((one, other, "*/\n"), by_name("java"))] == ["", "/*\n"]


def test_what_follows_is_the_next_lexeme_that_is_no_comment() -> None:
    assert Passage(by_name("java"), behind="/* a */ // b\n )").read("c,").following == ")"
    assert Passage(by_name("java"), behind="// b\n").read("c,").following == ""


def test_a_comment_may_close_behind_the_text() -> None:
    [comment] = Passage(by_name("java"), behind=" b */\n").read("/* a\n").lexemes
    assert comment.kind is Kind.COMMENT


@given(st.text(alphabet="ab \n\t'\"`/*#(){},\\é\U0001f600\ud800", max_size=40), st.sampled_from(LANGUAGES))
def test_nothing_of_a_text_is_lost(text: str, language: Language) -> None:
    read = "".join(one.text for one in Passage(language).read(text).lexemes)
    assert "".join(read.split()) == "".join(text.split())
