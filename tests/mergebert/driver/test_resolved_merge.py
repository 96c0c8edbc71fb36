from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mergebert.driver import resolved_merge as module
from mergebert.driver.resolved_merge import CONFLICT_LIMIT, MergeJob, resolved_merge
from mergebert.errors import InputError
from mergebert.git.byte_merge import ByteMerge, byte_merge
from mergebert.git.merge_options import MergeOptions
from mergebert.settings import Settings
from mergebert.text.threeway import ThreeWay
from tests.mergebert.fake_resolver import FakeResolver

KEPT = "".join(f"kept {number}\n" for number in range(6))
TWO_CONFLICTS = ThreeWay(
    f"one\n{KEPT}two\n",
    f"ours one\n{KEPT}ours two\n",
    f"sure theirs one\n{KEPT}theirs two\n",
)


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> FakeResolver:
    """A resolver that takes theirs where it says sure."""
    fake = FakeResolver(sure=("sure",))
    monkeypatch.setattr(module.Resolver, "load", classmethod(lambda cls, bundle=None: fake))
    return fake


def job(versions: ThreeWay[str] | ThreeWay[bytes], style: str = "merge", marker_size: int = 7) -> MergeJob:
    """The job the driver makes of these versions."""
    encoded = versions.map(lambda text: text if isinstance(text, bytes) else text.encode())
    options = MergeOptions(style=style)
    merged, with_bases = (
        byte_merge((encoded.base, encoded.ours, encoded.theirs), one) or ByteMerge(b"", True, 7)
        for one in (options, options.with_style("diff3"))
    )
    labels = ("base", "ours", "theirs")
    return MergeJob("app.py", encoded, merged, with_bases, labels, marker_size, options, in_git=False)


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_what_is_not_accepted_stays_byte_for_byte(style: str) -> None:
    given = job(TWO_CONFLICTS, style)
    found = resolved_merge(given, Settings())
    assert found is not None
    assert found.left == 1
    kept = given.shown.decode().index(KEPT)
    assert found.text == "sure theirs one\n" + given.shown.decode()[kept:]


def test_the_child_loads_nothing_of_training() -> None:
    """tests/test_imports.py sees the driver itself; this is what its child imports."""
    program = "import sys, mergebert.driver.resolved_merge, mergebert.driver.journal; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    shown = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=environment,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert not {"torch", "transformers", "sklearn", "lightgbm", "git", "pyarrow"} & set(shown.stdout.split())


def test_nothing_accepted_leaves_the_line_merge() -> None:
    assert resolved_merge(job(ThreeWay("a\n", "b\n", "c\n")), Settings()) is None


@pytest.mark.parametrize("size", [5, 7, 11])
def test_every_marker_size_comes_back(size: int) -> None:
    given = job(TWO_CONFLICTS, "merge", size)
    found = resolved_merge(given, Settings())
    assert found is not None
    assert found.text.count("<") == size
    assert found.text == "sure theirs one\n" + given.shown.decode()[given.shown.decode().index(KEPT) :]


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_lines_that_look_like_separators_are_text(style: str) -> None:
    versions = TWO_CONFLICTS.map(lambda text: text.replace("ours two\n", "Ours two\n=======\n=========\n"))
    given = job(versions, style)
    found = resolved_merge(given, Settings())
    assert found is not None
    assert found.text == "sure theirs one\n" + given.shown.decode()[given.shown.decode().index(KEPT) :]


def test_marks_and_line_ends_stay() -> None:
    versions = TWO_CONFLICTS.map(lambda text: "\ufeff" + text.replace("\n", "\r\n").removesuffix("\r\n"))
    given = job(versions)
    found = resolved_merge(given, Settings())
    assert found is not None
    assert found.text.startswith("\ufeffsure theirs one\r\nkept 0\r\n")
    assert found.text.endswith(">>>>>>> theirs\r\n")
    assert "\n" not in found.text.replace("\r\n", "")


def test_a_last_line_without_newline_stays_so() -> None:
    found = resolved_merge(job(ThreeWay("a", "b", "sure")), Settings())
    assert found is not None
    [noted] = found.resolutions.values()
    assert found.text == noted.text == "sure"


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        (ThreeWay(b"a\n", b"b\n" + b"\0", b"c\n"), "app.py is binary; choose a version with"),
        (ThreeWay(b"a\n", b"caf\xe9\n", b"c\n"), "app.py is not UTF-8 text; resolve it by hand"),
        (ThreeWay("a\n", "<<<<<<< x\nb\n=======\nc\n>>>>>>> y\n", "sure\n"), "markers already"),
        (ThreeWay("a\n>>>>>>>>> y\n", "b\n", "sure\n"), "markers already"),
    ],
)
def test_what_is_not_for_the_model_is_refused(versions: ThreeWay, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        resolved_merge(job(versions), Settings())


def test_a_file_full_of_conflicts_is_left_alone() -> None:
    versions = (
        "".join(f"{word} {number}\n{KEPT}" for number in range(CONFLICT_LIMIT + 1))
        for word in ("base", "ours", "sure")
    )
    with pytest.raises(InputError, match="more than 200"):
        resolved_merge(job(ThreeWay(*versions)), Settings())


def test_a_merge_of_merge_bases_is_gits(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.path)
    given = replace(job(ThreeWay("a\n", "b\n", "sure\n"), marker_size=9), in_git=True)
    with pytest.raises(InputError, match="base for another merge"):
        resolved_merge(given, Settings())
    repository.write({".gitattributes": "*.py conflict-marker-size=9\n"})
    found = resolved_merge(given, Settings())
    assert found is not None
    assert found.text == "sure\n"
