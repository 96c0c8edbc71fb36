from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.strict_json import json_in, json_text, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_written_reads_the_same_everywhere(value: object) -> None:
    assert json.loads(json_text(value), parse_constant=pytest.fail) == value


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_what_is_no_number_is_not_written(number: float, tmp_path: Path) -> None:
    file = tmp_path / "value"
    write_json(file, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(file, {"a": [number]})
    assert json_in(file) == {"a": 1}


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\xff", b"", b"{"])
def test_what_is_no_json_is_one_kind_of_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(content)
    with pytest.raises(ValueError, match=r"nested|decode|Expecting"):
        json_in(tmp_path / "value")
