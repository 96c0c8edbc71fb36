"""A file that jj or fossil left in conflict is solved like one of git's; a conflict of three sides is left to the person."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from mergebert.commands import solve
from mergebert.commands.solve import FileReport, exit_code
from mergebert.commands.workfile import open_work_files
from mergebert.ranking.open_merge import OpenMerge
from mergebert.settings import Settings
from tests.mergebert.fake_resolver import FakeResolver

CASES = Path(__file__).parents[1] / "text" / "cases_markers"
TWO_SIDED = sorted(
    case.name
    for style in ("jj", "fossil")
    for case in CASES.glob(f"{style}*")
    if "three_sides" not in case.name and "first" not in case.name
)
THREE_SIDES = (CASES / "jj_three_sides_diff" / "text").read_text()
TWO_SIDES = """\
<<<<<<< conflict 1 of 2
%%%%%%% diff from: base
\\\\\\\\\\\\\\        to: side #1
-x = 0
+x = 1
+++++++ side #2
x = 2
>>>>>>> conflict 1 of 2 ends
"""


def solved(path: Path, resolver: FakeResolver) -> FileReport:
    parser = ArgumentParser()
    solve.add_arguments(parser)
    [report] = solve.solve(parser.parse_args([str(path)]), Settings(), lambda: resolver)
    return report


@pytest.mark.parametrize("name", TWO_SIDED)
def test_a_conflict_of_every_style_is_replaced_by_what_is_sure(name: str, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    content = (CASES / name / "text").read_bytes()
    path.write_bytes(content)
    [file], _ = next(open_work_files([path]))
    start, stop = content.index(b"<<<<<<<"), content.rindex(b">>>>>>>")

    report = solved(path, FakeResolver(sure=(file.text.line_merge.conflicts[0].sides.theirs,)))

    theirs = file.text.line_merge.conflicts[0].sides.theirs.encode()
    assert report.left == 0
    assert path.read_bytes() == content[:start] + theirs + content[stop:].partition(b"\n")[2]


def test_what_is_not_resolved_stays_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    text = f"before\n{TWO_SIDES}between\n{THREE_SIDES}after\n"
    path.write_text(text)

    report = solved(path, FakeResolver())
    assert path.read_text() == text
    assert (report.left, exit_code([report])) == (2, 1)

    report = solved(path, FakeResolver(sure=("x = 2\n", "b\n", "c\n")))
    assert path.read_text() == f"before\nx = 2\nbetween\n{THREE_SIDES}after\n"
    assert [conflict.line for conflict in report.conflicts] == [2, 11]
    assert (report.left, exit_code([report])) == (1, 1)


def test_no_side_of_three_is_dropped_by_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(THREE_SIDES)
    [file], _ = next(open_work_files([path]))
    [slot] = file.text.open_conflicts
    assert not slot.accepts("b\n")
    [offer] = OpenMerge([file.text], FakeResolver(sure=("b\n",)), 0.05).offers({}).values()
    assert offer.resolutions == ()
    assert not offer.accepted


def test_what_git_has_in_its_index_tells_the_base_of_what_jj_marked(
    repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = "".join(f"line {number}\n" for number in range(20))
    ours, theirs = (base.replace("line 5\n", f"{side} 5\n") for side in ("ours", "theirs"))
    repository.diverge({"app.py": base}, {"app.py": ours}, {"app.py": theirs})
    assert repository.run("merge", "theirs").returncode == 1
    monkeypatch.chdir(repository.path)
    path = repository.path / "app.py"
    marked = (
        "<<<<<<< conflict 1 of 1\n+++++++ ours\nours 5\n------- base\nline 5\n+++++++ theirs\ntheirs 5\n"
        ">>>>>>> conflict 1 of 1 ends\n"
    )
    text = base.replace("line 5\n", marked)
    path.write_text(text)

    report = solved(path, FakeResolver())
    assert (report.left, path.read_text()) == (1, text)

    report = solved(path, FakeResolver(sure=("theirs 5\n",)))
    assert (report.left, path.read_text()) == (0, theirs)
