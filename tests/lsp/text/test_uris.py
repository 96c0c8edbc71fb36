from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert_lsp.text.uris import path_of, uri_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")


@given(st.binary(min_size=1, max_size=20).filter(lambda name: not {b"/"[0], 0} & set(name)))
def test_every_name_comes_back(name: bytes) -> None:
    path = os.fsdecode(b"/folder/" + name)
    assert uri_of(path).isascii()
    assert path_of(uri_of(path)) == str(Path(path))


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a%3Bb%20c%2541.py", "/a;b c%41.py"),
        ("file:///a;b.py", "/a;b.py"),
        ("file:///caf%e9.py", "/caf\udce9.py"),
        ("file:///caf%C3%A9.py", "/café.py"),
        ("file:///café.py", "/café.py"),
        ("untitled:Untitled-1", None),
        ("file://[", None),
        ("", None),
    ],
)
def test_paths_of_what_editors_send(uri: str, path: str | None) -> None:
    assert path_of(uri) == path
