from __future__ import annotations

import io
import json
import os
import stat
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from mergebert.cli import main
from mergebert.commands import solve, workfile
from mergebert.commands.solve import FileReport, exit_code
from mergebert.settings import Settings
from tests.mergebert.fake_resolver import FakeResolver
from tests.mergebert.two_conflicts import BASE, OURS, THEIRS

DIFF3 = """\
before
<<<<<<< HEAD
ours
||||||| base
old
=======
theirs
>>>>>>> topic
after
"""
TWO_WAY = DIFF3.replace("||||||| base\nold\n", "")


def arguments(*words: str | Path) -> Namespace:
    parser = ArgumentParser()
    solve.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def solved(resolver: FakeResolver, *words: str | Path) -> list[FileReport]:
    return list(solve.solve(arguments(*words), Settings(), lambda: resolver))


@pytest.fixture
def merging(repository, monkeypatch: pytest.MonkeyPatch):
    """A repository in the middle of a merge with two conflicts in `app.py`, in git's default style."""
    repository.diverge({"app.py": BASE}, {"app.py": OURS}, {"app.py": THEIRS})
    assert repository.run("merge", "theirs").returncode == 1
    monkeypatch.chdir(repository.path)
    return repository


def test_what_it_is_sure_of_is_resolved_and_nothing_else_moves(merging) -> None:
    before = merging.read("app.py").decode()

    [report] = solved(FakeResolver(sure=("theirs 5\n",)), "app.py")

    conflict = before[before.index("<<<<<<<") : before.index(">>>>>>> theirs\n") + len(">>>>>>> theirs\n")]
    assert merging.read("app.py").decode() == before.replace(conflict, "theirs 5\n", 1)
    assert [conflict.text for conflict in report.conflicts] == ["theirs 5\n", None]
    assert exit_code([report]) == 1


def test_all_solved(merging) -> None:
    [report] = solved(FakeResolver(sure=("theirs",)), "app.py")

    assert merging.read("app.py").decode() == THEIRS
    assert exit_code([report]) == 0


def test_the_resolver_sees_the_base_and_the_whole_versions(merging) -> None:
    resolver = FakeResolver()
    solved(resolver, "app.py")

    [file] = resolver.calls[0][0]
    assert file.path == "app.py"
    assert tuple(file.stages) == (BASE, OURS, THEIRS)
    assert [conflict.sides.base for conflict in file.merged.conflicts] == ["line 5\n", "line 25\n"]


def test_answers_in_the_work_tree_are_evidence(merging) -> None:
    text = merging.read("app.py").decode()
    conflict = text[text.index("<<<<<<<") : text.index(">>>>>>> theirs\n") + len(">>>>>>> theirs\n")]
    merging.write({"app.py": text.replace(conflict, "by hand\n", 1)})
    resolver = FakeResolver(sure=("theirs",))

    [report] = solved(resolver, "app.py")

    assert resolver.calls[0][1] == {(0, 0): "by hand\n"}
    assert merging.read("app.py").decode() == THEIRS.replace("theirs 5", "by hand")
    assert [(one.index, one.text) for one in report.conflicts] == [(1, "theirs 25\n")]


def test_one_file_informs_another(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a.py", "b.py")
    repository.diverge(dict.fromkeys(names, BASE), dict.fromkeys(names, OURS), dict.fromkeys(names, THEIRS))
    repository.run("merge", "theirs")
    monkeypatch.chdir(repository.path)
    repository.write({"a.py": OURS})
    resolver = FakeResolver(sure_after_ours=("ours",))

    reports = solved(resolver, "b.py", "a.py")

    assert resolver.calls[0][1] == {(1, 0): "ours 5\n", (1, 1): "ours 25\n"}
    assert repository.read("b.py").decode() == OURS
    assert exit_code(reports) == 0


def test_a_file_without_conflicts_is_left_alone_and_loads_no_model(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("a\n")
    os.utime(file, ns=(1, 1))

    reports = list(solve.solve(arguments(file), Settings(), lambda: pytest.fail("the model was loaded")))

    assert exit_code(reports) == 0
    assert file.stat().st_mtime_ns == 1


def test_nothing_to_change_leaves_the_file_untouched(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(DIFF3)
    os.utime(file, ns=(1, 1))

    [report] = solved(FakeResolver(), file)

    assert report.left == 1
    assert file.stat().st_mtime_ns == 1


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_bytes_outside_the_conflict_stay(newline: str, start: str, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    tail = "mixed\r\n\rends\x0c here\u2028no newline"
    file.write_bytes((start + DIFF3.replace("\n", newline) + tail).encode())

    solved(FakeResolver(sure=("theirs",)), file)

    assert file.read_bytes() == (start + "before\ntheirs\nafter\n".replace("\n", newline) + tail).encode()


def test_the_mode_and_a_link_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "run.sh", tmp_path / "link.sh"
    file.write_text(DIFF3)
    file.chmod(0o755)
    link.symlink_to(file)

    solved(FakeResolver(sure=("theirs",)), link)

    assert file.read_text() == "before\ntheirs\nafter\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o755
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.sh", "run.sh"]


def test_without_a_base_a_conflict_is_left_even_if_it_looks_sure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text(TWO_WAY)

    reports = solved(FakeResolver(sure=("theirs",)), file)
    for report in reports:
        solve._tell(report, is_dry=False)

    assert file.read_text() == TWO_WAY
    assert exit_code(reports) == 1
    assert f"{file}:2: left to you, its base is not known" in capsys.readouterr().out


def test_both_added_has_an_empty_base(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.diverge({"x": "x\n"}, {"new.py": "a\nours\nz\n"}, {"new.py": "a\ntheirs\nz\n"})
    repository.run("merge", "theirs")
    monkeypatch.chdir(repository.path)

    solved(FakeResolver(sure=("theirs",)), "new.py")

    assert repository.read("new.py") == b"a\ntheirs\nz\n"


def test_a_file_without_a_final_newline_keeps_it_so(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.diverge({"a.py": "x\nold"}, {"a.py": "x\nours"}, {"a.py": "x\ntheirs"})
    repository.run("merge", "theirs")
    monkeypatch.chdir(repository.path)

    [report] = solved(FakeResolver(sure=("theirs",)), "a.py")

    assert repository.read("a.py") == b"x\ntheirs"
    assert report.left == 0


def test_crlf_in_the_work_tree_and_not_in_the_index(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.diverge({"app.py": BASE}, {"app.py": OURS}, {"app.py": THEIRS})
    repository.git("config", "core.autocrlf", "true")
    repository.run("merge", "theirs")
    monkeypatch.chdir(repository.path)
    assert b"\r\n" in repository.read("app.py")

    [report] = solved(FakeResolver(sure=("theirs",)), "app.py")

    assert repository.read("app.py").decode() == THEIRS.replace("\n", "\r\n")
    assert report.left == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\0b\n", "is binary"),
        ("caf\xe9\n".encode("latin-1"), "is not UTF-8 text"),
        ("\ufeffa\n".encode("utf-16"), "is UTF-16"),
        (DIFF3.replace(">>>>>>> topic\n", "").encode(), "no closing marker"),
        (DIFF3.replace("<<<<<<< HEAD\n", "").encode(), "holds a marker without its conflict"),
        (DIFF3.encode() + b"<<<<<<<\n", "holds a marker without its conflict"),
        (b"a\n>>>> ORIGINAL //d/a#1\nx\n==== THEIRS //d/a#2\ny\n==== YOURS //d/a\nz\n<<<<\n", "of Perforce"),
        (None, "No such file"),
    ],
)
def test_an_unusable_file_is_a_sentence_and_the_others_are_done(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    bad, good = tmp_path / "bad.py", tmp_path / "good.py"
    if content is not None:
        bad.write_bytes(content)
    good.write_text(DIFF3)

    reports = solved(FakeResolver(sure=("theirs",)), bad, good)

    assert reason in reports[0].error
    assert str(bad) in reports[0].error
    assert reports[0].error.endswith(".")
    assert good.read_text() == "before\ntheirs\nafter\n"
    assert exit_code(reports) == 2
    assert content is None or bad.read_bytes() == content


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reports = solved(FakeResolver(), tmp_path, tmp_path / "pipe")
    assert all("is not a regular file" in report.error for report in reports)


def test_a_file_somebody_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(DIFF3)

    class Slow(FakeResolver):
        def rank(self, *words, **named):
            file.write_text("saved in an editor\n")
            return super().rank(*words, **named)

    [report] = solved(Slow(sure=("theirs",)), file)

    assert "changed meanwhile" in report.error
    assert file.read_text() == "saved in an editor\n"


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.py"
    file.write_text(DIFF3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    [report] = solved(FakeResolver(sure=("theirs",)), file)

    assert "No space left on device" in report.error
    assert file.read_text() == DIFF3
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text(DIFF3)

    reports = solved(FakeResolver(sure=("theirs",)), "--dry-run", file)
    for report in reports:
        solve._tell(report, is_dry=True)

    shown = capsys.readouterr().out
    assert file.read_text() == DIFF3
    assert f"{file}:2: b (lines), 97 %\n    theirs\n" in shown
    assert "1 of 1 conflicts would be solved, 0 left" in shown


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.py"
    file.write_text(DIFF3 + TWO_WAY)
    monkeypatch.setattr(solve, "load_resolver", lambda settings: FakeResolver(sure=("theirs",)))

    assert solve.run(arguments("--json", file, tmp_path / "none")) == 2

    found = json.loads(capsys.readouterr().out)["files"]
    assert found[0] == {
        "path": str(file),
        "solved": 1,
        "left": 1,
        "conflicts": [
            {
                "index": 0,
                "line": 2,
                "solved": True,
                "text": "theirs\n",
                "method": "lines",
                "pattern": "b",
                "confidence": 0.97,
            },
            {"index": 1, "line": 11, "solved": False},
        ],
    }
    assert found[1].keys() == {"path", "error"}


def test_a_file_named_twice_is_done_once(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(DIFF3)
    assert len(solved(FakeResolver(sure=("theirs",)), file, file)) == 1


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a\x1b[2Jb.py"
    file.write_text(DIFF3)
    for report in solved(FakeResolver(), file, tmp_path / "\x1b[1mnone"):
        solve._tell(report, is_dry=False)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err


def test_the_shipped_bundle_solves_a_real_merge(
    merging, shipped_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mergebert.cli import main

    before = merging.read("app.py")
    code = main(["solve", "--json", "--max-error", "0.5", "app.py"])

    [report] = json.loads(capsys.readouterr().out)["files"]
    assert code == (1 if report["left"] else 0)
    assert report["solved"] + report["left"] == 2
    assert (merging.read("app.py") == before) == (report["solved"] == 0)


@pytest.fixture
def in_conflict(repository, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes and merges two sides: `None` deletes the file `it`, and a `Path` is a link to it."""

    def put(content: str | Path | None) -> None:
        place = repository.path / "it"
        place.unlink(missing_ok=True)
        if isinstance(content, Path):
            place.symlink_to(content)
        elif content is not None:
            place.write_text(content)
        repository.commit("it")

    def merge(base: str | Path | None, ours: str | Path | None, theirs: str | Path | None) -> None:
        monkeypatch.chdir(repository.path)
        put(base)
        repository.git("checkout", "--quiet", "-b", "theirs")
        put(theirs)
        repository.git("checkout", "--quiet", "main")
        put(ours)
        assert repository.run("merge", "theirs").returncode == 1

    return merge


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (("old\n", "new\n", None), "it: theirs deleted or renamed it: `git add` keeps it"),
        (("old\n", None, "new\n"), "it: ours deleted or renamed it: `git add` keeps it"),
        ((Path("a"), Path("b"), Path("c")), "it: it is a symbolic link on a side"),
        (("<<<<<<< a\n=======\n>>>>>>> b\n", Path("b"), Path("c")), "it: it is a symbolic link on a side"),
        (("old\n", "new\n", Path("b")), "it: only theirs has it under this name: `git add` keeps it"),
    ],
)
def test_what_no_text_resolves_is_said_and_never_called_solved(
    versions: tuple[str | Path | None, ...],
    said: str,
    in_conflict: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    in_conflict(*versions)
    assert main(["solve", "it"]) == 1
    assert capsys.readouterr().out.startswith(said)
    assert main(["solve", "--json", "it"]) == 1
    [report] = json.loads(capsys.readouterr().out)["files"]
    assert (report["solved"], report["left"]) == (0, 1)
    assert report["wanted"].startswith(said)
    assert main(["suggest", "it"]) == 2
    assert capsys.readouterr().err.startswith(f"mergebert suggest: {said}")


def test_a_submodule_in_conflict_is_left_to_git(
    make_repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outer, inner = make_repository("outer"), make_repository("outer/it")
    first = inner.commit("first", {"a": "1"})
    outer.commit("base")
    second = inner.commit("second", {"a": "2"})
    outer.git("checkout", "--quiet", "-b", "theirs")
    outer.commit("theirs")
    outer.git("checkout", "--quiet", "main")
    inner.git("checkout", "--quiet", "--detach", first)
    third = inner.commit("third", {"a": "3"})
    assert second != third
    outer.commit("ours")
    assert outer.run("merge", "theirs").returncode == 1
    monkeypatch.chdir(outer.path)
    for name in ("it", "it/"):
        assert main(["solve", name]) == 1
        assert "it is a submodule" in capsys.readouterr().out


def test_another_mode_on_both_sides_is_left_to_git(
    repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.path)
    repository.commit("base", {"other": ""})
    repository.git("checkout", "--quiet", "-b", "theirs")
    repository.commit("theirs", {"it": "same\n"})
    repository.git("checkout", "--quiet", "main")
    repository.write({"it": "same\n"})
    Path("it").chmod(0o755)
    repository.commit("ours")
    assert repository.run("merge", "theirs").returncode == 1
    assert main(["solve", "it"]) == 1
    assert "with another mode" in capsys.readouterr().out


def test_a_file_that_both_sides_renamed_is_solved_and_its_name_left_to_git(
    repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.path)
    lines = "".join(f"line {number}\n" for number in range(20))
    repository.commit("base", {"old": lines})
    repository.git("checkout", "--quiet", "-b", "theirs")
    repository.git("mv", "old", "of_theirs")
    repository.commit("theirs", {"of_theirs": lines.replace("line 9\n", "theirs\n")})
    repository.git("checkout", "--quiet", "main")
    repository.git("mv", "old", "of_ours")
    repository.commit("ours", {"of_ours": lines.replace("line 9\n", "ours\n")})
    repository.git("config", "merge.conflictStyle", "diff3")
    assert repository.run("merge", "theirs").returncode == 1
    [report] = solved(FakeResolver(sure=("theirs",)), "of_ours")
    assert (report.solved, report.left, exit_code([report])) == (1, 1, 1)
    assert "theirs\n" in Path("of_ours").read_text()
    assert "only ours has it under this name" in report.wanted
    [missing] = solved(FakeResolver(), "old")
    assert "both sides deleted or renamed it" in missing.wanted


def test_a_link_out_of_the_repository_is_not_followed(
    repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text(DIFF3)
    Path("link").symlink_to(outside / "file")
    Path("folder").symlink_to(outside)
    for name in ("link", "folder/file"):
        [report] = solved(FakeResolver(sure=("theirs",)), name)
        assert report.error == f"{name} cannot be read: a symbolic link leads elsewhere and is not followed."
        assert exit_code([report]) == 2
    assert (outside / "file").read_text() == DIFF3


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files with a conflict each of which two are too large to be looked at together, and one that is none."""
    files = [tmp_path / name for name in ("a.py", "none", "b.py", "c.py", "d.py")]
    for file in files:
        if file.name != "none":
            file.write_text(DIFF3 * (2 if file.name == "c.py" else 1))
    monkeypatch.setattr(workfile, "MOST_AT_ONCE", 2 * len(DIFF3) + 5)
    return files


def test_files_too_large_to_be_looked_at_together_are_solved_in_turn(large: list[Path]) -> None:
    resolver, loaded = FakeResolver(sure=("theirs",)), []

    def load() -> FakeResolver:
        loaded.append(resolver)
        return resolver

    reports = list(solve.solve(arguments(*large), Settings(), load))

    assert [[len(file.merged.conflicts) for file in files] for files, _ in resolver.calls] == [
        [1, 1],
        [2],
        [1],
    ]
    assert loaded == [resolver]
    assert [report.path for report in reports] == large
    assert [bool(report.error) for report in reports] == [False, True, False, False, False]
    assert all(file.read_text().count("theirs") in (1, 2) for file in large if file.exists())


def test_they_are_one_object_of_json(
    large: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve, "load_resolver", lambda settings: FakeResolver(sure=("theirs",)))
    assert solve.run(arguments("--json", *large)) == 2
    found = json.loads(capsys.readouterr().out)
    assert [file["path"] for file in found["files"]] == [str(file) for file in large]


def test_a_person_is_asked_of_as_many_as_can_be_looked_at_together(
    large: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C writes nothing: there is no way back once the first ones are written."""
    monkeypatch.setattr("sys.stdin", io.StringIO("o\n" * 9))
    reports = solved(FakeResolver(), "-i", *large)
    assert [report.solved for report in reports] == [1, 0, 1, 0, 0]
    assert ["too much to be asked about" in report.error for report in reports[3:]] == [True, True]
    assert large[3].read_text() == 2 * DIFF3
