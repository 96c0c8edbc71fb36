from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergebert.errors import MarkerError
from mergebert.text.markers import (
    DEFAULT_MARKER_SIZE,
    Conflict,
    Markers,
    MergedFile,
    has_markers,
    lines_of,
    parse,
    render,
    resolved,
)
from mergebert.text.threeway import ThreeWay
from tests.mergebert.marked_merge import marked_merge

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
MARKS = ["<<<<<<<", ">>>>>>>", "=======", "|||||||", "<<<", ">>>", "===", "|||"]
SUBWORDS_A_TOKEN = [
    *MARKS,
    *MARKS,
    "<",
    "=",
    " ",
    " ours",
    "code",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\u2028",
    "\x0c",
]
MARKER_DENSE = st.lists(st.sampled_from(SUBWORDS_A_TOKEN), max_size=40).map("".join) | st.lists(
    st.sampled_from([*(f"{mark}{end}" for mark in MARKS[:4] for end in ("\n", " x\n", "x\n")), "a\n", "b"]),
    max_size=16,
).map("".join)
SIZES = st.sampled_from([None, 1, 3, 7, 8, 9])


@given(ANY_TEXT | MARKER_DENSE, SIZES)
@settings(max_examples=300)
def test_what_is_parsed_is_rendered_again(text: str, size: int | None) -> None:
    try:
        merged = parse(text, size)
    except MarkerError as error:
        assert str(error).startswith("Line ")
    else:
        assert render(merged) == text
        assert "" not in merged.parts


@given(ANY_TEXT)
def test_lines_join_to_the_text_and_only_a_line_feed_ends_one(text: str) -> None:
    lines = lines_of(text)
    assert "".join(lines) == text
    assert all(line.endswith("\n") for line in lines[:-1])
    assert sum(line.count("\n") for line in lines) == text.count("\n")
    assert all("\n" not in line[:-1] for line in lines)


def agreed_lines(size: int) -> list[str]:
    """Lines outside conflicts that a hasty parser takes for markers."""
    looks = ["=" * size, ">" * size + " x", "|" * size + " y", "<" * size + "x", "<" * min(size - 1, 6)]
    return [*looks, "code", "", "  more code", "\x0cpage", "\u2028"]


def section_lines(size: int) -> list[str]:
    """Lines of one side that are no marker of this conflict; other lengths are those of a conflict within."""
    other = size + 2
    looks = [
        "<" * other + " a",
        "=" * other,
        ">" * other + " b",
        "|" * other,
        "=" * size + " ",
        "=" * (size - 1),
    ]
    return [*looks, "<" * size + "x", ">" * size + "x", "code", "", "a\rb"]


@st.composite
def merged_files(draw: st.DrawFn) -> tuple[MergedFile, int]:
    """A line merge as git writes it in one of its styles, and the size of its markers."""
    size = draw(st.sampled_from([1, 3, 7, 7, 7, 8, 15, 40]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    has_base = draw(st.booleans())
    labels = st.sampled_from(["", " ours", " HEAD: a <b> | c", " =", " feature/<<<<<<< x"])

    def text(lines: list[str], least: int = 0) -> str:
        return "".join(
            line + end for line in draw(st.lists(st.sampled_from(lines), min_size=least, max_size=4))
        )

    def conflict() -> Conflict:
        sides = ThreeWay(*(text(section_lines(size)) for _ in range(3)))
        opening, base, closing = (mark * size + draw(labels) + end for mark in "<|>")
        if not has_base:
            return Conflict(
                ThreeWay("", sides.ours, sides.theirs), Markers(opening, None, "=" * size + end, closing)
            )
        return Conflict(sides, Markers(opening, base, "=" * size + end, closing))

    parts: list[str | Conflict] = []
    for _ in range(draw(st.integers(0, 3))):
        parts += [text(agreed_lines(size), least=1)] if draw(st.booleans()) else []
        parts.append(conflict())
    if draw(st.booleans()):
        last = text(agreed_lines(size), least=1)
        parts.append(last.removesuffix(end) or last if draw(st.booleans()) else last)
    return MergedFile(tuple(parts)), size


@given(merged_files())
@settings(max_examples=200)
def test_what_is_rendered_is_parsed_again(file: tuple[MergedFile, int]) -> None:
    merged, size = file
    assert parse(render(merged), size) == merged
    if size >= DEFAULT_MARKER_SIZE:
        assert parse(render(merged)) == merged


@given(merged_files())
def test_the_file_knows_whether_it_holds_markers(file: tuple[MergedFile, int]) -> None:
    merged, size = file
    assert not (merged.conflicts and size >= DEFAULT_MARKER_SIZE) or has_markers(render(merged))
    sides = {at: conflict.sides.ours for at, conflict in enumerate(merged.conflicts)}
    assert resolved(merged, sides).conflicts == ()


BASE = "".join(f"line {number}\n" for number in range(12))


@pytest.mark.parametrize("style", ["", "diff3", "zdiff3"])
@pytest.mark.parametrize("size", [3, 7, 21])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_git_itself_writes_what_is_parsed(style: str, size: int, end: str) -> None:
    base = BASE.replace("\n", end)
    ours = base.replace("line 3", f"same{end}ours").replace("line 11", "our end").removesuffix(end)
    theirs = base.replace("line 3", f"same{end}theirs").replace("line 11", "their end")
    text = marked_merge(ThreeWay(base, ours, theirs).map(str.encode), ("o", "a", "b"), size, style).decode()

    merged = parse(text, size)

    assert render(merged) == text
    first, last = merged.conflicts
    assert "ours" in first.sides.ours and "theirs" in first.sides.theirs
    assert first.sides.base == ("" if not style else f"line 3{end}")
    assert first.has_base == bool(style)
    assert "our end" in last.sides.ours
    assert last.sides.theirs == f"their end{end}"
    assert len(first.markers.separator.rstrip()) == size


def test_a_conflict_without_final_newline() -> None:
    text = "a\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs"
    [conflict] = parse(text).conflicts
    assert conflict.sides == ThreeWay("", "b\n", "c\n")
    assert conflict.markers.close == ">>>>>>> theirs"
    assert str(conflict) == text.removeprefix("a\n")


def test_labels_are_what_stands_behind_the_markers() -> None:
    text = "<<<<<<< HEAD <now>\n||||||| merged common ancestors\r\n=======\n>>>>>>> feature | x\n"
    [conflict] = parse(text).conflicts
    assert conflict.labels == ThreeWay("merged common ancestors", "HEAD <now>", "feature | x")
    [bare] = parse("<<<<<<<\n=======\n>>>>>>>\n").conflicts
    assert bare.labels == ThreeWay("", "", "")


def test_a_merge_of_merge_bases_stands_inside_a_base() -> None:
    """A criss-cross merge: git shows a conflicted base with longer markers inside."""
    inner = "<<<<<<<<< Temporary merge branch 1\nx\n=========\ny\n>>>>>>>>> Temporary merge branch 2\n"
    text = f"<<<<<<< ours\na\n||||||| base\n{inner}=======\nb\n>>>>>>> theirs\n"
    [conflict] = parse(text).conflicts
    assert conflict.sides.base == inner
    assert render(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n<<<<<<< ours\nb\n", 2),
        ("<<<<<<< ours\nb\n=======\nc\n", 1),
        ("<<<<<<< ours\nb\n>>>>>>> theirs\n", 1),
        ("\n\n<<<<<<< ours\r\nb\r\n||||||| base\r\n>>>>>>> theirs\r\n", 3),
        ("<<<<<<< ours\na\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n", 3),
        ("<<<<<<< ours\n=======\n\n<<<<<<< again\n=======\n>>>>>>> theirs\n", 4),
        ("<<<<<<< a\n=======\n>>>>>>> b\nfine\n<<<<<<< c", 5),
    ],
)
def test_torn_and_nested_markers_are_told_with_their_line(text: str, line: int) -> None:
    with pytest.raises(MarkerError, match=rf"^Line {line}: [^\n]+\.$"):
        parse(text)


@pytest.mark.parametrize("text", ["<<<<<<< a", "x\n>>>>>>> b\n", "<<<<<<<\r\n", "<<<<<<<<<< a\n"])
def test_markers_are_seen(text: str) -> None:
    assert has_markers(text)


@pytest.mark.parametrize(
    "text", ["", "=======\n", "<<<<<< a\n", " <<<<<<< a\n", "<<<<<<<a\n", "cin >>>>>>> x\n"]
)
def test_other_lines_are_no_markers(text: str) -> None:
    assert not has_markers(text)
    assert parse(text).conflicts == ()


def test_conflicts_are_replaced_by_index() -> None:
    one, two = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n", "<<<<<<< a\n3\n=======\n4\n>>>>>>> b\n"
    merged = parse(f"x\n{one}{two}y\n")
    assert render(resolved(merged, {1: "new\n"})) == f"x\n{one}new\ny\n"
    assert render(resolved(merged, {0: "", 1: ""})) == "x\ny\n"
    assert resolved(merged, {}) == merged


@pytest.mark.parametrize("line", ["<<<<<<<", ">>>>>>>", "<<<<<<<<<<<<", ">>>>>>>>> "])
def test_a_lone_marker_without_a_label_is_text(line: str) -> None:
    conflict = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n"
    merged = parse(f"{line}\n{conflict}{line}\n")
    assert (merged.parts[0], str(merged.parts[1]), merged.parts[2]) == (f"{line}\n", conflict, f"{line}\n")


HEADING = "Members\n=======\n"


@pytest.mark.parametrize(
    "sides",
    [
        ThreeWay("", f"{HEADING}one\n", "two\n"),
        ThreeWay(HEADING, f"{HEADING}one\n", f"{HEADING}two\n"),
        ThreeWay("", "one\n", f"{HEADING}two\n"),
        ThreeWay("", "one\n", "two\n"),
    ],
)
def test_underlined_headings_in_the_versions_are_no_separators(sides: ThreeWay[str]) -> None:
    text = f"<<<<<<< a\n{sides.ours}||||||| b\n{sides.base}=======\n{sides.theirs}>>>>>>> c\n"
    assert [conflict.sides for conflict in parse(text).conflicts] == [sides]


def test_two_sides_with_a_heading_each_meet_in_the_middle() -> None:
    text = f"<<<<<<< a\n{HEADING}one\n=======\n{HEADING}two\n>>>>>>> c\n"
    (conflict,) = parse(text).conflicts
    assert conflict.sides == ThreeWay("", f"{HEADING}one\n", f"{HEADING}two\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (f"{HEADING}\nall\n", "none\n"),
        (f"all\n\n{HEADING}", "none\n"),
        (f"{HEADING}{HEADING}all\n", "none\n"),
        ("none\n", f"{HEADING}\nall\n"),
        ("none\n", f"{HEADING}all\n\n{HEADING}"),
        (f"{HEADING}\nall\n", "Members\n"),
        ("if one:\n    one\n", "none\n"),
        ("one\n    end\n", "none\n"),
    ],
)
def test_without_the_versions_too_a_heading_tells_its_underline(ours: str, theirs: str, end: str) -> None:
    ours, theirs = ours.replace("\n", end), theirs.replace("\n", end)
    [conflict] = parse(f"<<<<<<< a{end}{ours}======={end}{theirs}>>>>>>> c{end}").conflicts
    assert conflict.sides == ThreeWay("", ours, theirs)


UNDERLINED = "A\n=======\n"
NOTES = "See.\n"


@pytest.mark.parametrize("base", [None, "", UNDERLINED, NOTES])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(UNDERLINED, NOTES), (NOTES, UNDERLINED), (UNDERLINED * 2, UNDERLINED), ("", UNDERLINED)],
)
def test_the_versions_tell_a_separator_from_an_underline(base: str | None, ours: str, theirs: str) -> None:
    bar = None if base is None else "||||||| base\n"
    markers = Markers("<<<<<<< ours\n", bar, "=======\n", ">>>>>>> theirs\n")
    text = f"0\n{Conflict(ThreeWay(base or '', ours, theirs), markers)}1\n"
    versions = ThreeWay(base or "", ours, theirs).map(lambda side: f"0\n{side}1\n")
    found = parse(text, versions=versions)
    assert render(found) == text
    assert (found.side("ours"), found.side("theirs")) == (versions.ours, versions.theirs)


def test_versions_that_do_not_fit_change_nothing() -> None:
    text = f"<<<<<<< a\n{UNDERLINED}=======\n{NOTES}>>>>>>> b\n"
    assert parse(text, versions=ThreeWay("x\n", "y\n", "z\n")) == parse(text)
