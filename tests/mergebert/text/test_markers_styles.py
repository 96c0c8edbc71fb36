"""Conflicts of every style are found again; what is no conflict never raises and is never touched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergebert.errors import MarkerError
from mergebert.text.markers import (
    DIFF3,
    FOSSIL,
    JJ_DIFF,
    JJ_GIT,
    JJ_SNAPSHOT,
    MERGE,
    UNOPENED,
    MarkedConflict,
    TornMarkers,
    lines_of,
    marked_conflicts,
    parse,
    render,
)
from mergebert.text.threeway import ThreeWay

CASES = Path(__file__).parent / "cases_markers"


# --- cases: a folder each, the text and what stands in it ---------------------------------------------------------


def as_json(one: MarkedConflict | TornMarkers, text: str) -> dict[str, Any]:
    """`one` as the expected.json of a case spells it: lines are counted from one."""
    lines = [text.count("\n", 0, one.start) + 1, text.count("\n", 0, one.end - 1) + 1]
    if isinstance(one, TornMarkers):
        return {"torn": one.reason, "lines": lines}
    return {
        "style": one.style,
        "lines": lines,
        "sides": one.conflict.sides_count,
        "labels": asdict(one.conflict.labels),
        "texts": asdict(one.conflict.sides),
        "has_base": one.conflict.has_base,
        "shown": [name for name in ("base", "ours", "theirs") if getattr(one.spans, name) is not None],
    }


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    text = (case / "text").read_bytes().decode()
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    found = marked_conflicts(text)
    assert [as_json(one, text) for one in found] == expected
    assert_sound(text, found)


def assert_sound(text: str, found: Sequence[MarkedConflict | TornMarkers]) -> None:
    """The findings are whole lines, in order and apart, and show the texts they claim to."""
    end = 0
    for one in found:
        assert end <= one.start < one.end <= len(text)
        end = one.end
        assert text[: one.start].endswith("\n") or not one.start
        assert text[: one.end].endswith("\n") or one.end == len(text)
        if isinstance(one, TornMarkers):
            assert "; " in one.reason and one.reason.endswith(".")
            continue
        for span, side in zip(one.spans, one.conflict.sides, strict=True):
            assert span is None or text[slice(*span)] == side
            assert span is None or one.start < span[0] <= span[1] < one.end
        assert str(one.conflict) == text[one.start : one.end]


# --- the inverse pair: conflicts are written in every style and found again ---------------------------------------


@dataclass(frozen=True)
class Versions:
    """What a conflict is written from; more sides have a base each between them."""

    bases: tuple[str, ...]
    sides: tuple[str, ...]
    size: int
    newline: str

    @property
    def shown(self) -> ThreeWay[str]:
        return ThreeWay(self.bases[0], self.sides[0], self.sides[1])

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.bases, *self.sides)

    def marker(self, mark: str, label: str = "") -> str:
        return mark * self.size + (f" {label}" if label else "") + self.newline


LABELS = ThreeWay("the base", "HEAD", "topic/x > y")


def write_git(versions: Versions, has_base: bool) -> str:
    """The conflict as git writes it: every version ends with a newline."""
    middle = [versions.marker("|", LABELS.base), versions.shown.base] if has_base else []
    return "".join(
        [
            versions.marker("<", LABELS.ours),
            versions.shown.ours,
            *middle,
            versions.marker("="),
            versions.shown.theirs,
            versions.marker(">", LABELS.theirs),
        ]
    )


def write_fossil(versions: Versions, suggestion: str | None, has_line_numbers: bool) -> str:
    """The conflict as fossil writes it, with what it suggests, if anything, between ours and the base."""

    def marker(mark: str, words: str) -> str:
        number = " (line 7)" if has_line_numbers else ""
        return versions.marker(mark, f"{words} ".ljust(57, mark) + number)

    head = "SUGGESTED CONFLICT RESOLUTION follows"
    return "".join(
        [
            marker("<", "BEGIN MERGE CONFLICT: local copy shown first"),
            versions.shown.ours,
            "" if suggestion is None else marker("#", head) + suggestion,
            marker("|", "COMMON ANCESTOR content follows"),
            versions.shown.base,
            marker("=", "MERGED IN content follows"),
            versions.shown.theirs,
            marker(">", "END MERGE CONFLICT"),
        ]
    )


def write_jj_git(versions: Versions) -> str:
    spread, note, end = final_newline(versions)
    shown = versions.shown
    text = "".join(
        [
            versions.marker("<", "side #1" + note(shown.ours)),
            shown.ours + spread,
            versions.marker("|", "base" + note(shown.base)),
            shown.base + spread,
            versions.marker("="),
            shown.theirs + spread,
            versions.marker(">", "side #2" + note(shown.theirs)),
        ]
    )
    return text.removesuffix(versions.newline) + end


def final_newline(versions: Versions) -> tuple[str, Callable[[str], str], str]:
    """What jj adds to each version, the note it writes behind a label, and what ends the closing marker."""

    def lacks(text: str) -> bool:
        return bool(text) and not text.endswith("\n")

    is_spread = any(map(lacks, versions.all))

    def note(text: str) -> str:
        return " (no terminating newline)" if lacks(text) else ""

    return (versions.newline, note, "") if is_spread else ("", note, versions.newline)


def write_snapshots(versions: Versions) -> str:
    spread, note, end = final_newline(versions)

    def snapshot(mark: str, text: str, label: str) -> str:
        return versions.marker(mark, label + note(text)) + text + spread

    parts = [snapshot("+", versions.sides[0], "side #1")]
    for number, (base, side) in enumerate(zip(versions.bases, versions.sides[1:], strict=True), start=1):
        parts += [snapshot("-", base, f"base #{number}"), snapshot("+", side, f"side #{number + 1}")]
    return jj_frame(versions, parts, end)


def write_diffs(versions: Versions, snapshot_at: int, has_to_lines: bool) -> str:
    """jj's default style: the side at `snapshot_at` whole, every other as a diff from a base."""
    spread, note, end = final_newline(versions)
    bases = iter(enumerate(versions.bases, start=1))
    parts: list[str] = []
    for at, side in enumerate(versions.sides):
        name = f"side #{at + 1}"
        if at == snapshot_at:
            parts += [versions.marker("+", name + note(side)), side + spread]
            continue
        number, base = next(bases)
        if has_to_lines:
            parts.append(versions.marker("%", f"diff from: base #{number}" + note(base)))
            parts.append(versions.marker("\\", f"       to: {name}" + note(side)))
        else:
            parts.append(versions.marker("%", f"Changes from base #{number} to {name}"))
        parts += diff_lines(lines_of(base + spread), lines_of(side + spread))
    return jj_frame(versions, parts, end)


def diff_lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """A diff of which only the common first lines are kept."""
    common = next(
        (at for at, (left, right) in enumerate(zip(before, after, strict=False)) if left != right),
        min(len(before), len(after)),
    )
    yield from (f" {line}" for line in before[:common])
    yield from (f"-{line}" for line in before[common:])
    yield from (f"+{line}" for line in after[common:])


def jj_frame(versions: Versions, parts: Sequence[str], end: str) -> str:
    closing = versions.marker(">", "conflict 1 of 1 ends").removesuffix(versions.newline)
    return "".join([versions.marker("<", "conflict 1 of 1"), *parts, closing, end])


LINES = st.sampled_from(
    [
        "",
        " ",
        "a",
        "b = 1",
        "-",
        "+x",
        " +",
        "----",
        "====",
        "<<<<<<",
        "|||||",
        "%%%",
        "\\\\\\",
        "\x0c",
        "\u2028",
        "é😀",
    ]
)


@st.composite
def texts(draw: st.DrawFn, newline: str, may_lack_newline: bool = False) -> str:
    text = "".join(line + newline for line in draw(st.lists(LINES, max_size=5)))
    if text and may_lack_newline and draw(st.booleans()):
        text = text.removesuffix(newline)
    return text


@st.composite
def conflicts(
    draw: st.DrawFn, at_end: bool = False, most_sides: int = 2, marker_sizes: Sequence[int] = (11, 7, 8, 40)
) -> tuple[Versions, str, str]:
    """Versions and the text before and after them, of which nothing looks like a marker of this size."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lacks = at_end and draw(st.booleans())
    sides = draw(st.integers(2, most_sides))
    size = draw(st.sampled_from(marker_sizes))
    some = [draw(texts(newline, lacks)) for _ in range(2 * sides - 1)]
    versions = Versions(tuple(some[: sides - 1]), tuple(some[sides - 1 :]), size, newline)
    quoted = f"<<<<<<<{newline}a{newline}=======\nb{newline}" if size > 7 else ""
    before = draw(texts(newline)) + draw(st.sampled_from(["", quoted]))
    return versions, before, "" if lacks else draw(texts(newline))


def found_again(before: str, written: str, after: str, size: int) -> MarkedConflict:
    """The one conflict that is found in the text, of which the rest is untouched."""
    text = before + written + after
    found = marked_conflicts(text, size)
    assert_sound(text, found)
    (one,) = found
    assert isinstance(one, MarkedConflict)
    assert (text[: one.start], text[one.end :]) == (before, after)
    assert one == next(other for other in marked_conflicts(text) if other.start == one.start)
    return one


def size_of(written: str) -> int:
    return len(written) - len(written.lstrip("<"))


@given(conflicts(), st.booleans())
@settings(max_examples=150)
def test_git_styles_are_found_again(given_: tuple[Versions, str, str], has_base: bool) -> None:
    versions, before, after = given_
    one = found_again(before, write_git(versions, has_base), after, versions.size)
    base = versions.shown.base if has_base else ""
    assert one.conflict.sides == ThreeWay(base, versions.shown.ours, versions.shown.theirs)
    assert one.conflict.labels == (LABELS if has_base else ThreeWay("", LABELS.ours, LABELS.theirs))
    assert one.style == (DIFF3 if has_base else MERGE)
    assert one.spans.base is None or has_base


@given(conflicts(marker_sizes=(7,)), st.none() | texts("\n"), st.booleans(), st.data())
@settings(max_examples=150)
def test_the_style_of_fossil_is_found_again_whatever_the_versions_quote(
    given_: tuple[Versions, str, str], suggestion: str | None, has_line_numbers: bool, data: st.DataObject
) -> None:
    versions, before, after = given_
    marks = st.sampled_from([*"=|>#%", ""])
    quoting = [
        "".join(versions.marker(mark, label) for mark in data.draw(marks) for label in ("", "x")) + text
        for text in versions.all
    ]
    versions = replace(versions, bases=tuple(quoting[:1]), sides=tuple(quoting[1:]))
    one = found_again(before, write_fossil(versions, suggestion, has_line_numbers), after, versions.size)
    assert (one.style, one.conflict.sides) == (FOSSIL, versions.shown)
    assert None not in tuple(one.spans)


@given(conflicts(at_end=True))
@settings(max_examples=150)
def test_the_git_style_of_jj_is_found_again(given_: tuple[Versions, str, str]) -> None:
    versions, before, after = given_
    one = found_again(before, write_jj_git(versions), after, versions.size)
    assert (one.style, one.conflict.sides) == (JJ_GIT, versions.shown)


@given(conflicts(at_end=True, most_sides=4))
@settings(max_examples=150)
def test_snapshots_are_found_again(given_: tuple[Versions, str, str]) -> None:
    versions, before, after = given_
    one = found_again(before, write_snapshots(versions), after, versions.size)
    assert (one.style, one.conflict.sides) == (JJ_SNAPSHOT, versions.shown)
    assert one.conflict.sides_count == len(versions.sides)
    assert one.conflict.labels == ThreeWay("base #1", "side #1", "side #2")
    assert None not in tuple(one.spans)


@given(conflicts(at_end=True, most_sides=4), st.data())
@settings(max_examples=150)
def test_diffs_are_found_again(given_: tuple[Versions, str, str], data: st.DataObject) -> None:
    versions, before, after = given_
    snapshot_at = data.draw(st.integers(0, len(versions.sides) - 1))
    written = write_diffs(versions, snapshot_at, has_to_lines=data.draw(st.booleans()))
    one = found_again(before, written, after, versions.size)
    assert (one.style, one.conflict.sides) == (JJ_DIFF, versions.shown)
    assert one.conflict.sides_count == len(versions.sides)
    assert one.conflict.labels == ThreeWay("base #1", "side #1", "side #2")
    assert [span is not None for span in one.spans] == [False, snapshot_at == 0, snapshot_at == 1]


@given(conflicts(at_end=True), st.booleans())
def test_a_conflict_of_jj_is_given_as_the_diff3_that_says_the_same(
    given_: tuple[Versions, str, str], is_diff: bool
) -> None:
    versions, before, after = given_
    written = write_diffs(versions, 1, has_to_lines=True) if is_diff else write_snapshots(versions)
    one = found_again(before, written, after, versions.size)
    if all(text.endswith("\n") or not text for text in versions.all):
        in_git = replace(one.conflict, written="")
        (again,) = parse(str(in_git), versions.size).conflicts
        assert again == in_git
        assert again.labels == one.conflict.labels


# --- real git -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--no-diff3", "--diff3", "--zdiff3"])
@pytest.mark.parametrize("size", [7, 12])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "end\n"])
def test_what_git_writes_is_read_as_the_core_reads_it(
    option: str, size: int, newline: str, end: str, tmp_path: Path
) -> None:
    def version(word: str) -> Path:
        lines = ["top", "x = 1", f"{word} = 2", "same", "", "gap", "gap", "gap", "gap", f"last {word}"]
        path = tmp_path / word
        path.write_bytes(
            (newline.join(lines) + (newline + end.replace("\n", newline) if end else "")).encode()
        )
        return path

    base, ours, theirs = version("base"), version("ours"), version("theirs")
    command = [
        "git",
        "merge-file",
        "-p",
        option,
        f"--marker-size={size}",
        "-L",
        "a b",
        str(ours),
        str(base),
        str(theirs),
    ]
    if option == "--no-diff3":
        command.remove(option)
    answer = subprocess.run(command, capture_output=True, check=False)
    assert answer.returncode == 2
    text = answer.stdout.decode()
    found = marked_conflicts(text)
    assert [one.conflict for one in found if isinstance(one, MarkedConflict)] == list(parse(text).conflicts)
    assert [one.style for one in found if isinstance(one, MarkedConflict)] == [
        MERGE if "no" in option else DIFF3
    ] * 2
    assert_sound(text, found)


# --- anything else ------------------------------------------------------------------------------------------------

MARKS = [mark * size for mark in "<|=>+-%\\" for size in (7, 7, 9)]
FRAGMENTS = [
    *MARKS,
    *MARKS,
    *(f"{mark} x" for mark in MARKS),
    "<<<<<<< conflict 1 of 1",
    "<<<<<<< BEGIN MERGE CONFLICT: local copy shown first <<<<<<<<<<<<",
    "####### SUGGESTED CONFLICT RESOLUTION follows ###################",
    "||||||| COMMON ANCESTOR content follows |||||||||||||||||||||||||",
    "======= MERGED IN content follows ===============================",
    ">>>>>>> END MERGE CONFLICT >>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>",
    "+a",
    "-b",
    " c",
    "d",
    "",
]
MARKER_DENSE = st.lists(
    st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "", "\u2028"])),
    max_size=24,
).map(lambda pieces: "".join(text + end for text, end in pieces))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200) | MARKER_DENSE


@given(ANY_TEXT, st.sampled_from([None, 7, 9]))
@settings(max_examples=600)
def test_no_text_raises_and_every_finding_is_sound(text: str, size: int | None) -> None:
    assert_sound(text, marked_conflicts(text, size))


@given(ANY_TEXT, st.sampled_from([None, 7, 9]))
@settings(max_examples=600)
def test_the_strict_reading_is_the_tolerant_one_or_an_error(text: str, size: int | None) -> None:
    found = marked_conflicts(text, size)
    whole = [one for one in found if isinstance(one, MarkedConflict)]
    try:
        merged = parse(text, size)
    except MarkerError:
        assert any(one.reason != UNOPENED for one in found if isinstance(one, TornMarkers))
    else:
        assert render(merged) == text
        assert list(merged.conflicts) == [one.conflict for one in whole]
        assert all(one.reason == UNOPENED for one in found if isinstance(one, TornMarkers))


@given(conflicts(), st.data())
@settings(max_examples=150)
def test_a_conflict_that_lost_a_marker_line_is_torn_and_hides_no_other(
    given_: tuple[Versions, str, str], data: st.DataObject
) -> None:
    versions, before, after = given_
    lines = lines_of(write_git(versions, has_base=True))
    places = [
        at for at, line in enumerate(lines) if line[: versions.size] in {m * versions.size for m in "<=>"}
    ]
    del lines[data.draw(st.sampled_from(places))]
    whole = write_git(versions, has_base=True)
    text = before + "".join(lines) + after + whole
    found = marked_conflicts(text, versions.size)
    assert_sound(text, found)
    assert [type(one) for one in found] == [TornMarkers, MarkedConflict]
    assert (found[1].start, found[1].end) == (len(text) - len(whole), len(text))


def test_texts_without_markers_are_not_searched() -> None:
    assert (
        marked_conflicts("")
        == marked_conflicts("=======\n" * 5)
        == marked_conflicts("a\n<<<<<< \n >>>>>>> x")
        == ()
    )


@pytest.mark.parametrize(
    "piece",
    [
        "<<<<<<< a\n",
        ">>>>>>> a\n",
        "<<<<<<< a\n|||||||\n",
        "<<<<<<< a\n|||||||\n-------\n",
        "<<<<<<< a\n=======\n>>>>>>> b\n",
        "<<<<<<< conflict 1 of 1\n%%%%%%%\n\\\\\\\\\\\\\\\n-a\n+b\n+++++++\nc\n>>>>>>>\n",
        "<<<<<<< a\n" + "=======\n" * 20,
        "<<<<<<<<<<<<<<<<<<<<<<<<x\n",
    ],
)
def test_the_work_grows_no_faster_than_the_text(piece: str) -> None:
    small, large = (work(partial(marked_conflicts, piece * times)) for times in (200, 800))
    assert large <= 4.2 * small + 100


def test_nested_conflicts_of_every_size_are_read_in_linear_work() -> None:
    def nested(count: int) -> str:
        sizes = range(7, 7 + count)
        closed = ("=" * size + "\n" + ">" * size + " x\n" for size in reversed(sizes))
        return "".join("<" * size + " x\n" for size in sizes) + "".join(closed)

    small, large = (work(partial(marked_conflicts, nested(count))) for count in (50, 200))
    assert large <= 4.2 * small + 100
    (one,) = marked_conflicts(nested(200))
    assert (one.start, one.end) == (0, len(nested(200)))


def work(action: Callable[[], object]) -> int:
    """How many functions and generators were entered."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count
