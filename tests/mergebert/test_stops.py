from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert import atomic
from mergebert.git import blob_merge, byte_merge
from mergebert.git.command import lean_result
from mergebert.git.merge_options import MergeOptions
from mergebert.stops import StopsHeldBack

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows can hold back no signal")
TEXTS = (b"a\nb\nc\n", b"a\nours\nc\n", b"a\ntheirs\nc\n")
stops = pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])


def signal_that_ends(act: Callable[[], object], stop: int) -> int:
    """The signal that ended a process that does this, 0 where it came to its end."""
    child = os.fork()
    if not child:
        try:
            signal.signal(stop, signal.SIG_DFL)
            act()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files; nothing else lies there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@stops
def test_a_stop_comes_when_the_block_has_ended(stop: int, tmp_path: Path) -> None:
    def act() -> None:
        with StopsHeldBack():
            os.kill(os.getpid(), stop)
            (tmp_path / "inside").touch()
        (tmp_path / "behind").touch()

    assert signal_that_ends(act, stop) == stop
    assert os.listdir(tmp_path) == ["inside"]


@stops
def test_what_is_started_meanwhile_can_be_stopped(stop: int) -> None:
    with StopsHeldBack():
        code, _ = lean_result(["sh", "-c", f"kill -{int(stop)} $$; sleep 60"])
    assert code == 256 - stop


@stops
def test_a_merge_that_is_stopped_leaves_no_folder(
    stop: int, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lean_result

    def stopped(*arguments: object) -> tuple[int, bytes]:
        assert len(os.listdir(temporary)) == 1
        os.kill(os.getpid(), stop)
        return real(*arguments)

    for module in (blob_merge, byte_merge):
        monkeypatch.setattr(module, "lean_result", stopped)
    assert signal_that_ends(lambda: blob_merge.blob_merge(TEXTS, 7, MergeOptions()), stop) == stop
    assert signal_that_ends(lambda: byte_merge.byte_merge(TEXTS, MergeOptions()), stop) == stop
    assert os.listdir(temporary) == []


@stops
@pytest.mark.parametrize("links", [1, 2])
def test_a_file_is_replaced_whole_before_a_stop(
    stop: int, links: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, real = tmp_path / "file", atomic.write_all
    file.write_bytes(b"old")
    if links == 2:
        (tmp_path / "link").hardlink_to(file)

    def stopped(descriptor: int, content: bytes) -> None:
        real(descriptor, content[:1])
        os.kill(os.getpid(), stop)
        real(descriptor, content[1:])

    monkeypatch.setattr(atomic, "write_all", stopped)
    for write in (atomic.replace_file, atomic.overwrite):
        assert signal_that_ends(lambda write=write: write(str(file), b"new, and longer"), stop) == stop
        assert file.read_bytes() == b"new, and longer"
        file.write_bytes(b"old")
    assert sorted(os.listdir(tmp_path)) == ["file", "link"][:links]
