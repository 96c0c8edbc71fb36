from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mergebert import atomic
from mergebert.atomic import Draft, inner_place, overwrite, refuse_links, replace_file, write_atomically


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
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(str(file), b"new", fail)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


needs_attributes = pytest.mark.skipif(
    not hasattr(os, "setxattr"), reason="Python reaches those of Linux only"
)
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may")


def merged_by_git(folder: Path) -> Path:
    """A file that `git merge-file` has just written a merge into, and was once like `file`."""
    for name, content in (("base", b"a\n"), ("theirs", b"b\n")):
        (folder / name).write_bytes(content)
    subprocess.run(["git", "merge-file", "by_git", "base", "theirs"], cwd=folder, check=True)
    return folder / "by_git"


def test_hard_links_stay_linked_as_git_leaves_them(tmp_path: Path) -> None:
    for name in ("file", "by_git"):
        (tmp_path / name).write_bytes(b"a\n")
        os.link(tmp_path / name, tmp_path / f"{name}_link")
    write_atomically(str(tmp_path / "file"), b"b\n")
    assert (tmp_path / "file").samefile(tmp_path / "file_link")
    assert merged_by_git(tmp_path).samefile(tmp_path / "by_git_link")
    assert (tmp_path / "file_link").read_bytes() == (tmp_path / "by_git_link").read_bytes() == b"b\n"


@needs_attributes
@needs_root
def test_attributes_owner_and_mode_end_as_git_leaves_them(tmp_path: Path) -> None:
    for name in ("file", "by_git"):
        file = tmp_path / name
        file.write_bytes(b"a\n")
        os.chown(file, 1234, 2345)
        file.chmod(0o6751)
        os.setxattr(file, "user.note", b"kept")
        os.setxattr(file, "security.capability", bytes.fromhex("0100000200200000" + "00" * 12))
    number = (tmp_path / "file").stat().st_ino
    write_atomically(str(tmp_path / "file"), b"b\n")
    by_git, ours = merged_by_git(tmp_path), tmp_path / "file"
    assert ours.stat().st_ino != number  # in one step
    assert (
        (ours.stat().st_uid, ours.stat().st_gid)
        == (by_git.stat().st_uid, by_git.stat().st_gid)
        == (1234, 2345)
    )
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(by_git.stat().st_mode)
    assert os.listxattr(ours) == os.listxattr(by_git) == ["user.note"]
    assert os.getxattr(ours, "user.note") == b"kept"


@needs_root
@pytest.mark.parametrize("content", [b"b\n", b""])
def test_setuid_bits_go_where_the_writer_is_not_root(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a\n")
    os.chown(tmp_path, 65534, 65534)
    os.chown(file, 65534, 65534)
    file.chmod(0o6755)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(tmp_path)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            replace_file("file", content)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert file.read_bytes() == content
    assert stat.S_IMODE(file.stat().st_mode) == 0o755  # as after `git merge-file`


def test_a_file_whose_owner_may_not_be_given_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    number = file.stat().st_ino
    real = os.lstat

    def of_another(path: str) -> os.stat_result:
        found = list(real(path))
        found[stat.ST_UID] += 1
        return os.stat_result(found)

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "lstat", of_another)
    monkeypatch.setattr(os, "fchown", refused)
    write_atomically(str(file), b"new, and longer")
    assert (file.read_bytes(), file.stat().st_ino) == (b"new, and longer", number)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("write", [replace_file, overwrite])
def test_nothing_is_written_through_a_link_or_into_what_is_no_file(
    tmp_path: Path, write: Callable[[str, bytes], None]
) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic link"):
        write(str(tmp_path / "link"), b"new")
    with pytest.raises(OSError, match="not a regular file"):
        write(str(tmp_path / "pipe"), b"new")
    assert (tmp_path / "real").read_bytes() == b"old"


def test_links_are_followed_inside_a_repository_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("repository/.git", "repository/src", "outside"):
        (tmp_path / folder).mkdir(parents=True)
    for link, target in (
        ("to_repository", "repository"),
        ("outside/loose", "../repository/src/file"),
        ("repository/out", "../outside"),
        ("repository/inner", "src"),
        ("repository/file", "src/file"),
        ("repository/far", "../outside/file"),
    ):
        (tmp_path / link).symlink_to(target)
    monkeypatch.chdir(tmp_path / "repository")
    for path in ("src/a", "inner/a", "a", str(tmp_path / "to_repository/src/a"), str(tmp_path / "a")):
        refuse_links(path)
    assert inner_place("file") == str(tmp_path / "repository/src/file")
    for path in (
        "out/a",
        "out/../a",
        str(tmp_path / "to_repository/out/a"),
        "far",
        str(tmp_path / "outside/loose"),
    ):
        with pytest.raises(OSError, match="symbolic link"):
            inner_place(path)
    with pytest.raises(OSError, match="symbolic link"):
        refuse_links("file")


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


@pytest.fixture
def old_file(tmp_path: Path) -> Iterator[Path]:
    """A file of long ago, which has to be as it was, its time too: by a newer one git's line knows a result."""
    file = tmp_path / "file"
    file.write_bytes(b"as it was")
    os.utime(file, ns=(10**18, 10**18))
    yield file
    assert file.read_bytes() == b"as it was"
    assert file.stat().st_mtime_ns == 10**18


def test_what_does_not_fit_leaves_the_file_as_it_was(old_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = atomic.write_all

    def full(descriptor: int, content: bytes) -> None:
        if b"more" in content:
            real(descriptor, content[:3])
            raise OSError(28, "No space left on device")
        real(descriptor, content)

    monkeypatch.setattr(atomic, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        overwrite(str(old_file), b"ASITWAS, and more of it")


def test_a_disk_found_full_only_on_flushing_leaves_the_file_as_it_was(
    old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        overwrite(str(old_file), b"ASITWAS, and more of it")


def test_a_failure_in_the_middle_of_the_old_content_is_taken_back(
    old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs room was written already; the old bytes behind it must come back too."""
    real = atomic.write_all

    def failing(descriptor: int, content: bytes) -> None:
        if content.startswith(b"ASITWAS"):
            real(descriptor, content[:5])
            raise OSError(5, "Input/output error")
        real(descriptor, content)

    monkeypatch.setattr(atomic, "write_all", failing)
    with pytest.raises(OSError, match="Input/output"):
        overwrite(str(old_file), b"ASITWAS, and more of it")


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


def test_a_draft_takes_the_place_of_a_regular_file_alone(tmp_path: Path) -> None:
    """As root it would otherwise put a file in the place of a device."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(OSError, match="not a regular file"), Draft(path) as draft:
            draft.write_text("new")
    assert pipe.is_fifo()
    link.symlink_to(file)
    with Draft(link) as draft:
        draft.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"
