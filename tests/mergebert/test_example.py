from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.errors import DatasetError
from mergebert.example import ConflictExample, FileExample, example_from_json
from mergebert.text.history import FileHistory, MergeContext, SideChange, Superseded
from mergebert.text.threeway import ThreeWay

names = st.text(max_size=8)
times = st.integers(-(2**40), 2**40)
triples = st.builds(ThreeWay, names, names, names)
changes = st.builds(SideChange, st.integers(0, 9), st.none() | times, st.none() | st.booleans())
versions_ago = st.none() | st.integers(-1, 9)
superseded = st.builds(Superseded, versions_ago, versions_ago)
conflicts = st.builds(
    ConflictExample,
    index=st.integers(0, 9),
    resolution=st.none() | names,
    proof=st.sampled_from([(), ("aligned",), ("aligned", "unique", "candidate")]),
    dissent=st.sampled_from([(), ("unique",)]),
    duplicate=st.booleans(),
    patterns=st.lists(names, max_size=3).map(tuple),
)
examples = st.builds(
    FileExample,
    **dict.fromkeys(("repository", "merge", "ours_commit", "theirs_commit", "base_commit"), names),
    **dict.fromkeys(("path", "language", "conflicted", "merged"), names),
    blobs=triples,
    stages=triples,
    context=st.builds(
        MergeContext, *[times] * 6, st.booleans(), st.booleans(), st.none() | names, st.none() | names
    ),
    kind=st.sampled_from(["conflict", "clean"]),
    flags=st.sampled_from([(), ("generated",), ("generated", "vendored")]),
    history=st.builds(FileHistory, changes, changes, superseded, st.lists(superseded, max_size=3).map(tuple)),
    taken=st.sampled_from(["", "ours", "theirs"]),
    is_discarded=st.booleans(),
    is_twin=st.booleans(),
    conflicted_files=st.integers(1, 9),
    conflicts=st.lists(conflicts, max_size=3).map(tuple),
)


@given(examples)
def test_rows_are_read_as_they_were_written(example: FileExample) -> None:
    assert example_from_json(example.to_json()) == example
    assert example_from_json(json.loads(json.dumps(example.to_json()))) == example


@given(examples)
def test_columns_nobody_asked_for_are_left_alone(example: FileExample) -> None:
    assert example_from_json(example.to_json() | {"content_keys": ["x"]}) == example


@given(examples, st.data())
def test_rows_that_lack_a_field_are_no_examples(example: FileExample, data: st.DataObject) -> None:
    row = example.to_json()
    del row[data.draw(st.sampled_from(sorted(row)))]
    with pytest.raises(
        DatasetError, match=r"^This row is no mined example \(.*\); mine again with this version\.$"
    ):
        example_from_json(row)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blobs", None),
        ("blobs", {"base": "a", "ours": "b"}),
        ("context", {"ours_time": 1}),
        ("conflicts", [{"index": 0}]),
        ("conflicts", [None]),
        ("conflicts", None),
        ("conflicts", [{"index": 0, "resolution": "", "proof": "both", "duplicate": False, "patterns": []}]),
        ("flags", None),
        ("path", 3),
        ("merged", None),
        ("history", None),
        ("history", {"ours_change": {"commits": "one"}}),
    ],
)
def test_rows_of_another_shape_are_no_examples(name: str, value: object) -> None:
    conflict = ConflictExample(0, "x", ("aligned",), (), False, ("lines:ours",))
    texts = ThreeWay("", "", "")
    context = MergeContext(0, 0, 0, 0, 1, 1, True, False)
    whole = FileExample("o/r", "m", "a", "b", "c", "p", "java", texts, texts, "", "", context, (conflict,))
    assert example_from_json(whole.to_json()) == whole
    with pytest.raises(DatasetError):
        example_from_json(whole.to_json() | {name: value})


def test_an_unlocated_resolution_stays_unknown() -> None:
    unknown = ConflictExample(0, None, (), (), False, ())
    assert replace(unknown, resolution="").resolution is not None
    assert unknown.resolution is None


@pytest.mark.parametrize(
    ("resolution", "proof", "dissent", "grade"),
    [
        ("x", ("aligned", "unique", "candidate"), (), "a"),
        ("x", ("aligned", "candidate"), (), "b"),
        ("x", ("unique",), (), "c"),
        ("x", ("parent",), (), "a"),
        ("x", ("aligned", "unique"), ("candidate",), "d"),
        ("x", ("candidate",), ("aligned",), "d"),
        (None, (), (), ""),
    ],
)
def test_a_grade_says_how_sure_the_place_is(
    resolution: str | None, proof: tuple[str, ...], dissent: tuple[str, ...], grade: str
) -> None:
    assert ConflictExample(0, resolution, proof, dissent, False, ()).grade == grade
