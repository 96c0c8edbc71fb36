from __future__ import annotations

import pytest

from mergebert.text.markers import parse_line_merge
from mergebert.text.threeway import ThreeWay
from mergebert_data.history.replay import Stage
from mergebert_data.mine.filters import (
    LARGEST_FILE,
    clean_drop_reason,
    conflicts_drop_reason,
    is_marked,
    language_at,
    may_be_script,
    path_drop_reason,
    path_flags,
    stages_drop_reason,
    text_flags,
    text_of,
)


@pytest.mark.parametrize(
    ("path", "attributes", "name"),
    [
        ("a.py", {}, "python"),
        ("a.inc", {"linguist-language": "PHP"}, "php"),
        ("a.h", {"linguist-language": "C++"}, "cpp"),
        ("a.h", {"linguist-language": "C#"}, "csharp"),
        ("a.py", {"linguist-language": "Jupyter-Notebook"}, "text"),
        ("a.py", {"linguist-language": "true"}, "text"),
    ],
)
def test_a_repository_may_say_what_its_files_are_written_in(
    path: str, attributes: dict[str, str], name: str
) -> None:
    assert language_at(path, attributes).name == name


def test_only_names_without_an_extension_may_be_scripts() -> None:
    assert may_be_script("bin.d/run")
    assert not may_be_script("run.txt")
    assert not may_be_script(".profile")


@pytest.mark.parametrize(
    ("path", "attributes", "flags"),
    [
        ("src/a.py", {}, ()),
        ("vendor/a.py", {}, ("vendored",)),
        ("a_pb2.py", {}, ("generated",)),
        ("vendor/a_pb2.py", {}, ("generated", "vendored")),
        ("vendor/a.py", {"linguist-vendored": "false"}, ()),
        ("a_pb2.py", {"linguist-generated": "false"}, ()),
        ("src/a.py", {"linguist-generated": "true"}, ("generated",)),
        ("src/a.py", {"linguist-vendored": "true"}, ("vendored",)),
        ("src/a.py", {"linguist-documentation": "true"}, ()),
    ],
)
def test_a_repository_may_say_what_was_not_written_in_it(
    path: str, attributes: dict[str, str], flags: tuple[str, ...]
) -> None:
    assert path_flags(path, attributes) == flags


def test_a_text_that_says_it_is_generated_may_be_contradicted() -> None:
    texts = ["x = 1\n", "# @generated\n"]
    assert text_flags("a.py", texts, {}) == ("generated",)
    assert text_flags("a.py", texts[:1], {}) == ()
    assert text_flags("a.py", texts, {"linguist-generated": "false"}) == ()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a.py", None),
        ("é b'\".py", None),
        ("a\n.py", "unprintable path"),
        ("a\udcff.py", "unprintable path"),
        ("a\n.txt", "not a programming language"),
    ],
)
def test_paths_nobody_can_read_are_dropped(path: str, reason: str | None) -> None:
    assert path_drop_reason(path) == reason


def test_what_is_no_text_is_dropped() -> None:
    assert text_of("é\r\n".encode()) == ("é\r\n", None)
    assert text_of(b"a\0b") == ("", "binary")
    assert text_of(b"\xff") == ("", "not UTF-8")
    assert text_of(b"a" * (LARGEST_FILE + 1)) == ("", "too large")


def test_stages_that_are_no_texts_say_what_they_are() -> None:
    file, link = Stage("100644", "a"), Stage("120000", "b")
    assert stages_drop_reason(ThreeWay(None, file, file)) == "added, deleted or renamed on a side"
    assert stages_drop_reason(ThreeWay(file, file, link)) == "a symbolic link or submodule on a side"


def test_markers_are_seen_where_they_stand_alone() -> None:
    assert is_marked("a\n<<<<<<< x\n")
    assert is_marked("a\n>>>>>>>\r\n")
    assert not is_marked("cout <<<<<<<< x\n" + "=======\n")


def cut(body: str) -> str:
    return f"<<<<<<< ours\n{body}>>>>>>> theirs\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\n", "no conflict when cut by lines"),
        (cut("a\n||||||| base\n=======\nb\n"), None),
        (cut("a\n=======\nb\n"), "a line of code that reads as a marker"),
        (cut("a\n||||||| base\n=======\nb\n=======\n"), "a line of code that reads as a marker"),
        (cut("a\n||||||| base\n=======\nb\n") * 201, "too many conflicts"),
    ],
)
def test_cuts_that_are_not_mined(text: str, reason: str | None) -> None:
    assert conflicts_drop_reason(parse_line_merge(text)) == reason


def test_a_clean_file_has_no_conflict_and_no_markers() -> None:
    assert clean_drop_reason(parse_line_merge("a\n"), "a\n") is None
    assert clean_drop_reason(parse_line_merge("a\n"), "<<<<<<< x\n") == "conflict markers in the merge commit"
    assert (
        clean_drop_reason(parse_line_merge(cut("a\n||||||| base\n=======\nb\n")), "a\n")
        == "a conflict when cut by lines"
    )
