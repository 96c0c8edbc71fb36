"""Packs against the oracle: git itself reads them, and finds nothing to complain of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert.git.pack import Pack


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "repository.git"
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    return folder


def git(repository: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["git", f"--git-dir={repository}", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


# Sizes around those at which the head of an object takes one more byte: 4, 11 and 18 bits.
SIZES = st.sampled_from([0, 1, 15, 16, 2047, 2048, 262_143, 262_144])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40) | SIZES.map(lambda size: b"x" * size), min_size=1, max_size=300))
def test_git_reads_what_was_written(repository: Path, contents: list[bytes]) -> None:
    pack = Pack()
    names = [pack.add("blob", content) for content in contents]
    tree = pack.add("tree", b"100644 text\0" + bytes.fromhex(names[0]))
    pack.write(str(repository / "objects" / "pack"))
    git(repository, "verify-pack", *map(str, (repository / "objects" / "pack").glob("*.idx")))
    wanted = b"".join(
        f"{name} blob {len(content)}\n".encode() + content + b"\n"
        for name, content in zip(names, contents, strict=True)
    )
    assert (
        git(repository, "cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode())
        == wanted
    )
    assert git(repository, "show", f"{tree}:text") == contents[0]
    assert pack.contents == {**dict(zip(names, contents, strict=True)), tree: pack.contents[tree]}
