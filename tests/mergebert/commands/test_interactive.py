from __future__ import annotations

import io
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mergebert.commands import solve
from mergebert.commands.interactive import NamedMerge, Terminal, ask, most_informative_first
from mergebert.commands.workfile import open_work_files
from mergebert.ranking.open_merge import OpenMerge
from mergebert.ranking.resolution import RankedConflict, Resolution
from mergebert.settings import Settings
from tests.mergebert.fake_resolver import FakeResolver


def conflict(name: str) -> str:
    return f"<<<<<<< HEAD\nours {name}\n||||||| base\nold {name}\n=======\ntheirs {name}\n>>>>>>> topic\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files: three conflicts in the first, one in the second."""
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("".join(f"between\n{conflict(str(number))}" for number in range(3)))
    second.write_text(conflict("alone"))
    return [first, second]


def named_merge(files: list[Path], resolver: FakeResolver | None = None) -> NamedMerge:
    found, refused = next(open_work_files(files))
    assert not refused
    return NamedMerge(OpenMerge([file.text for file in found], resolver or FakeResolver(), 0.05), files)


def talk(files: list[Path], typed: str, resolver: FakeResolver | None = None):
    """The texts chosen by somebody who types this, and all that was said."""
    target = io.StringIO()
    return dict(ask(named_merge(files, resolver), Terminal(io.StringIO(typed), target))), target.getvalue()


def test_every_key_takes_its_text(files: list[Path]) -> None:
    chosen, _ = talk(files, "o\nt\nb\nB\n\n")
    assert chosen == {
        (0, 0): "ours 0\n",
        (0, 1): "theirs 1\n",
        (0, 2): "ours 2\ntheirs 2\n",
        (1, 0): "theirs alone\nours alone\n",
    }


def test_a_number_takes_that_candidate(files: list[Path]) -> None:
    chosen, shown = talk(files, "3\nq\n")
    assert chosen == {(0, 0): "ours 0\ntheirs 0\n"}
    assert "[1] 60 %  b (lines)\n    | theirs 0\n" in shown


def test_labels_and_what_each_side_did_are_shown(files: list[Path]) -> None:
    _, shown = talk(files, "q\n")
    assert "-- ours (HEAD)\n-old 0\n+ours 0\n-- theirs (topic)" in shown
    assert "o HEAD, t topic" in shown
    assert "4 of 4 conflicts left to answer" in shown
    assert "yours" not in shown
    assert "\x1b" not in shown


def test_a_base_that_is_a_conflict_itself_is_not_shown(tmp_path: Path) -> None:
    inner = "<<<<<<<<< branch 1\na\n=========\nb\n>>>>>>>>> branch 2\n"
    file = tmp_path / "a.py"
    file.write_text(conflict("x").replace("old x\n", inner))
    _, shown = talk([file], "q\n")
    assert "-- ours (HEAD)\nours x\n-- theirs (topic)\ntheirs x\n[1]" in shown


def test_the_rest_is_ranked_anew_after_an_answer(files: list[Path]) -> None:
    resolver = FakeResolver(sure_after_ours=("ours 1",))
    chosen, shown = talk(files, "o\nq\n", resolver)

    assert chosen == {(0, 0): "ours 0\n"}
    assert [answers for _, answers in resolver.calls] == [{}, {(0, 0): "ours 0\n"}]
    assert "first.py:10 is now sure: a (lines), 97 %" in shown
    assert "2 of 4 conflicts left to answer" in shown
    assert shown.rindex("[1] 60 %  a (lines)") > shown.rindex("[1] 60 %  b (lines)")


def test_what_became_sure_is_written_too(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("o\nq\n"))
    parser = ArgumentParser()
    solve.add_arguments(parser)
    resolver = FakeResolver(sure_after_ours=("ours 1",))

    reports = list(solve.solve(parser.parse_args(["-i", *map(str, files)]), Settings(), lambda: resolver))

    expected = f"between\nours 0\nbetween\nours 1\nbetween\n{conflict('2')}"
    assert files[0].read_text() == expected
    assert files[1].read_text() == conflict("alone")
    assert [report.left for report in reports] == [1, 1]


def test_undo_takes_back_what_followed_from_an_answer(files: list[Path]) -> None:
    resolver = FakeResolver(sure_after_ours=("ours",))
    chosen, shown = talk(files, "o\nu\nt\nq\n", resolver)

    assert chosen == {(0, 0): "theirs 0\n"}
    assert "Nothing is left to ask." in shown
    assert "Taken back." in shown


def test_undo_of_a_skip_and_of_nothing(files: list[Path]) -> None:
    chosen, shown = talk(files, "u\ns\nu\no\nq\n")
    assert chosen == {(0, 0): "ours 0\n"}
    assert "There is nothing to take back." in shown


def test_skipped_conflicts_are_not_asked_again(files: list[Path]) -> None:
    chosen, shown = talk(files, "s\ns\ns\ns\n\n")
    assert chosen == {}
    assert shown.count("== ") == 4


def test_the_end_of_input_keeps_what_is_done(files: list[Path]) -> None:
    chosen, _ = talk(files, "o\n")
    assert chosen == {(0, 0): "ours 0\n"}


@pytest.mark.parametrize("typed", ["x", "0", "7", "99", "", "oo", "²"])
def test_other_keys_are_explained_and_choose_nothing(typed: str, files: list[Path]) -> None:
    chosen, shown = talk(files, f"{typed}\n?\nq\n")
    assert chosen == {}
    assert "none of the keys" in shown
    assert "take theirs, then ours" in shown


def test_nothing_is_asked_when_everything_is_sure(files: list[Path]) -> None:
    chosen, shown = talk(files, "", FakeResolver(sure=("theirs",)))
    assert (chosen, shown) == ({}, "")


def test_a_conflict_without_base_shows_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> topic\n")
    chosen, shown = talk([file], "o\n\n", FakeResolver(sure=("theirs",)))
    assert chosen == {(0, 0): "ours\n"}
    assert "-- ours (HEAD)\nours\n-- theirs (topic)\ntheirs\n" in shown


def test_text_that_would_steer_the_terminal_is_written_out(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(conflict("\x1b[2J\u202e"))
    _, shown = talk([file], "q\n")
    assert "\x1b" not in shown
    assert "ours \\x1b[2J\\u202e" in shown


def editor(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"'{program}'")


def test_an_editor_answers(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(tmp_path, monkeypatch, 'grep -q "ours 0" "$1" && echo "by hand" > "$1"')
    chosen, _ = talk(files, "e\nq\n")
    assert chosen == {(0, 0): "by hand\n"}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "Nothing was chosen."),
        ("exit 3", "The editor failed"),
        ('sed -i s/ours/mine/ "$1"', "still conflict markers"),
    ],
)
def test_an_editor_that_answers_nothing(
    script: str, said: str, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, monkeypatch, script)
    chosen, shown = talk(files, "e\nq\n")
    assert chosen == {}
    assert said in shown


@pytest.mark.parametrize("command", ["/no/such/editor", "'torn quote"])
def test_an_editor_that_cannot_start(
    command: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", command)
    chosen, shown = talk(files, "e\nq\n")
    assert chosen == {}
    assert "$VISUAL" in shown


def test_colour_only_on_a_terminal_that_wants_it(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown() -> str:
        screen = Screen()
        ask(named_merge(files), Terminal(io.StringIO("q\n"), screen))
        return screen.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[31m-old 0\x1b[0m" in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown()


def test_doubt_in_a_file_with_much_left_is_asked_first(files: list[Path]) -> None:
    merge = named_merge(files)

    def ranked(key, *confidences: float) -> RankedConflict:
        texts = [Resolution(str(at), "a", "lines", share) for at, share in enumerate(confidences)]
        return RankedConflict(merge.conflict(key).conflict, tuple(texts))

    offers = {
        (0, 0): ranked((0, 0), 0.9, 0.05),
        (0, 1): ranked((0, 1), 0.5, 0.5),
        (0, 2): ranked((0, 2), 0.8, 0.9),
        (1, 0): ranked((1, 0), 0.3, 0.3, 0.3),
    }
    assert most_informative_first(list(offers), offers) == [(0, 1), (0, 2), (1, 0), (0, 0)]


OLD = "# Changes\n\n* old entry\n"
CATS, DOGS = (f"# Changes\n\n* {animal}\n* Old entry.\n" for animal in ("cats", "dogs"))


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("end", ["", "\nend\n"], ids=["at the end", "in the middle"])
@pytest.mark.parametrize(("key", "first", "second"), [("b", "cats", "dogs"), ("B", "dogs", "cats")])
def test_both_never_repeats_lines_outside_the_markers(
    style: str, end: str, key: str, first: str, second: str, repository
) -> None:
    repository.diverge({"a.md": OLD + end}, {"a.md": CATS + end}, {"a.md": DOGS + end})
    repository.run("-c", f"merge.conflictStyle={style}", "merge", "theirs")
    path = repository.path / "a.md"
    marked = path.read_text()

    [file], _ = next(open_work_files([path]))
    [chosen] = talk([path], f"{key}\n\n")[0].values()
    text, applied = file.text.resolved({0: chosen})

    shared = "* Old entry.\n" * (2 if style == "diff3" else 1)  # which shows it inside, on either side
    assert marked.count("* Old entry.") == shared.count("\n")
    entries = f"* {first}\n* {second}\n" if style != "diff3" else f"* {first}\n* Old entry.\n* {second}\n"
    assert text == f"# Changes\n\n{entries}* Old entry.\n{end}"
    assert applied


def test_no_candidate_repeats_lines_outside_the_markers(repository) -> None:
    repository.diverge({"a.md": OLD}, {"a.md": CATS}, {"a.md": DOGS})
    repository.run("-c", "merge.conflictStyle=zdiff3", "merge", "theirs")
    resolver = FakeResolver(sure=("* cats\n* Old entry.\n* dogs\n* Old entry.\n",))
    [offer] = named_merge([repository.path / "a.md"], resolver).offers({}).values()
    assert all(one.text.count("Old entry.") <= 1 for one in offer.resolutions)
    assert not offer.accepted


MANUAL = "Manual\n######\n\n{}End.\n"
SCRAPER = "Scraper\n=======\n\nReads pages.\n\n"


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize("key", ["o", "t"])
def test_the_underline_of_a_heading_on_one_side_is_no_separator(
    style: str, is_swapped: bool, key: str, repository
) -> None:
    sides = [MANUAL.format(SCRAPER), MANUAL.format("See the notes.\n\n")][:: -1 if is_swapped else 1]
    repository.diverge({"a.rst": MANUAL.format("")}, *({"a.rst": side} for side in sides))
    repository.run("-c", f"merge.conflictStyle={style}", "merge", "theirs")
    path = repository.path / "a.rst"
    [file], _ = next(open_work_files([path]))
    text, _ = file.text.resolved(dict(enumerate(talk([path], f"{key}\n\n")[0].values())))
    assert text == sides["ot".index(key)]
