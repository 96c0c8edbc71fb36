from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mergebert import atomic
from mergebert.atomic import Draft, overwrite, replace_file, write_atomically


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_bytes(b"old")
    file.chmod(0o751)
    write_atomically(str(file), b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o751
    assert os.listdir(tmp_path) == ["script"]


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(str(tmp_path / "new"), b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomically(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def fail(output: int) -> None:
        os.write(output, b"half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(str(file), fail)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_process_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".mergebert-{os.getpid()}-0").write_bytes(b"half")
    write_atomically(str(tmp_path / "file"), b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("content", [b"", b"short", b"longer than it was"])
def test_a_file_is_overwritten_in_place(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"as it was")
    number = file.stat().st_ino
    overwrite(str(file), content)
    assert file.read_bytes() == content
    assert file.stat().st_ino == number


def test_what_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"as it was")
    real = atomic.write_all

    def full(descriptor: int, content: bytes) -> None:
        if b"more" in content:
            real(descriptor, content[:3])
            raise OSError(28, "No space left on device")
        real(descriptor, content)

    monkeypatch.setattr(atomic, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        overwrite(str(file), b"ASITWAS, and more of it")
    assert file.read_bytes() == b"as it was"


def test_a_disk_found_full_only_on_flushing_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"as it was")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        overwrite(str(file), b"ASITWAS, and more of it")
    assert file.read_bytes() == b"as it was"


def test_a_failure_in_the_middle_of_the_old_content_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs room was written already; the old bytes behind it must come back too."""
    file = tmp_path / "file"
    file.write_bytes(b"as it was")
    real = atomic.write_all

    def failing(descriptor: int, content: bytes) -> None:
        if content.startswith(b"ASITWAS"):
            real(descriptor, content[:5])
            raise OSError(5, "Input/output error")
        real(descriptor, content)

    monkeypatch.setattr(atomic, "write_all", failing)
    with pytest.raises(OSError, match="Input/output"):
        overwrite(str(file), b"ASITWAS, and more of it")
    assert file.read_bytes() == b"as it was"


def test_a_draft_takes_the_place_of_the_file_where_the_block_ends_well(tmp_path: Path) -> None:
    file = tmp_path / "figures.csv"
    file.write_bytes(b"old")
    with Draft(file) as draft:
        draft.write_bytes(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"

    with pytest.raises(ZeroDivisionError), Draft(file) as draft:
        draft.write_bytes(b"half")
        raise ZeroDivisionError
    assert (file.read_bytes(), os.listdir(tmp_path)) == (b"new", ["figures.csv"])
