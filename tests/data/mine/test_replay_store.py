"""Replays kept on disk: what git made of a merge comes back, with the objects only git's merge made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mergebert_data.history.merges import merge_listing
from mergebert_data.history.replay import ScratchRepository
from mergebert_data.history.repository import open_repository
from mergebert_data.mine.replay_store import read_replays, write_replays
from tests.conftest import Repository

BASE = "one\ntwo\nthree\nfour\nfive\n"


def crossed(repository: Repository) -> Repository:
    """A repository whose last merge has two bases that disagree, so that git makes up one of its own."""
    root = repository.commit("root", {"a.py": BASE})
    first = repository.commit("first", {"a.py": BASE.replace("three", "first")})
    repository.git("checkout", "--quiet", "--detach", root)
    second = repository.commit("second", {"a.py": BASE.replace("three", "second")})
    sides = []
    for ours, theirs, line in ((first, second, "left"), (second, first, "right")):
        repository.git("checkout", "--quiet", "--detach", ours)
        repository.run("merge", "--quiet", theirs)
        sides.append(repository.commit("merge", {"a.py": BASE.replace("three", line)}))
    repository.git("checkout", "--quiet", "-B", "main", sides[0])
    repository.run("merge", "--quiet", sides[1])
    repository.commit("last", {"a.py": BASE.replace("three", "done")})
    return repository


def test_what_is_read_is_what_was_written(make_repository: Callable[..., Repository], tmp_path: Path) -> None:
    source = open_repository(crossed(make_repository("owner+crossed")).path)
    every = merge_listing(source).merges
    kept = tmp_path / "replays.json.gz"
    with ScratchRepository(source, tmp_path) as scratch:
        replays = list(scratch.replayed(every))
        write_replays(kept, replays, scratch, 1.5)
    with ScratchRepository(source, tmp_path) as scratch:
        assert read_replays(kept, every, scratch) == (replays, 1.5)
        base = replays[0].conflicts[0].stages.base  # type: ignore[index]
        assert base is not None
        assert b"<<<<<<<" in (scratch.contents([base.blob])[0] or b"")


def test_a_path_of_any_bytes_survives(make_repository: Callable[..., Repository], tmp_path: Path) -> None:
    source = open_repository(crossed(make_repository("owner+odd")).path)
    merge = merge_listing(source).merges[0]
    with ScratchRepository(source, tmp_path) as scratch:
        (replay,) = scratch.replayed([merge])
        assert replay.conflicts is not None
        odd = type(replay)(merge, (type(replay.conflicts[0])('a\udcff\n"b.py', replay.conflicts[0].stages),))
        given_up = type(replay)(merge, None)
        kept = tmp_path / "replays.json.gz"
        write_replays(kept, [odd, given_up], scratch, 0.0)
        assert read_replays(kept, [merge, merge], scratch)[0] == [odd, given_up]
