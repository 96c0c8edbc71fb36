"""Locating is right or silent: over files made up so that the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.text.candidates import whitespace_key
from mergebert.text.markers import Conflict, Markers, MergedFile
from mergebert.text.threeway import ThreeWay
from mergebert_data.locate.majority_vote import METHODS, Location, locations

MARKERS = Markers("<<<<<<< ours\n", "||||||| base\n", "=======\n", ">>>>>>> theirs\n")
HEAD = "import a\nimport b\n\n"
TAIL = "\n\ndef end():\n    return 0\n"


def conflict(base: str, ours: str, theirs: str) -> Conflict:
    return Conflict(ThreeWay(base, ours, theirs), MARKERS)


def one(
    resolution: str, candidates: list[str], head: str = HEAD, tail: str = TAIL, ending: str = ""
) -> Location | None:
    """What is located for one conflict between `head` and `tail` resolved this way, with `ending` put behind."""
    cut = MergedFile((head, conflict("o\n", "x\n", "y\n"), tail))
    return locations(cut, head + resolution + tail + ending, [candidates])[0]


@pytest.mark.parametrize("resolution", ["x\n", "", "x\ny\n", "new\nlines\n", "return 0\n", "\n\n"])
def test_a_unique_unbroken_context_locates_anything(resolution: str) -> None:
    assert one(resolution, []) == Location(resolution, ("aligned", "unique"))


def test_all_three_proofs_are_recorded() -> None:
    assert one("x\n", ["y\n", "x\n", "x\ny\n"]) == Location("x\n", METHODS)


def test_the_text_is_what_people_wrote_not_the_candidate() -> None:
    assert one("    x\n", ["x\n"]) == Location("    x\n", METHODS)


def test_a_touched_line_next_to_the_conflict_proves_nothing() -> None:
    cut = MergedFile((HEAD.rstrip("\n") + "\n", conflict("o\n", "x\n", "y\n"), TAIL))
    merged = "import a\nimport c\nx\n" + TAIL
    assert locations(cut, merged, [["x\n"]]) == [None]


def test_a_unique_line_next_to_a_touched_one_is_proof_by_itself() -> None:
    cut = MergedFile((HEAD.strip() + "\n", conflict("o\n", "x\n", "y\n"), TAIL))
    merged = "import changed\nimport b\nx\n" + TAIL
    assert locations(cut, merged, [["other\n"]]) == [Location("x\n", ("unique",))]


@pytest.mark.parametrize("stray", ["import a\n", "    return 0\n"])
def test_a_unique_line_proves_nothing_where_the_text_holds_agreed_lines(stray: str) -> None:
    cut = MergedFile((HEAD.strip() + "\n", conflict("o\n", "x\n", "y\n"), TAIL))
    merged = "import changed\nimport b\nx\n" + stray + TAIL.replace("    return 0\n", "")
    assert locations(cut, merged, [["other\n"]]) == [None]


def test_a_unique_line_proves_nothing_amid_the_lines_of_a_side() -> None:
    cut = MergedFile((HEAD.strip() + "\n", conflict("o\n", "xxx = 1\nimport b\n", "y\n"), TAIL))
    merged = "import changed\nxxx = 1\nimport b\n" + TAIL
    assert locations(cut, merged, [["other\n"]]) == [None]


def test_a_unique_line_proves_nothing_where_people_moved_the_lines_of_a_side() -> None:
    cut = MergedFile((HEAD.strip() + "\n", conflict("o\n", "import xxx\n", "y\n"), TAIL))
    merged = "import xxx\nimport changed\nimport c\nimport d\nimport b\n" + TAIL
    assert locations(cut, merged, [["other\n"]]) == [None]


def test_conflicts_that_touch_are_located_together_or_not_at_all() -> None:
    disputed = conflict("o\n", "x\n", "y\n")
    cut = MergedFile((HEAD, disputed, disputed, TAIL))
    assert locations(cut, HEAD + "one\ntwo\n" + TAIL, [["x\n"], ["y\n"]]) == [None, None]
    found = locations(cut, HEAD + "x\ny\n" + TAIL, [["x\n"], ["y\n"]])
    assert found == [Location("x\n", ("candidate",)), Location("y\n", ("candidate",))]


BLOCK = "}\n\n@Test\n"


def test_alignment_alone_is_no_proof_where_the_context_is_repeated() -> None:
    assert one("new\n" + BLOCK, ["x\n"], "first\n" + BLOCK, BLOCK + "last\n", ending="more\n" + BLOCK) is None


def test_alignment_and_a_candidate_prove_each_other() -> None:
    cut = MergedFile(("first\n" + BLOCK, conflict("o\n", "x\n", "y\n"), BLOCK + "last\n"))
    resolution = "x\n" + BLOCK + "x\n"
    merged = "changed\n" + BLOCK + resolution + BLOCK + "last\n"
    assert locations(cut, merged, [[resolution]]) == [Location(resolution, ("aligned", "candidate"))]


def test_two_methods_outvote_the_candidate_that_follows_a_repeated_context() -> None:
    """The added test ends like the one before it, so that an empty candidate fits right behind it."""
    head, tail = "first()\n" + BLOCK, "last()\nend()\nend of file\n"
    found = one("added()\n" + BLOCK, ["x\n", ""], head, tail)
    assert found == Location("added()\n" + BLOCK, ("aligned", "unique"), ("candidate",))


def test_a_candidate_that_fits_at_two_places_is_no_proof() -> None:
    parts = ("begin\n" + BLOCK, conflict("o\n", "x\n", "y\n"), BLOCK + "end\n")
    merged = "start\n" + BLOCK + "x\n" + BLOCK + "y\n" + BLOCK + "stop\n"
    assert locations(MergedFile(parts), merged, [["x\n", "y\n"]]) == [None]


def test_file_borders_need_no_three_lines() -> None:
    assert one("new\n", [], head="", tail="end\n") == Location("new\n", ("aligned", "unique"))
    assert one("new\n", [], head="begin\n", tail="") == Location("new\n", ("aligned", "unique"))


def close(separator: str, first: str, second: str, candidates: list[str]) -> list[Location | None]:
    """What is located for two conflicts with only `separator` between them."""
    parts = (HEAD, conflict("o\n", "x\n", "y\n"), separator, conflict("p\n", "v\n", "w\n"), TAIL)
    return locations(MergedFile(parts), HEAD + first + separator + second + TAIL, [candidates, candidates])


def test_a_telling_line_between_conflicts_close_together_is_proof() -> None:
    assert close("middle()\n", "one\n", "two\n", []) == [
        Location("one\n", ("aligned", "unique")),
        Location("two\n", ("aligned", "unique")),
    ]


def test_a_repeated_line_between_conflicts_close_together_is_none() -> None:
    assert close("}\n", "one\n}\nmore\n", "two\n", []) == [None, None]


def test_conflicts_close_together_are_explained_together() -> None:
    found = close("}\n", "x\n}\n", "w\n", ["x\n}\n", "w\n", "v\n"])
    assert found == [Location("x\n}\n", ("candidate",)), Location("w\n", ("candidate",))]


@dataclass(frozen=True)
class Made:
    """A conflicted file, what people made of it, and the resolutions they chose."""

    cut: MergedFile
    merged: str
    resolutions: list[str]
    candidates: list[list[str]]


@st.composite
def made(draw: st.DrawFn, shortest: int) -> Made:
    """Conflicts among agreed lines that each stand once; the sides may repeat any line."""
    count = draw(st.integers(1, 4))
    lengths = [draw(st.integers(shortest, 5)) for _ in range(count + 1)]
    numbers = iter(range(100))
    segments = ["".join(f"agreed line {next(numbers)}\n" for _ in range(length)) for length in lengths]
    line = st.sampled_from(["}\n", "\n", "x = 1\n", "return x\n", "new line\n"])
    text = st.lists(line, max_size=4).map("".join)
    parts: list[str | Conflict] = [segments[0]]
    resolutions, candidates, merged = [], [], segments[0]
    for segment in segments[1:]:
        base, ours, theirs = draw(text), draw(text), draw(text)
        some = list(dict.fromkeys([ours, theirs, base, ours + theirs, theirs + ours, ""]))
        resolution = draw(st.sampled_from(some) | text)
        parts += [conflict(base, ours, theirs), segment]
        resolutions.append(resolution)
        candidates.append(some)
        merged += resolution + segment
    return Made(MergedFile(tuple(parts)), merged, resolutions, candidates)


@given(made(shortest=3))
def test_with_unbroken_context_everything_is_located(example: Made) -> None:
    found = locations(example.cut, example.merged, example.candidates)
    texts = [None if one is None else one.text for one in found]
    assert [text is not None for text in texts] == [True] * len(texts)
    assert [whitespace_key(text or "") for text in texts] == [*map(whitespace_key, example.resolutions)]


@given(made(shortest=1))
def test_what_is_located_is_right(example: Made) -> None:
    found = locations(example.cut, example.merged, example.candidates)
    for one, resolution in zip(found, example.resolutions, strict=True):
        assert one is None or whitespace_key(one.text) == whitespace_key(resolution)


@given(made(shortest=3), st.integers(0, 60), st.sampled_from(["", "changed\n"]))
def test_an_edit_of_the_agreed_lines_never_mislabels(example: Made, at: int, edit: str) -> None:
    lines = example.merged.split("\n")
    at %= len(lines)
    if lines[at].startswith("agreed"):
        lines[at : at + 1] = edit.split("\n")[:-1]
    found = locations(example.cut, "\n".join(lines), example.candidates)
    for one, resolution in zip(found, example.resolutions, strict=True):
        assert one is None or whitespace_key(one.text) == whitespace_key(resolution)
