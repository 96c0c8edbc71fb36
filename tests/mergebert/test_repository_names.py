"""File names of repositories: as they always were for ordinary names, safe and invertible for all others."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.repository_names import file_name, repository_name

NAMES = st.text() | st.text("ab/+%.2B \\:", max_size=12)


@given(NAMES)
def test_a_name_comes_back(name: str) -> None:
    assert repository_name(file_name(name)) == name


@given(NAMES.filter(bool))
def test_a_file_name_names_one_visible_file(name: str) -> None:
    made = file_name(name)
    assert PurePosixPath(made).parts == PureWindowsPath(made).parts == (made,)
    assert not made.startswith(".") and "\0" not in made


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("owner/name", "owner+name"),
        ("Owner/some.name_1-x", "Owner+some.name_1-x"),
        ("group/sub/name", "group+sub+name"),
        ("my project é", "my project é"),
        ("a/b+c", "a+b%2Bc"),
        ("a+b/c", "a%2Bb+c"),
        ("100%", "100%25"),
        ("..", "%2E%2E"),
        ("c:\\x", "c%3A%5Cx"),
    ],
)
def test_names_by_hand(name: str, made: str) -> None:
    assert file_name(name) == made
