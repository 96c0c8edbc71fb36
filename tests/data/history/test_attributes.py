"""What .gitattributes say, held against what git itself makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert_data.history.attributes import AttributeIndex, Attributes, files_above
from mergebert_data.history.plumbing import environment_of
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


@dataclass
class Mined:
    """A work tree for git to read and the index that the miner reads, of a bare repository."""

    repository: Repository
    bare: Repository
    index: AttributeIndex

    def attributes(self, texts: dict[str, str]) -> Attributes:
        """The attributes in a commit of these .gitattributes files."""
        for text in texts.values():
            (self.bare.path / "content").write_bytes(text.encode())
            self.bare.git("hash-object", "-w", "--no-filters", "content")
        return Attributes(
            lambda names: [texts[name].encode() if name in texts else None for name in names], self.index
        )

    def check(self, texts: dict[str, str], paths: list[str] = PATHS) -> None:
        """Compares what the miner reads in these files with what git reads."""
        self.repository.write(texts)
        attributes = self.attributes(texts)
        attributes.prepare(paths)
        for name in ("linguist-generated", "linguist-language"):
            expected = told_by_git(self.repository, name, paths)
            assert {path: attributes.of(path).get(name, "unspecified") for path in paths} == expected, texts


@pytest.fixture
def mined(repository: Repository, make_repository: Callable[..., Repository]) -> Iterator[Mined]:
    bare = make_repository("bare", bare=True)
    index = AttributeIndex(environment_of(bare.path))
    yield Mined(repository, bare, index)
    index.close()


def test_every_pattern_means_what_git_takes_it_for(mined: Mined) -> None:
    for pattern in PATTERNS:
        mined.check({".gitattributes": f"{pattern} linguist-generated\n"})


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
def test_lines_and_folders_come_in_the_order_git_believes_them(mined: Mined, texts: dict[str, str]) -> None:
    mined.check(texts)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pattern=st.text("ab/*?.[]!\\-", min_size=1, max_size=8))
def test_patterns_of_chance_mean_what_git_takes_them_for(mined: Mined, pattern: str) -> None:
    paths = ["a", "b", "ab", "a/b", "a/a/b", "b.a", "a-b", "a/b/a/b", "!a", "[a]", "-"]
    mined.check({".gitattributes": f"{pattern} linguist-generated\n"}, paths)


@pytest.mark.timeout(20)
def test_a_pattern_of_many_stars_does_not_take_for_ever(mined: Mined) -> None:
    texts = {".gitattributes": f"{'*a' * 60}b linguist-generated\n"}
    assert mined.attributes(texts).of("a" * 250) == {}


def test_a_macro_is_passed_over(mined: Mined) -> None:
    attributes = mined.attributes({".gitattributes": "[attr]x linguist-generated\n*.py x\n"})
    assert attributes.of("a.py") == {}


def test_a_path_git_does_not_take_costs_no_other_path_its_attributes(mined: Mined) -> None:
    attributes = mined.attributes({".gitattributes": "* linguist-vendored\n"})
    attributes.prepare(["a.py", "../../../b.py", "c.py"])
    assert [attributes.of(path) for path in ("a.py", "../../../b.py", "c.py")] == [
        {"linguist-vendored": "true"},
        {},
        {"linguist-vendored": "true"},
    ]


def test_attributes_of_the_machine_do_not_count(mined: Mined, isolated_git: Path) -> None:
    (isolated_git / ".config" / "git").mkdir(parents=True)
    (isolated_git / ".config" / "git" / "attributes").write_text("* linguist-generated\n")
    attributes = mined.attributes({".gitattributes": "* linguist-vendored\n"})
    assert attributes.of("a.py") == {"linguist-vendored": "true"}


def test_files_are_read_once_and_only_where_the_path_goes(mined: Mined) -> None:
    asked: list[str] = []
    mined.attributes({"": "* linguist-vendored"})

    def read(names: list[str]) -> list[bytes | None]:
        asked.extend(names)
        return [b"* linguist-vendored" for _ in names]

    attributes = Attributes(read, mined.index)
    attributes.prepare(["a/b/c.py", "a/d.py"])
    assert attributes.of("a/b/e.py") == {"linguist-vendored": "true"}
    assert asked == [".gitattributes", "a/.gitattributes", "a/b/.gitattributes"]
    assert list(files_above("x")) == [".gitattributes"]
