from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.threeway import ThreeWay
from mergebert_lsp.text.suggestions import ConflictSuggestions, Suggestion, suggestions_of
from mergebert_lsp.worker.messages import EditorText, RankingTask, WorkerSettings, decoded, encoded, task_of

texts = st.text(st.characters(), max_size=20)  # lone surrogates too
suggestions = st.builds(Suggestion, texts, st.floats(0, 1), texts, texts)
suggested = st.builds(
    ConflictSuggestions,
    text=texts,
    count=st.integers(1, 3),
    suggestions=st.lists(suggestions, max_size=2).map(tuple),
    is_sure=st.booleans(),
    sides=st.none() | st.builds(ThreeWay, texts, texts, texts),
    choices=st.dictionaries(texts, texts, max_size=2),
)
editor_texts = st.none() | st.builds(EditorText, texts, st.none() | texts, texts)
tasks = st.builds(
    RankingTask,
    generation=st.integers(0),
    texts=st.dictionaries(texts, editor_texts, max_size=2),
    settings=st.builds(
        WorkerSettings, st.none() | st.floats(0, 1), st.none() | texts, st.integers(1, 9), st.booleans()
    ),
    folders=st.lists(texts, max_size=2).map(tuple),
    saved=st.lists(texts, max_size=2).map(tuple),
    is_halt=st.booleans(),
)


@given(tasks)
def test_a_task_arrives_as_it_was_sent(task: RankingTask) -> None:
    message = decoded(encoded(task.to_json()))
    assert message is not None
    assert task_of(message) == task


@given(suggested)
def test_a_region_arrives_as_it_was_sent(suggested: ConflictSuggestions) -> None:
    message = decoded(encoded(suggested.to_json()))
    assert message is not None
    assert suggestions_of(message) == suggested


def test_messages_follow_each_other() -> None:
    stream = io.BytesIO(encoded({"a": 1}) + encoded({"b": "\n2\n"}))
    assert [decoded(stream.readline()) for _ in range(3)] == [{"a": 1}, {"b": "\n2\n"}, None]


@pytest.mark.parametrize("sent", [b"", b"\n", b"x\n", b'{"a": 1', b"[]\n", b"[" * 100_000])
def test_what_is_no_message_is_the_end(sent: bytes) -> None:
    assert decoded(sent) is None


@given(st.binary(max_size=40))
def test_no_line_raises(line: bytes) -> None:
    assert decoded(line) is None or isinstance(decoded(line), dict)
