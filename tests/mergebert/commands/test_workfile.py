from __future__ import annotations

import os
from pathlib import Path

import pytest

from mergebert.commands.workfile import open_work_files, write_work_file
from mergebert.ranking.open_merge import OpenMerge
from mergebert.text.markers import MOST_CONFLICTS
from tests.mergebert.fake_resolver import FakeResolver

TEXT = "<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n"


def told(path: Path) -> str:
    """The path a resolver is told for the file at `path`."""
    files, refused = next(open_work_files([path]))
    assert not refused
    resolver = FakeResolver()
    OpenMerge([file.text for file in files], resolver, 0.05).offers({})
    [[[file], _]] = resolver.calls
    return file.path


def test_a_resolver_is_told_the_path_in_the_repository(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository.path / "src" / "main"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(TEXT)

    monkeypatch.chdir(folder)
    assert told(Path("app.py")) == "src/main/app.py"
    assert told(folder / "app.py") == "src/main/app.py"


def test_outside_of_a_repository_folders_of_the_machine_stay_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "app.py").write_text(TEXT)
    monkeypatch.chdir(tmp_path)

    assert told(tmp_path / "spec" / "app.py") == "app.py"
    assert told(Path("spec/app.py")) == "spec/app.py"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "UTF-32"),
    ],
)
def test_wide_text_is_named_and_what_to_do_with_it(encoding: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("Grüße\r\n".encode(encoding))
    _, refused = next(open_work_files([file]))
    said = str(refused[file])
    assert said.startswith(
        f"{file} is {name}, which git merges as binary: convert all three versions to UTF-8"
    )
    assert f"iconv -f {name} -t UTF-8" in said


def test_text_that_git_keeps_as_utf8_is_edited_where_it_stands(repository) -> None:
    repository.write({".gitattributes": "*.txt working-tree-encoding=UTF-16\n"})
    file = repository.path / "a.txt"
    file.write_bytes("a\n<<<<<<< HEAD\n".encode("utf-16"))
    _, refused = next(open_work_files([file]))
    assert str(refused[file]).startswith(f"{file} is UTF-16, as its `working-tree-encoding` asks: resolve")


@pytest.mark.parametrize(
    "content", [b"\x89PNG\0\0\0\rIHDR\0\0", b"\0", b"\0" * 64, b"\xff\xfe\0", b"a\0b\0c"]
)
def test_other_bytes_are_binary(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    _, refused = next(open_work_files([tmp_path / "a"]))
    assert "is binary" in str(refused[tmp_path / "a"])


def test_a_file_that_nobody_wrote_by_hand_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as sparse:
        sparse.truncate(10_000_001)
    _, refused = next(open_work_files([tmp_path / "a"]))
    assert "has more than 10 MB" in str(refused[tmp_path / "a"])


@pytest.mark.parametrize("fixture", [TEXT, "<<<<<<< a\nx\n", ">>>>>>> b\n", TEXT + "<<<<<<< a\n"])
def test_fixtures_with_markers_of_another_length_are_left_alone(fixture: str, repository) -> None:
    repository.commit("attributes", {".gitattributes": "*.py conflict-marker-size=15\n"})
    texts = [f"{fixture}\na = {number}\n\n{fixture}" for number in range(3)]
    repository.diverge(*({"a.py": text} for text in texts))
    repository.run("merge", "theirs")

    [file], refused = next(open_work_files([repository.path / "a.py"]))

    assert not refused
    assert [one.conflict.sides.ours for one in file.text.open_conflicts] == ["a = 1\n"]
    assert file.text.resolved({0: "a = 1\n"})[0] == texts[1]


def test_names_that_are_not_utf_8_are_names(repository) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    repository.diverge(*({name: f"a = {number}\n"} for number in range(3)))
    repository.run("merge", "theirs")
    [file], _ = next(open_work_files([repository.path / name]))
    assert file.text.path == name
    assert [one.conflict.sides.base for one in file.text.open_conflicts] == ["a = 0\n"]
    assert write_work_file(file, "a = 3\n")
    assert repository.read(name) == b"a = 3\n"


@pytest.mark.parametrize("size", [7, 20])
def test_a_file_of_countless_conflicts_is_refused(size: int, tmp_path: Path) -> None:
    conflict = "".join(mark * size + "\n" for mark in "<=>")
    (tmp_path / "a").write_text("x\n" + conflict * (MOST_CONFLICTS + 1))
    files, refused = next(open_work_files([tmp_path / "a"]))
    assert not files
    assert (
        str(refused[tmp_path / "a"]) == f"{tmp_path / 'a'} has more than 10000 conflicts; resolve it by hand."
    )


def test_a_refusal_holds_on_to_nothing_that_was_read(tmp_path: Path) -> None:
    for name, content in (("binary", b"\0"), ("latin", b"\xe9"), ("torn", b"<<<<<<< a\n")):
        (tmp_path / name).write_bytes(content)
    _, refused = next(open_work_files([*tmp_path.iterdir(), tmp_path / "none"]))
    assert len(refused) == 4
    assert all(one.__traceback__ is one.__cause__ is one.__context__ is None for one in refused.values())
