"""What .gitattributes say, held against what git itself makes of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert_data.history.attributes import Attributes, folders_of, path_matcher
from tests.conftest import Repository

PATTERNS = [
    "*.py", "a.py", "/a.py", "b/a.py", "/b/a.py", "b/*", "b/**", "**/a.py", "b/**/a.py", "**/c/**", "b/*.py",
    "?.py", "[ab].py", "[!a].py", "[^a].py", "[a-c].py", "[]a].py", "[a", "b/", "b", "**", "*", "/*", "***", "b**",
    r"\*.py", r"a\.py", "b?a.py", "b[/]a.py", "*a*y", "{a,b}.py", "a+b.py", r"[\]a].py", "c/*/a.py", "[[]x.py",
    "a.py\\", "[&&a].py", "[a~~b].py", "b/***/a.py", "b/**c/a.py", '"a b.py"', '"b/a\\"b.py"',
]  # fmt: skip
PATHS = [
    "a.py", "b.py", "d.py", "b/a.py", "b/b.py", "b/c/a.py", "b/c/d/a.py", "c/x", "x/c/a.py", "c/x/a.py", "*.py",
    "{a,b}.py", "a+b.py", "].py", "[x.py", "&.py", "~.py", "a b.py", "b/a\"b.py", "b", "é.py", "b/c/x/a.py", "bc/a.py",
]  # fmt: skip


def told_by_git(repository: Repository, attribute: str, paths: list[str]) -> dict[str, str]:
    listing = repository.git("check-attr", "-z", attribute, "--", *paths).split("\0")
    told = dict(zip(listing[0::3], listing[2::3], strict=False))
    return {path: {"set": "true", "unset": "false"}.get(value, value) for path, value in told.items() if path}


def told_by_us(texts: dict[str, str], path: str, attribute: str) -> str:
    def read(names: list[str]) -> list[bytes | None]:
        return [texts[name].encode() if name in texts else None for name in names]

    return Attributes(read).of(path).get(attribute, "unspecified")


def check(repository: Repository, texts: dict[str, str], paths: list[str] = PATHS) -> None:
    repository.write(texts)
    for attribute in ("linguist-generated", "linguist-language"):
        expected = told_by_git(repository, attribute, paths)
        assert {path: told_by_us(texts, path, attribute) for path in paths} == expected, texts


def test_every_pattern_means_what_git_takes_it_for(repository: Repository) -> None:
    for pattern in PATTERNS:
        check(repository, {".gitattributes": f"{pattern} linguist-generated\n"})


@pytest.mark.parametrize(
    "texts",
    [
        {".gitattributes": "*.py linguist-generated=true\na.py -linguist-generated\n"},
        {".gitattributes": "*.py linguist-language=Ruby linguist-generated\n\nb.py !linguist-language"},
        {".gitattributes": "# *.py linguist-generated\n  \t*.py\tlinguist-generated=false text\r\n"},
        {
            ".gitattributes": "*.py linguist-generated\n",
            "b/.gitattributes": "/a.py linguist-generated=false\n",
        },
        {".gitattributes": "", "b/.gitattributes": "c/a.py linguist-language=C++\n"},
        {"b/c/.gitattributes": "* linguist-generated\n", "b/.gitattributes": "* -linguist-generated\n"},
        {".gitattributes": "!*.py linguist-generated\n*.py text\n"},
        {".gitattributes": "*.py linguist-generated linguist-generated=false\n"},
    ],
)
def test_lines_and_folders_come_in_the_order_git_believes_them(
    repository: Repository, texts: dict[str, str]
) -> None:
    check(repository, texts)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pattern=st.text("ab/*?.[]!\\-", min_size=1, max_size=8))
def test_patterns_of_chance_mean_what_git_takes_them_for(repository: Repository, pattern: str) -> None:
    paths = ["a", "b", "ab", "a/b", "a/a/b", "b.a", "a-b", "a/b/a/b", "!a", "[a]", "-"]
    if "--" not in pattern:
        check(repository, {".gitattributes": f"{pattern} linguist-generated\n"}, paths)


def test_a_pattern_that_could_take_for_ever_matches_nothing() -> None:
    assert path_matcher("*a" * 9) is None
    assert path_matcher("*a" * 8) is not None


def test_a_macro_is_passed_over() -> None:
    assert told_by_us(
        {".gitattributes": "[attr]x linguist-generated\n*.py x\n"}, "a.py", "linguist-generated"
    ) == ("unspecified")


def test_files_are_read_once_and_only_where_the_path_goes() -> None:
    asked: list[str] = []

    def read(names: list[str]) -> list[bytes | None]:
        asked.extend(names)
        return [b"* linguist-vendored" for _ in names]

    attributes = Attributes(read)
    attributes.prepare(["a/b/c.py", "a/d.py"])
    assert attributes.of("a/b/e.py") == {"linguist-vendored": "true"}
    assert asked == [".gitattributes", "a/.gitattributes", "a/b/.gitattributes"]
    assert list(folders_of("x")) == [""]
