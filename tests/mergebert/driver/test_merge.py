"""The driver in this process, against the oracle: `git merge-file` on the same three files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mergebert import atomic as write
from mergebert.driver import child
from mergebert.driver import merge as driver
from mergebert.driver import resolved_merge as module
from mergebert.driver.journal import entries, journal_folder
from mergebert.driver.merge import CONFLICTS, MERGED, NOTHING_WRITTEN, USAGE, main
from mergebert.git import byte_merge
from mergebert.git.byte_merge import MOST_CONFLICTS
from mergebert.ranking.resolution import RankedConflict
from mergebert.text.markers import Conflict
from tests.e2e.driver_program import line_merge
from tests.mergebert.fake_resolver import FakeResolver

BASE, OURS, THEIRS = b"a\nb\nc\n", b"a\nours\nc\n", b"a\nsure theirs\nc\n"
CONFLICT = (BASE, OURS, THEIRS)
CLEAN = (BASE, b"A\nb\nc\n", b"a\nb\nC\n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, outside of every repository."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return place


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that takes theirs where it says sure."""
    fake = FakeResolver(sure=("sure",))
    monkeypatch.setattr(module.Resolver, "load", classmethod(lambda cls, bundle=None: fake))


@pytest.fixture
def no_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERGEBERT_BUNDLE", str(tmp_path / "nowhere"))


def put(versions: tuple[bytes, bytes, bytes]) -> list[str]:
    for name, content in zip(("base", "ours", "theirs"), versions, strict=True):
        Path(name).write_bytes(content)
    return ["base", "ours", "theirs"]


def git_that_exits(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a git in the place of the real one that merges everything to one line and has no settings; the model is off."""
    git = Path("bin/git").absolute()
    git.parent.mkdir(exist_ok=True)
    git.write_text(f'#!/bin/sh\ntest "$3" = config && exit 1\necho from git\nexit {code}\n', encoding="utf-8")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(git.parent))
    monkeypatch.setenv("MERGEBERT", "0")
    monkeypatch.setattr(byte_merge, "_refused", set())  # what is known of the real one


INPUTS = {
    "conflict": CONFLICT,
    "clean": CLEAN,
    "no final newline": (b"a", b"b", b"c"),
    "CRLF": (b"a\r\nb\r\n", b"a\r\nx\r\n", b"a\r\ny\r\n"),
    "BOM": (b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfx\n", b"\xef\xbb\xbfy\n"),
    "Latin-1": (b"caf\xe9\n", b"th\xe9\n", b"lait\xe9\n"),
    "empty base": (b"", b"ours\n", b"theirs\n"),
    "empty ours": (b"a\n", b"", b"b\n"),
    "carriage returns": (b"a\rb\n", b"a\rx\n", b"a\ry\n"),
    "form feeds": (b"a\x0cb\x1c\n", b"x\x0c\n", b"y\xc2\x85z\n"),
    "markers inside": (b"a\n", b"<<<<<<< x\na\n=======\nb\n>>>>>>> y\n", b"c\n"),
    "late NUL": (b"a\n" * 5000, b"a\n" * 5000 + b"b\0\n", b"a\n" * 5000 + b"c\n"),
}


@pytest.mark.usefixtures("no_bundle")
@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("name", INPUTS)
def test_without_a_model_the_result_is_gits(
    name: str, style: str, isolated_git: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (isolated_git / ".gitconfig").open("a", encoding="utf-8") as config:
        config.write(f"[merge]\n\tconflictStyle = {style}\n")
    options = [] if style == "merge" else [f"--{style}"]
    conflicts, wanted = line_merge(INPUTS[name], tmp_path / "oracle", *options)
    assert main([*put(INPUTS[name]), "--git", "-p", "src/app.py", "-l", "7"]) == min(conflicts, 1)
    assert Path("ours").read_bytes() == wanted
    assert sorted(os.listdir()) == ["base", "ours", "theirs"]
    assert capfd.readouterr().err.count("\n") == min(conflicts, 1)


@pytest.mark.usefixtures("sure")
def test_what_it_is_sure_of_is_applied(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*put(CONFLICT), "--git", "-p", "app.py"]) == MERGED
    assert Path("ours").read_bytes() == THEIRS
    said = capfd.readouterr()
    [entry] = entries(journal_folder(Path.cwd()))
    wanted = f"resolved 1 of 1 conflicts in app.py; `mergebert review {entry.id}` shows how."
    assert (said.out, said.err) == ("", f"mergebert: {wanted}\n")


@pytest.mark.parametrize("line", ["<<<<<<< ours\n", ">>>>>>>\n", ">>>>>>> theirs\r\n"])
def test_a_resolution_that_holds_a_marker_is_a_conflict(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Marking(FakeResolver):
        def _ranked(self, conflict: Conflict, took_ours: bool) -> RankedConflict:
            ranked = super()._ranked(conflict, took_ours)
            return replace(ranked, resolutions=(replace(ranked.resolutions[0], text=line),))

    fake = Marking(sure=("sure",))
    monkeypatch.setattr(module.Resolver, "load", classmethod(lambda cls, bundle=None: fake))
    assert main([*put(CONFLICT), "--git", "-p", "app.py"]) == CONFLICTS
    assert Path("ours").read_bytes() == f"a\n{line}c\n".encode()


@pytest.mark.usefixtures("sure")
@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600])
def test_the_result_may_go_elsewhere(mode: int) -> None:
    Path("out").write_bytes(b"old")
    Path("out").chmod(mode)
    assert main([*put(CONFLICT), "-o", "out", "-p", "app.py"]) == MERGED
    assert Path("out").read_bytes() == THEIRS
    assert Path("out").stat().st_mode & 0o777 == mode
    assert Path("ours").read_bytes() == OURS


@pytest.mark.usefixtures("sure")
def test_without_a_target_it_goes_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(put(CLEAN)) == MERGED
    assert main(put(CONFLICT)) == MERGED
    assert main(put((BASE, OURS, b"a\nunknown\nc\n"))) == CONFLICTS
    left = b"a\n<<<<<<< ours\nours\n=======\nunknown\n>>>>>>> theirs\nc\n"
    assert capfd.readouterr().out.encode() == b"A\nb\nC\n" + THEIRS + left
    assert Path("ours").read_bytes() == OURS


@pytest.mark.usefixtures("sure")
def test_the_switch_turns_the_model_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERGEBERT", "0")
    assert main([*put(CONFLICT), "--git"]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle")[1]


@pytest.mark.usefixtures("no_bundle")
@pytest.mark.parametrize(
    ("arguments", "heads", "labels"),
    [
        (["--git"], {}, ("base", "ours", "theirs")),
        (["--git", "-s", "%S", "-x", "%X", "-y", "%Y"], {}, ("base", "ours", "theirs")),
        (["--git", "-s", "", "-x", "", "-y", ""], {}, ("base", "ours", "theirs")),
        (["--git", "-s", "1234", "-x", "HEAD", "-y", "-topic x"], {}, ("1234", "HEAD", "-topic x")),
        (["-o", "ours"], {"GITHEAD_1": "topic"}, ("base", "ours", "theirs")),
    ],
)
def test_labels(
    arguments: list[str],
    heads: dict[str, str],
    labels: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in heads.items():
        monkeypatch.setenv(name, value)
    assert main([*put(CONFLICT), "--diff3", *arguments]) == CONFLICTS
    wanted = line_merge(CONFLICT, tmp_path / "oracle", "--diff3", labels=labels)[1]
    assert Path("ours").read_bytes() == wanted


@pytest.mark.usefixtures("no_bundle")
@pytest.mark.parametrize(("given", "size"), [("9", 9), ("%L", 7), ("0", 7), ("-3", 7), ("", 7)])
def test_marker_sizes(given: str, size: int, tmp_path: Path) -> None:
    assert main([*put(CONFLICT), f"--marker-size={given}", "-o", "out"]) == CONFLICTS
    assert Path("out").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle", f"--marker-size={size}")[1]


@pytest.mark.parametrize("place", ["base", "ours", "theirs"])
@pytest.mark.parametrize("content", [b"\x89PNG\0", "wide\n".encode("utf-16")])
def test_of_binary_files_ours_is_kept(place: str, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    versions = dict(zip(("base", "ours", "theirs"), CONFLICT, strict=True)) | {place: content}
    files = put((versions["base"], versions["ours"], versions["theirs"]))
    assert main([*files, "--git", "-p", "image.png"]) == CONFLICTS
    assert Path("ours").read_bytes() == versions["ours"]
    assert main([*files, "-o", "out", "-p", "image.png"]) == CONFLICTS
    assert Path("out").read_bytes() == versions["ours"]
    said = "mergebert: image.png is binary to git, so ours is kept: `mergebert solve` tells how to go on.\n"
    assert capfd.readouterr().err == said * 2
    assert sorted(os.listdir()) == ["base", "ours", "out", "theirs"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "takes three files"),
        (["a", "b"], "takes three files"),
        (["a", "b", "c", "d"], "takes three files"),
        (["a", "b", "c", "--gti"], "no option --gti"),
        (["a", "b", "c", "-o"], "-o needs a value"),
        (["a", "b", "c", "-o", "d", "--git"], "one of them"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    arguments: list[str], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == USAGE
    said = capfd.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_help_shows_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == MERGED
    assert "example:\n  mergebert merge base.py" in capfd.readouterr().out


def test_dashes_end_the_options() -> None:
    for name, content in zip(("-base", "-ours", "-theirs"), CLEAN, strict=True):
        Path(name).write_bytes(content)
    assert main(["--git", "--", "-base", "-ours", "-theirs"]) == MERGED
    assert Path("-ours").read_bytes() == b"A\nb\nC\n"


def test_missing_files_are_one_sentence_above_128(capfd: pytest.CaptureFixture[str]) -> None:
    put(CONFLICT)
    assert main(["missing", "ours", "theirs", "-o", "out"]) == NOTHING_WRITTEN
    assert main(["base", "ours", "theirs", "-o", "no/such/folder/out"]) == NOTHING_WRITTEN
    assert Path("ours").read_bytes() == OURS
    said = capfd.readouterr().err
    assert "missing: No such file" in said
    assert said.count("\n") == 2


def test_a_missing_git_is_one_sentence_above_128(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([*put(CONFLICT), "-o", "ours"]) == NOTHING_WRITTEN
    assert Path("ours").read_bytes() == OURS
    assert capfd.readouterr().err.count("\n") == 1


def test_what_could_not_be_merged_stays_for_the_registered_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It merges without us, and takes the file away only where that fails too."""
    git_that_exits(MOST_CONFLICTS + 1, monkeypatch)
    assert main([*put(CONFLICT), "--git"]) == NOTHING_WRITTEN
    assert Path("ours").read_bytes() == OURS
    assert Path("theirs").read_bytes() == THEIRS


@pytest.mark.parametrize("target", ["ours", None])
@pytest.mark.parametrize(("code", "is_written"), [(MOST_CONFLICTS, True), (MOST_CONFLICTS + 1, False)])
def test_what_git_counts_is_written_and_what_it_fails_at_is_not(
    code: int,
    is_written: bool,
    target: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    git_that_exits(code, monkeypatch)
    output = ["-o", target] if target else []
    assert main([*put(CONFLICT), *output]) == (CONFLICTS if is_written else NOTHING_WRITTEN)
    said = capfd.readouterr()
    assert Path("ours").read_bytes() == (b"from git\n" if is_written and target else OURS)
    assert said.out == ("from git\n" if is_written and not target else "")
    failed = "mergebert: nothing was written: git could not merge these files; see to it and merge again.\n"
    assert said.err == ("" if is_written else failed)


def test_in_place_too_only_what_git_counts_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(target: str) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied", target)

    monkeypatch.setattr(write, "_beside", refused)
    for code, wanted in ((MOST_CONFLICTS + 1, OURS), (MOST_CONFLICTS, b"from git\n")):
        git_that_exits(code, monkeypatch)
        main([*put(CONFLICT), "-o", "ours"])
        assert Path("ours").read_bytes() == wanted


@pytest.mark.usefixtures("sure")
def test_a_folder_that_takes_no_file_gets_gits_merge_in_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def refused(target: str) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied", target)

    monkeypatch.setattr(write, "_beside", refused)
    assert main([*put(CONFLICT), "--git"]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle")[1]
    assert "takes no new file" in capfd.readouterr().err
    assert main([*put(CLEAN), "--git"]) == MERGED
    assert Path("ours").read_bytes() == b"A\nb\nC\n"


@pytest.mark.usefixtures("sure")
def test_a_disk_that_fills_up_after_the_line_merge(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    replace, calls = write.replace_file, []

    def full(path: str, content: bytes, stamp: Callable[[int], None]) -> None:
        calls.append(path)
        if len(calls) > 1:
            raise OSError(28, "No space left on device", path)
        replace(path, content, stamp)

    monkeypatch.setattr(driver, "replace_file", full)
    assert main([*put(CONFLICT), "--git"]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle")[1]
    said = "mergebert: ours: No space left on device; git's own conflicts are left.\n"
    assert capfd.readouterr().err == said


@pytest.mark.usefixtures("sure")
def test_a_journal_that_cannot_be_written_fails_nothing(
    isolated_git: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state = isolated_git / ".local" / "state"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a file where the folder should be")
    assert main([*put(CONFLICT), "--git"]) == MERGED
    assert Path("ours").read_bytes() == THEIRS
    assert "could not be noted" in capfd.readouterr().err


@pytest.mark.usefixtures("sure")
def test_an_interrupt_in_the_journal_takes_nothing_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: str, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "write_atomically", interrupted)
    assert main([*put(CONFLICT), "--git", "-p", "app.py"]) == MERGED
    assert Path("ours").read_bytes() == THEIRS
    said = "mergebert: resolved 1 of 1 conflicts in app.py; it could not be noted for `mergebert review`.\n"
    assert capfd.readouterr().err == said


@pytest.mark.parametrize("arguments", [["--git"], []])
def test_an_interrupt_of_the_model_leaves_gits_merge(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(child, "output_of", interrupted)
    wanted = line_merge(CONFLICT, tmp_path / "oracle")[1]
    assert main([*put(CONFLICT), *arguments]) == CONFLICTS
    said = capfd.readouterr()
    assert (Path("ours").read_bytes() if arguments else said.out.encode()) == wanted
    assert said.err == "mergebert: interrupted; git's own conflicts are left.\n"


@pytest.mark.parametrize(
    "failure", [MemoryError(), RecursionError("deep"), OSError(5, "I/O error"), KeyError("x")]
)
def test_whatever_the_model_raises_is_one_sentence(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise failure

    monkeypatch.setattr(module.Resolver, "load", broken)
    assert main([*put(CONFLICT), "--git"]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle")[1]
    said = capfd.readouterr().err
    assert said.startswith("mergebert: ")
    assert said.endswith("git's own conflicts are left.\n")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("sure")
@pytest.mark.parametrize("value", ["nonsense", "-1", "2"])
def test_a_wrong_error_budget_costs_no_merge(
    value: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*put(CONFLICT), "--git", "--max-error", value]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle")[1]
    assert f"--max-error is '{value}'" in capfd.readouterr().err


def test_a_pipe_is_refused_since_git_takes_it_for_an_empty_file(capfd: pytest.CaptureFixture[str]) -> None:
    put(CONFLICT)
    os.mkfifo("pipe")
    assert main(["base", "ours", "pipe", "-o", "out"]) == NOTHING_WRITTEN
    assert not Path("out").exists()
    assert "pipe: it is not a regular file; see to it" in capfd.readouterr().err


@pytest.mark.usefixtures("sure")
def test_a_huge_file_is_merged_by_git_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LARGEST_TEXT", 10)
    assert main([*put(CONFLICT), "--git"]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(CONFLICT, tmp_path / "oracle")[1]


def test_versions_larger_than_memory_are_left_to_git(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mergebert.git.byte_merge.LARGEST_MERGE", sum(map(len, CONFLICT)) - 1)
    assert main([*put(CONFLICT), "--git"]) == NOTHING_WRITTEN
    assert Path("ours").read_bytes() == CONFLICT[1]
    assert capfd.readouterr().err.endswith(" MB; git merges without us.\n")


@pytest.mark.usefixtures("sure")
@pytest.mark.parametrize("huge", [0, 1, 2])
def test_one_huge_version_is_enough(huge: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for an empty one."""
    versions = [b"one\n", b"two\n", b"sure\n"]
    versions[huge] += b"".join(b"line %d\n" % number for number in range(9))
    given = (versions[0], versions[1], versions[2])
    monkeypatch.setattr(driver, "LARGEST_TEXT", 20)
    assert main([*put(given), "--git"]) == CONFLICTS
    assert Path("ours").read_bytes() == line_merge(given, tmp_path / "oracle")[1]


@pytest.mark.usefixtures("sure")
def test_the_journal_lies_in_the_repository(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.path)
    assert main([*put(CONFLICT), "--git", "-p", "app.py"]) == MERGED
    [file] = (repository.path / ".git" / "mergebert").iterdir()
    noted = json.loads(file.read_bytes())
    assert noted["stages"] == {"base": BASE.decode(), "ours": OURS.decode(), "theirs": THEIRS.decode()}
    assert noted["result"] == THEIRS.decode()
    assert noted["changes"][0]["confidence"] == 0.97


def test_the_result_is_never_written_through_a_link(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = put(CLEAN)
    Path("outside").write_bytes(b"mine")
    Path("link").symlink_to("outside")
    Path("nowhere").symlink_to("not yet there")
    for name in ("link", "nowhere"):
        assert main([*arguments, "-o", name]) == NOTHING_WRITTEN
        said = f"mergebert: nothing was written: {name}: it is a symbolic link, which is not followed;"
        assert capfd.readouterr().err.startswith(said)
    assert Path("outside").read_bytes() == b"mine"
    assert not Path("not yet there").exists()


def test_a_device_is_no_place_for_the_result(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*put(CLEAN), "-o", os.devnull]) == NOTHING_WRITTEN
    assert "not a regular file" in capfd.readouterr().err
