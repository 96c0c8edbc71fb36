from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.region import Region, Suggestion, region_of
from mergebert_lsp.worker.wire import (
    MOST_BYTES,
    Source,
    Task,
    Wishes,
    framed,
    message_of,
    read_message,
    size_of,
    task_of,
)

texts = st.text(st.characters(), max_size=20)  # lone surrogates too
suggestions = st.builds(Suggestion, texts, st.floats(0, 1), texts, texts)
regions = st.builds(
    Region,
    text=texts,
    count=st.integers(1, 3),
    suggestions=st.lists(suggestions, max_size=2).map(tuple),
    is_sure=st.booleans(),
    sides=st.none() | st.builds(ThreeWay, texts, texts, texts),
    choices=st.dictionaries(texts, texts, max_size=2),
)
sources = st.none() | st.builds(Source, texts, st.none() | texts, texts)
tasks = st.builds(
    Task,
    generation=st.integers(0),
    texts=st.dictionaries(texts, sources, max_size=2),
    wishes=st.builds(
        Wishes, st.none() | st.floats(0, 1), st.none() | texts, st.integers(1, 9), st.booleans()
    ),
    folders=st.lists(texts, max_size=2).map(tuple),
    saved=st.lists(texts, max_size=2).map(tuple),
    is_halt=st.booleans(),
)


@given(tasks)
def test_a_task_arrives_as_it_was_sent(task: Task) -> None:
    message = read_message(io.BytesIO(framed(task.to_json())))
    assert message is not None
    assert task_of(message) == task


@given(regions)
def test_a_region_arrives_as_it_was_sent(region: Region) -> None:
    message = read_message(io.BytesIO(framed(region.to_json())))
    assert message is not None
    assert region_of(message) == region


def test_messages_follow_each_other() -> None:
    stream = io.BytesIO(framed({"a": 1}) + framed({"b": "\n2\n"}))
    assert [read_message(stream) for _ in range(3)] == [{"a": 1}, {"b": "\n2\n"}, None]


@pytest.mark.parametrize("sent", [b"", b"\n", b"x\n{}", b"-1\n{}", b"5\n{}", b"%d\n{}" % (MOST_BYTES + 1)])
def test_what_is_no_message_is_the_end(sent: bytes) -> None:
    assert read_message(io.BytesIO(sent)) is None


@given(st.binary(max_size=40))
def test_no_line_announces_a_wrong_size(line: bytes) -> None:
    assert 0 <= size_of(line) <= MOST_BYTES


def test_a_message_is_an_object() -> None:
    with pytest.raises(ValueError, match="object"):
        message_of(b"[]")
