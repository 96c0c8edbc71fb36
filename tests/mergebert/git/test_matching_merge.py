from __future__ import annotations

from random import Random

import pytest

from mergebert.git.byte_merge import byte_merge
from mergebert.git.line_merge import line_merge
from mergebert.git.matching_merge import matching_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.text.file_parts import AnsweredPart
from mergebert.text.markers import MergedFile, parse
from mergebert.text.threeway import ThreeWay
from tests.campaign.random_merges import random_merge

# Myers and histogram find other lines in common here.
VERSIONS = ThreeWay("a\nb\na\na\n", "a\nd\nb\na\nb\na\n", "b\na\nb\na\n")


def shown(versions: ThreeWay[str], algorithm: str, style: str = "merge") -> MergedFile:
    base, ours, theirs = versions.map(str.encode)
    merged = byte_merge((base, ours, theirs), MergeOptions(algorithm, style=style))
    assert merged is not None
    return parse(merged.marked(("base", "ours", "theirs"), merged.size).decode(), merged.size)


def test_the_algorithm_of_the_file_is_found() -> None:
    assert line_merge(VERSIONS).conflicts == ()
    found = matching_merge(shown(VERSIONS, "myers"), VERSIONS).line_merge
    assert [one.sides for one in found.conflicts] == [ThreeWay("a\n", "a\nd\n", "")]


def test_what_nobody_made_is_left_to_the_plain_merge() -> None:
    text = parse("<<<<<<< x\nquite\n=======\nelse\n>>>>>>> y\n")
    assert matching_merge(text, VERSIONS).line_merge == line_merge(VERSIONS)


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("algorithm", ["histogram", "myers", "patience"])
def test_nobody_has_answered_a_file_as_git_left_it(algorithm: str, style: str) -> None:
    draw = Random(f"{algorithm} {style}")
    tried = 0
    while tried < 25:
        versions = random_merge(draw).map(bytes.decode)
        merged = shown(versions, algorithm, style)
        if not merged.conflicts:
            continue
        tried += 1
        parts = matching_merge(merged, versions).parts
        assert "".join(map(str, parts)) == "".join(map(str, merged.parts))
        assert not [part for part in parts if isinstance(part, AnsweredPart)], versions
