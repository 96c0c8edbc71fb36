from __future__ import annotations

from mergebert.text.threeway import ThreeWay
from mergebert_data.history.stored_merge import stored_merge


def test_it_is_gits_merge_in_the_diff3_style() -> None:
    versions = ThreeWay("one\ntwo\nthree\n", "one\nTWO\nthree\n", "one\n2\nthree\n")
    marked = "one\n<<<<<<< ours\nTWO\n||||||| base\ntwo\n=======\n2\n>>>>>>> theirs\nthree\n"
    assert stored_merge(versions) == marked
    assert stored_merge(ThreeWay("a\r\n", "\ufeffa\r\n", "a\r\n")) == "\ufeffa\r\n"
    assert stored_merge(ThreeWay("a\0\n", "b\n", "c\n")) is None
    assert stored_merge(ThreeWay("", "", "a\n")) == "a\n"


def test_lines_are_matched_by_histogram_as_in_a_merge() -> None:
    assert stored_merge(ThreeWay("c\nc\na\n", "b\nc\na\n", "b\nc\na\na\nc\n")) == "b\nc\na\na\nc\n"
