from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mergebert.commands import review
from mergebert.commands.review import described, headline
from mergebert.driver import journal
from mergebert.driver.journal import (
    AppliedResolution,
    Entry,
    encoded,
    entries,
    find_entry,
    journal_folder,
    place_for,
    undo,
)
from mergebert.errors import InputError
from mergebert.text.threeway import ThreeWay

CONFLICT = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> topic\n"
CHANGE = AppliedResolution(1, CONFLICT, "theirs", "b", "lines", 0.974)


def entry(number: int = 0, path: str = "app.py") -> Entry:
    return Entry(
        id=f"{number:08x}",
        time=1_700_000_000 + number,
        path=path,
        conflicts=3,
        changes=(CHANGE,),
        stages=ThreeWay("base\n", "ours\n", "theirs\n"),
        line_merge=f"é\n{CONFLICT}",
        result="é\ntheirs\n",
    )


def store(one: Entry, folder: Path) -> Path:
    file = place_for(one, folder)
    file.write_bytes(encoded(one))
    return file


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    review.add_arguments(parser)
    return review.run(parser.parse_args(arguments))


@pytest.fixture
def merged(repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree with a file the driver resolved, and the entry for it; the current folder."""
    repository.write({"app.py": entry().result, "deep/here": ""})
    store(entry(0xABCD), journal_folder(repository.path))
    monkeypatch.chdir(repository.path / "deep")
    return repository.path / "app.py"


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    store(entry(1), tmp_path)
    assert list(entries(tmp_path)) == [entry(1)]
    assert find_entry("00000001", tmp_path) == entry(1)


def test_the_newest_are_kept_and_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT", 3)
    for number in (1, 2, 4, 3, 5):
        store(entry(number), tmp_path)
    assert [one.id for one in entries(tmp_path)] == ["00000005", "00000004", "00000003"]


def test_a_damaged_entry_is_left_out_of_the_list(tmp_path: Path) -> None:
    store(entry(1), tmp_path)
    store(entry(2), tmp_path).write_bytes(b'{"id": 1}')
    assert [one.id for one in entries(tmp_path)] == ["00000001"]
    with pytest.raises(InputError, match="damaged"):
        find_entry("00000002", tmp_path)


@pytest.mark.parametrize(("wanted", "reason"), [("", "several"), ("0000", "several"), ("ffff", "no entry")])
def test_an_entry_is_named_by_its_first_characters(tmp_path: Path, wanted: str, reason: str) -> None:
    store(entry(0x10000000), tmp_path)
    store(entry(1), tmp_path)
    store(entry(2), tmp_path)
    assert find_entry("1", tmp_path) == entry(0x10000000)
    with pytest.raises(InputError, match=reason):
        find_entry(wanted, tmp_path)


def test_outside_of_a_repository_entries_lie_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert journal_folder(tmp_path) == tmp_path / "state" / "mergebert"


def test_all_work_trees_of_a_repository_share_one_journal(repository, tmp_path: Path) -> None:
    repository.commit("first", {"a": "a\n"})
    repository.git("worktree", "add", "--quiet", str(tmp_path / "other"))
    assert journal_folder(tmp_path / "other") == journal_folder(repository.path)


def test_an_entry_is_shown_as_a_diff_with_its_confidence() -> None:
    shown = described(entry(0xABCD))
    assert headline(entry(0xABCD)).endswith("app.py  1 of 3 conflicts resolved")
    assert "conflict 2: b (lines), 97% sure\n--- conflict\n+++ resolution\n" in shown
    assert "\n-=======\n" in shown
    assert "+theirs\n\\ No newline at end of file\n" in shown
    assert shown.endswith("`mergebert review 0000abcd --undo` puts git's own conflict back.")


def test_undo_puts_the_conflict_back(merged: Path) -> None:
    assert undo("0000abcd", Path.cwd()) == merged
    assert merged.read_text(encoding="utf-8") == entry().line_merge


def test_undo_keeps_the_line_ends_of_the_work_tree(merged: Path) -> None:
    merged.write_bytes(entry().result.encode().replace(b"\n", b"\r\n"))
    undo("0000abcd", Path.cwd())
    assert merged.read_bytes() == entry().line_merge.encode().replace(b"\n", b"\r\n")


def test_undo_touches_nobodys_work(merged: Path) -> None:
    merged.write_text("mine\n", encoding="utf-8")
    with pytest.raises(InputError, match="has changed since"):
        undo("0000abcd", Path.cwd())
    assert merged.read_text(encoding="utf-8") == "mine\n"
    merged.unlink()
    with pytest.raises(InputError, match="not there any more"):
        undo("0000abcd", Path.cwd())


@pytest.mark.usefixtures("merged")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert capsys.readouterr().out == headline(entry(0xABCD)) + "\n"
    assert run("--json") == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["path"], len(listed["changes"])) == ("0000abcd", "app.py", 1)
    assert run("0000", "--json") == 0
    assert json.loads(capsys.readouterr().out)["line_merge"] == entry().line_merge
    assert run("0000") == 0
    assert "97% sure" in capsys.readouterr().out
    assert run("0000", "--undo") == 0
    assert capsys.readouterr().out.endswith("app.py holds git's own conflict again.\n")
    with pytest.raises(InputError, match="Name the entry"):
        run("--undo")


def test_an_empty_journal_says_so(repository, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(repository.path)
    assert run() == 0
    assert capsys.readouterr().out == "The driver has resolved nothing here yet.\n"
