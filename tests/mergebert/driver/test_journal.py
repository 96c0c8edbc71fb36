from __future__ import annotations

import contextlib
import json
import os
import socket
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert.commands import review
from mergebert.commands.review import described, headline
from mergebert.commands.workfile import read_work_file
from mergebert.driver import journal
from mergebert.driver.journal import (
    DRIVER,
    AppliedResolution,
    Entry,
    encoded,
    entries,
    find_entry,
    journal_folder,
    write_entry,
)
from mergebert.errors import InputError, MergebertError
from mergebert.git.operation import Operation, noted_operation
from mergebert.text.threeway import ThreeWay

CONFLICT = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> topic\n"
SIDES = ThreeWay("", "ours\n", "theirs\n")
CHANGE = AppliedResolution(1, SIDES, CONFLICT, "theirs", "b", "lines", 0.974)


def entry(number: int = 0, path: str = "app.py") -> Entry:
    return Entry(
        id=f"{number:08x}",
        time=1_700_000_000 + number,
        by=DRIVER,
        operation=Operation("merge", "1" * 40, ("2" * 40,)),
        work_tree="/work/tree",
        path=path,
        conflicts=3,
        changes=(CHANGE,),
        stages=ThreeWay("base\n", "ours\n", "theirs\n"),
        strategy=("diff-algorithm=histogram",),
        marker_size=7,
        line_merge=f"é\n{CONFLICT}",
        result="é\ntheirs\n",
    )


def store(one: Entry, folder: Path) -> Path:
    write_entry(one, folder)
    return find_entry(one.id, folder)[1]


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    review.add_arguments(parser)
    return review.run(parser.parse_args(arguments))


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    names = entry(1, "caf\udce9/\x1b[31m.py"), replace(entry(2), stages=None)
    for one in names:
        store(one, tmp_path)
    assert list(entries(tmp_path)) == [names[1], names[0]]
    assert list(entries(tmp_path, names[0].path)) == [names[0]]
    assert find_entry("00000001", tmp_path)[0] == names[0]


def test_the_newest_are_kept_and_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT", 3)
    for number in (1, 2, 4, 3, 5):
        store(replace(entry(number), operation=Operation("merge", str(number))), tmp_path)
    assert [one.id for one in entries(tmp_path)] == ["00000005", "00000004", "00000003"]


def test_those_of_an_operation_that_goes_on_stay(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT", 3)
    folder = journal_folder(repository.path)
    repository.diverge({"a": "a\n"}, {"a": "ours\n"}, {"a": "theirs\n"})
    head, theirs = repository.git("rev-parse", "HEAD", "theirs").split()
    here = Operation("merge", head, (theirs,))
    for number in range(1, 6):
        store(replace(entry(number), operation=here, work_tree=str(repository.path)), folder)
    assert len(list(entries(folder))) == 5  # of the merge that is being made
    repository.run("merge", "theirs")
    others = [replace(entry(number), operation=Operation("merge", str(number))) for number in range(6, 11)]
    for one in others[:-1]:
        store(one, folder)
    assert [one.id for one in entries(folder)][-5:] == [f"{number:08x}" for number in (5, 4, 3, 2, 1)]
    repository.git("merge", "--abort")
    store(others[-1], folder)
    assert list(entries(folder)) == others[:1:-1]


def test_all_entries_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = replace(entry(9), result="x" * 1000)
    monkeypatch.setattr(journal, "LIMIT", len(encoded(large)) + 2 * len(encoded(entry(1))))
    for one in (entry(1), entry(2), entry(3), large):
        store(one, tmp_path)
    assert [one.id for one in entries(tmp_path)] == ["00000009", "00000003", "00000002"]
    with pytest.raises(OSError, match="too large"):
        store(replace(entry(4), result="x" * 3000), tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: b'{"id": 1}',
        lambda fields: b"\0" * 100,
        lambda fields: json.dumps({**fields, "path": None}).encode(),
        lambda fields: json.dumps({**fields, "time": "then"}).encode(),
        lambda fields: json.dumps({**fields, "changes": [1]}).encode(),
        lambda fields: json.dumps({**fields, "operation": None}).encode(),
        lambda fields: b"[" * 200_000,
        lambda fields: json.dumps(fields).encode()[:-1] + b', "more": ' + b"[" * 200_000,
        lambda fields: json.dumps({**fields, "time": float("inf")}).encode(),
        lambda fields: json.dumps({**fields, "time": float("nan")}).encode(),
        lambda fields: json.dumps({**fields, "time": 1e30}).encode(),
        lambda fields: json.dumps({**fields, "time": 10**400}).encode(),
        lambda fields: json.dumps({**fields, "changes": [{**fields["changes"][0], "index": "x"}]}).encode(),
        lambda fields: json.dumps({**fields, "marker_size": 10**9}).encode(),
        lambda fields: json.dumps({**fields, "line_merge": "\ud800"}).encode(),
        lambda fields: json.dumps({**fields, "work_tree": "/a\0b"}).encode(),
        lambda fields: json.dumps({**fields, "work_tree": "."}).encode(),
        lambda fields: json.dumps({**fields, "path": "../victim"}).encode(),
        lambda fields: json.dumps({**fields, "path": "/victim"}).encode(),
        lambda fields: json.dumps({**fields, "path": "a/.GIT/config"}).encode(),
        lambda fields: json.dumps(
            {**fields, "operation": {**fields["operation"], "head": "--output=x"}}
        ).encode(),
    ],
)
def test_a_damaged_entry_is_said_and_left_out(
    damage: Callable[[dict], bytes], repository, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.path)
    folder = journal_folder(repository.path)
    store(entry(1), folder)
    file = store(entry(2), folder)
    file.write_bytes(damage(json.loads(file.read_bytes())))
    assert run() == 0
    shown = capsys.readouterr()
    assert shown.out == headline(entry(1)) + "\n"
    assert shown.err == f"mergebert review: {file} is damaged; delete it.\n"
    with pytest.raises(InputError, match="damaged"):
        find_entry("00000002", folder)


def listen(path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX) as one,
        contextlib.chdir(path.parent),
    ):  # a longer name is none for a socket
        one.bind(path.name)


def stretch(path: Path) -> None:
    """A gigabyte of nothing, which takes no room on the disk."""
    path.touch()
    os.truncate(path, 1_000_000_000)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": listen,
    "a link to a device": lambda path: path.symlink_to(os.devnull),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a gigabyte": stretch,
    "brackets": lambda path: path.write_bytes(b"[" * 200_000),
}
unreadable = pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)


@unreadable
def test_what_is_no_file_of_a_usual_size_is_said_and_left_out(
    make: Callable[[Path], object], merging, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = journal_folder(merging.path)
    folder.mkdir(exist_ok=True)
    file = folder / f"{1:017d}-{journal._path_hash('app.py')}-aaaaaaaa.json"
    make(file)
    said = f"{file} is damaged; delete it.\n"
    assert run() == 0
    assert capsys.readouterr().err == f"mergebert review: {said}"
    for arguments in (["aaaaaaaa"], ["aaaaaaaa", "--undo"]):
        with pytest.raises(InputError, match=r"cannot be read|damaged"):
            run(*arguments)
    assert read_work_file(merging.path / "app.py").text.own == frozenset()
    assert capsys.readouterr().err == f"mergebert: {said}"


@unreadable
def test_nor_does_it_keep_entries_from_being_noted(
    make: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "KEPT", 1)
    make(tmp_path / f"{1:017d}-{journal._path_hash('app.py')}-{'a' * 8}-{'a' * 8}.json")
    store(entry(1), tmp_path)
    assert [one for one in entries(tmp_path) if isinstance(one, Entry)] == [entry(1)]


def test_no_more_is_read_than_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 6):
        store(entry(number), tmp_path)
    monkeypatch.setattr(journal, "LIMIT", 2 * len(encoded(entry(1))))
    assert list(entries(tmp_path)) == [entry(5), entry(4)]


@pytest.mark.parametrize("name", ["MERGE_HEAD", "MERGE_MSG", "SQUASH_MSG"])
def test_a_pipe_among_the_notes_of_git_is_not_waited_for(name: str, merging) -> None:
    note = merging.path / ".git" / name
    note.unlink(missing_ok=True)
    os.mkfifo(note)
    store(replace(entry(1), work_tree=str(merging.path)), journal_folder(merging.path))
    assert read_work_file(merging.path / "app.py").text.open_conflicts


@pytest.fixture
def merging(conflicted_repository, monkeypatch: pytest.MonkeyPatch):
    """A repository in the middle of a merge with a conflict in `app.py`."""
    conflicted_repository.run("merge", "theirs")
    monkeypatch.chdir(conflicted_repository.path)
    return conflicted_repository


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_an_entry_is_a_sentence(data: st.DataObject, merging) -> None:
    here = noted_operation(merging.path)
    one = replace(
        entry(1), work_tree=str(merging.path), operation=here, line_merge=merging.read("app.py").decode()
    )
    file = store(one, journal_folder(merging.path))
    fields = json.loads(file.read_bytes())
    place = data.draw(st.sampled_from(list(places(fields))))
    inner = fields
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = data.draw(JSON)
    file.write_bytes(json.dumps(fields).encode())
    assert read_work_file(merging.path / "app.py").text.open_conflicts
    for arguments in (
        [],
        ["--json"],
        ["00000001"],
        ["00000001", "--undo", "--conflict", "2"],
        ["00000001", "--undo"],
    ):
        with contextlib.suppress(MergebertError):
            run(*arguments)
    file.unlink()
    merging.git("checkout", "--merge", "app.py")


_HOSTILE = [None, 1e400, -1, 10**400, "", "\0", "\ud800", "../x", [], {}, [[]], True, "x" * 1000]


def test_whatever_stands_in_an_entry_is_a_sentence(
    repository, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every value of an entry in turn, however deep, replaced by what is not meant to be there."""
    monkeypatch.chdir(repository.path)
    folder = journal_folder(repository.path)
    file = store(replace(entry(1), work_tree=str(repository.path)), folder)
    fields = json.loads(file.read_bytes())
    for place in places(fields):
        for value in _HOSTILE:
            damaged = json.loads(json.dumps(fields))
            inner = damaged
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            file.write_bytes(json.dumps(damaged).encode())
            for arguments in ([], ["--json"], ["00000001"], ["00000001", "--json"], ["00000001", "--undo"]):
                with contextlib.suppress(MergebertError):
                    run(*arguments)
            shown = capsys.readouterr()
            assert "\0" not in shown.out + shown.err


def places(value: object) -> Iterator[tuple]:
    """The keys that lead to every value in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (key,)
        yield from ((key, *rest) for rest in places(one))


@pytest.mark.parametrize(("wanted", "reason"), [("", "several"), ("0000", "several"), ("ffff", "no entry")])
def test_an_entry_is_named_by_its_first_characters(tmp_path: Path, wanted: str, reason: str) -> None:
    store(entry(0x10000000), tmp_path)
    store(entry(1), tmp_path)
    store(entry(2), tmp_path)
    assert find_entry("1", tmp_path)[0] == entry(0x10000000)
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


def test_a_conflict_of_thousands_of_lines_is_not_compared() -> None:
    """It would take minutes and gigabytes."""
    long = replace(CHANGE, before="a\n" * 2001, after="b\n" * 2001)
    assert "\n(more than 2000 lines: too many to compare here)\n" in described(
        replace(entry(1), changes=(long,))
    )


def test_nothing_in_an_entry_steers_the_terminal() -> None:
    steering = AppliedResolution(0, SIDES, "\x1b[31m\n", "\x07", "\x1b", "\x9b", 0.5)
    shown = described(replace(entry(1, "a\x1b]0;x.py"), changes=(steering,)))
    assert not [
        letter for letter in shown if (ord(letter) < 32 and letter != "\n") or 127 <= ord(letter) < 160
    ]
    assert "a\\x1b]0;x.py" in shown


def test_the_command(repository, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write({"deep/here": ""})
    store(entry(0xABCD), journal_folder(repository.path))
    monkeypatch.chdir(repository.path / "deep")
    assert run() == 0
    assert capsys.readouterr().out == headline(entry(0xABCD)) + "\n"
    assert run("--json") == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["path"], len(listed["changes"])) == ("0000abcd", "app.py", 1)
    assert run("0000", "--json") == 0
    assert json.loads(capsys.readouterr().out)["line_merge"] == entry().line_merge
    assert run("0000") == 0
    assert "97% sure" in capsys.readouterr().out
    with pytest.raises(InputError, match="Name the entry"):
        run("--undo")
    with pytest.raises(InputError, match="add --undo"):
        run("0000", "--conflict", "1")


def test_an_empty_journal_says_so(repository, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(repository.path)
    assert run() == 0
    assert capsys.readouterr().out == "mergebert has resolved nothing here yet.\n"
