from __future__ import annotations

import json
import shutil
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mergebert.cli import main
from mergebert.errors import DatasetError, ModelBundleError
from mergebert.example import ConflictExample, FileExample
from mergebert.ranking.bundle import MODEL
from mergebert.text.equivalence import Level
from mergebert.text.history import MergeContext
from mergebert.text.languages import by_name
from mergebert.text.markers import MergedFile, parse
from mergebert.text.threeway import ThreeWay
from mergebert.tiers import Tier
from mergebert.training.evaluation import evaluate as evaluate_command
from mergebert.training.evaluation.evaluate import add_evaluate_arguments, countable, run_evaluate
from mergebert.training.evaluation.metrics import ConflictId
from mergebert.training.evaluation.outcomes import (
    GIT,
    OURS,
    THEIRS,
    TOKENS,
    TOOL,
    WITHOUT_NETWORK,
    Case,
    EvaluationOptions,
    FileSyntax,
    outcomes_of,
    token_merge,
)
from mergebert.training.evaluation.report import padded_table
from tests.mergebert.fake_resolver import FakeResolver
from tests.mergebert.ranking.test_hostile_bundle import sign, write_endless, write_large
from tests.mergebert.tiny_bundle import write_bundle
from tests.training.tiny_bundle import write_tiny_bundle

Sides = tuple[str, str, str]  # base, ours, theirs

CLASH: Sides = ("total = 1\n", "total = 2\n", "total = 3\n")
CLEAN: Sides = ("f(a, b)\n", "f(x, b)\n", "f(a, y)\n")  # ours and theirs change different tokens
BROKEN: Sides = ("total = 1\n", "total = 2\n", "total = (\n")


def marked(sides: Sides) -> str:
    base, ours, theirs = sides
    return f"<<<<<<< ours\n{ours}||||||| base\n{base}=======\n{theirs}>>>>>>> theirs\n"


def file_of(conflicts: Sequence[Sides]) -> str:
    return "import os\n" + "".join(f"{marked(sides)}print({at})\n" for at, sides in enumerate(conflicts))


def example(
    conflicts: Sequence[tuple[Sides, str | None]],
    *,
    repository: str = "own/er",
    merge: str = "m1",
    path: str = "app.py",
) -> FileExample:
    """A file whose conflicts have these sides and resolutions."""
    texts = [file_of([(side,) * 3 for side in part]) for part in zip(*(sides for sides, _ in conflicts))]  # noqa: B905
    known = tuple(
        ConflictExample(at, resolution, ("aligned",) if resolution else (), (), duplicate=False, patterns=())
        for at, (_, resolution) in enumerate(conflicts)
    )
    return FileExample(
        repository=repository,
        merge=merge,
        ours_commit="a" * 40,
        theirs_commit="b" * 40,
        base_commit="c" * 40,
        path=path,
        language="python",
        blobs=ThreeWay("0", "1", "2"),
        stages=ThreeWay(*texts),
        conflicted=file_of([sides for sides, _ in conflicts]),
        merged="import os\n"
        + "".join(
            f"{sides[1] if resolution is None else resolution}print({at})\n"
            for at, (sides, resolution) in enumerate(conflicts)
        ),
        context=MergeContext(3, 2, 1, 4, 5, 6, True, False),
        conflicts=known,
    )


def case_of(*files: FileExample) -> Case:
    return Case(files, frozenset(countable(files)))


def python_file(*conflicts: Sides) -> MergedFile:
    return parse(file_of(conflicts))


def test_each_tool_is_right_where_it_says_what_people_committed() -> None:
    files = example([(CLASH, "total =   3\n"), (CLASH, CLASH[1]), (CLEAN, "f(x, y)\n"), (CLASH, "new = 1\n")])
    found = outcomes_of(case_of(files), {TOOL: FakeResolver()}, EvaluationOptions())
    first = {tool: [one.right()[:1] for one in outcomes] for tool, outcomes in found.conflicts.items()}
    assert first[TOOL] == [(True,), (False,), (False,), (False,)]
    assert first[OURS] == [(False,), (True,), (False,), (False,)]
    assert first[THEIRS] == [(True,), (False,), (False,), (False,)]
    assert first[TOKENS] == [(), (), (True,), ()]
    assert first[GIT] == [(), (), (), ()]
    assert found.conflicts[TOOL][1].right() == (False, True, False, False)
    assert not any(found.conflicts[TOOL][3].right())


def test_each_resolution_is_judged_by_the_strictest_level_at_which_it_is_right() -> None:
    texts = {
        "total = 3\n": Level.BYTES,
        "total =   3\n": Level.SPACE,
        "total = 3  # c\n": Level.CODE,
        "x\n": None,
    }
    for text, level in texts.items():
        outcome = outcomes_of(case_of(example([(CLASH, text)])), {}, EvaluationOptions()).conflicts[THEIRS][0]
        assert outcome.levels == (level,)


def test_merges_that_were_thrown_away_are_told() -> None:
    files = [replace(example([(CLASH, CLASH[1])], path=f"{at}.py"), is_discarded=bool(at)) for at in range(2)]
    found = outcomes_of(case_of(*files), {}, EvaluationOptions()).conflicts[OURS]
    assert [one.is_cleaned for one in found] == [True, False]


def test_only_conflicts_that_count_are_judged() -> None:
    files = example([(CLASH, None), (CLASH, CLASH[1])])
    assert countable([files]) == [ConflictId("own/er", "m1", "app.py", 1)]
    outcomes = outcomes_of(case_of(files), {TOOL: FakeResolver()}, EvaluationOptions()).conflicts
    assert {tool: len(found) for tool, found in outcomes.items()} == dict.fromkeys(
        (TOOL, OURS, THEIRS, TOKENS, GIT), 1
    )


def test_a_merge_is_asked_at_once_and_with_the_whole_versions() -> None:
    resolver = FakeResolver()
    files = [example([(CLASH, CLASH[1])], path=path) for path in ("a.py", "b.py")]
    outcomes_of(case_of(*files), {TOOL: resolver}, EvaluationOptions())
    ((asked, _),) = resolver.calls
    assert [file.path for file in asked] == ["a.py", "b.py"]
    assert [file.stages for file in asked] == [one.stages for one in files]
    assert [(file.context, file.history) for file in asked] == [(one.context, one.history) for one in files]


def test_each_file_alone_as_the_driver_does() -> None:
    resolver = FakeResolver()
    files = [example([(CLASH, CLASH[1])], path=path) for path in ("a.py", "b.py")]
    outcomes = outcomes_of(case_of(*files), {TOOL: resolver}, EvaluationOptions(one_file=True))
    assert [[file.path for file in asked] for asked, _ in resolver.calls] == [["a.py"], ["b.py"]]
    assert len(outcomes.conflicts[TOOL]) == 2


def test_nothing_of_the_merge_is_told_when_asked_not_to() -> None:
    resolver = FakeResolver()
    one = example([(CLASH, CLASH[1])])
    outcomes_of(case_of(one), {TOOL: resolver}, EvaluationOptions(with_history=False))
    asked = resolver.calls[0][0][0]
    assert (asked.context, asked.history) == (None, None)


def test_a_file_is_right_as_a_whole_once_its_best_resolutions_are_in_place() -> None:
    """The fake takes theirs everywhere, and is sure of what holds "total"."""
    theirs = example([(CLASH, CLASH[2]), (CLEAN, CLEAN[2])])
    other = example([(CLASH, CLASH[1])], path="b.py")
    found = outcomes_of(case_of(theirs, other), {TOOL: FakeResolver(sure=("total",))}, EvaluationOptions())
    assert [(one.tier, one.level) for one in found.files[TOOL]] == [
        (Tier.SUGGESTED, Level.BYTES),
        (Tier.APPLIED, None),
    ]


def test_what_is_applied_is_noted_with_its_confidence() -> None:
    files = example([(CLASH, CLASH[2]), (CLEAN, "f(x, y)\n")])
    sure, unsure = outcomes_of(
        case_of(files), {TOOL: FakeResolver(sure=("total",))}, EvaluationOptions()
    ).conflicts[TOOL]
    assert (sure.tier, sure.confidence, sure.intact) == (Tier.APPLIED, 0.97, True)
    assert (unsure.tier, unsure.confidence, unsure.intact) == (Tier.SUGGESTED, 0.6, None)


def test_syntax_is_compared_with_the_better_side() -> None:
    syntax = FileSyntax(python_file(CLASH, BROKEN), by_name("python"))
    assert syntax.errors({}) == 0
    assert syntax.parses(0, "total = 4\n") is True
    assert syntax.parses(1, BROKEN[2]) is False
    assert syntax.is_intact({0: "total = 4\n"}) is True
    assert syntax.is_intact({0: "total = 4\n", 1: BROKEN[2]}) is False


def test_errors_that_both_sides_have_are_not_charged() -> None:
    syntax = FileSyntax(python_file(("a = 1\n", "a = (\n", "b = (\n")), by_name("python"))
    assert syntax.parses(0, "c = (\n") is True


def test_no_grammar_no_verdict() -> None:
    syntax = FileSyntax(python_file(CLASH), by_name("text"))
    assert syntax.parses(0, "(") is None
    assert syntax.is_intact({0: "("}) is None


def test_an_applied_resolution_that_breaks_the_file_is_seen() -> None:
    files = example([(BROKEN, BROKEN[1]), (CLEAN, "f(x, y)\n")])
    applied, left = outcomes_of(
        case_of(files), {TOOL: FakeResolver(sure=("total",))}, EvaluationOptions()
    ).conflicts[TOOL]
    assert (applied.tier, applied.parses, applied.intact) == (Tier.APPLIED, False, False)
    assert left.intact is None


def test_the_token_merge_answers_only_where_it_is_clean() -> None:
    clash, clean = python_file(CLASH, CLEAN).conflicts
    assert token_merge(clash, by_name("python")).texts == ()
    assert token_merge(clean, by_name("python")).texts == ("f(x, y)\n",)


def test_rows_are_aligned() -> None:
    assert padded_table([["name", "a", "bb"], ["a long heading"], ["x", "100", "2"]]) == (
        "name    a  bb\na long heading\nx     100   2"
    )


def mined(folder: Path, files: Sequence[FileExample], split: str = "test") -> Path:
    """A folder as the miner fills it."""
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([one.to_json() for one in files]), folder / "examples.parquet")
    names = {one.repository: split for one in files} | {"other/one": "train"}
    (folder / "splits.json").write_text(json.dumps(names), encoding="utf-8")
    return folder


def several() -> list[FileExample]:
    """Four repositories of three merges each, the resolutions theirs and ours in turns."""
    return [
        example(
            [(CLASH, CLASH[1 + (number + at) % 2]), (CLEAN, "f(x, y)\n")],
            repository=f"own/{number}",
            merge=f"m{at}",
        )
        for number in range(4)
        for at in range(3)
    ]


def evaluate(*arguments: object) -> int:
    parser = ArgumentParser()
    add_evaluate_arguments(parser)
    return run_evaluate(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def fake_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = {TOOL: FakeResolver(sure=("total",)), WITHOUT_NETWORK: FakeResolver()}
    monkeypatch.setattr(evaluate_command, "load_tools", lambda options: tools)
    monkeypatch.setattr(evaluate_command, "repositories_known", lambda bundle, wanted: [])


@pytest.mark.usefixtures("fake_tools")
def test_the_command_prints_a_table_and_writes_json_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = mined(tmp_path / "mined", several())
    out, plots = tmp_path / "figures.json", tmp_path / "plots"
    assert evaluate(examples, "--jobs", 1, "--json", out, "--plots", plots) == 0
    text = capsys.readouterr().out
    for part in (
        "six languages: conflicts 24, merges 12, repositories 4",
        "python: conflicts 24",
        *(TOOL, OURS, TOKENS, GIT),
    ):
        assert part in text
    report = json.loads(out.read_text(encoding="utf-8"))
    found = report["figures"]["all languages"]
    assert found[TOOL]["accuracy@1"]["value"] == 0.25
    assert found[TOKENS]["accuracy@1"]["value"] == found[TOKENS]["coverage"]["value"] == 0.5
    assert found[GIT]["accuracy@1"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found[TOOL]["precision"]["value"] == 0.5
    assert report["differences"]["all languages"]["accuracy@1"]["value"] == 0
    assert report["counts"]["conflicts counted"] == 24
    assert sorted(path.name for path in plots.iterdir()) == [
        "reliability.png",
        "reliability.svg",
        "risk-coverage.png",
        "risk-coverage.svg",
    ]


@pytest.mark.usefixtures("fake_tools")
def test_fewer_merges_and_repositories_on_request(tmp_path: Path) -> None:
    examples = mined(tmp_path / "mined", several())
    out = tmp_path / "figures.json"
    evaluate(
        examples, "-j", 1, "--json", out, "--limit-per-repository", 2, "--repositories", "own/1", "own/3"
    )
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["repositories"] == ["own/1", "own/3"]
    assert report["counts"]["merges"] == 4
    assert set(report["by repository"]) == {"own/1", "own/3"}


@pytest.mark.usefixtures("fake_tools")
def test_a_repository_of_another_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="other/one is not in the test split"):
        evaluate(mined(tmp_path / "mined", several()), "--repositories", "other/one")


@pytest.mark.usefixtures("fake_tools")
def test_nothing_to_measure_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no located conflict"):
        evaluate(mined(tmp_path / "mined", [example([(CLASH, None)])]), "-j", 1)


def test_real_bundles_give_the_same_figures_in_one_process_and_in_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", known=("own/2",))
    examples = mined(tmp_path / "mined", several())
    reports = []
    for jobs in (1, 2):
        out = tmp_path / f"{jobs}.json"
        evaluate(examples, "-j", jobs, "--json", out, "--bundle", bundle, "--baseline", bundle)
        reports.append(json.loads(out.read_text(encoding="utf-8")))
    assert reports[0] == reports[1]
    assert reports[0]["repositories the bundle knows"] == ["own/2"]
    assert "NOT A TEST: the bundle was trained or tuned on own/2" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--bundle", "--baseline"])
def test_a_broken_bundle_is_refused_before_anything_is_ranked(tmp_path: Path, option: str) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "bundle.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelBundleError, match=r"broken"):
        evaluate(mined(tmp_path / "mined", several()), "-j", 2, "--bundle", bundle, option, broken)


@pytest.mark.parametrize(
    ("write", "said"), [(write_endless, "took longer than"), (write_large, "more memory")]
)
def test_a_network_takes_neither_all_time_nor_all_memory(
    write: Callable[[Path], None],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluate_command, "PATIENCE", 2.0)
    bundle = write_bundle(tmp_path / "bundle", {"network share": 9.0}, classes={"lines:theirs": 6.0})
    write(bundle)
    words = ["evaluate", mined(tmp_path / "mined", several()), "-j", "1", "--bundle", bundle]
    words += ["--json", tmp_path / "figures.json"]
    assert main(list(map(str, words))) == 2
    complaint = capfd.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "figures.json").exists()


def test_a_bundle_that_no_process_can_load_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle = write_bundle(tmp_path / "bundle", {"network share": 9.0}, classes={"lines:theirs": 6.0})
    (bundle / MODEL).write_bytes(b"junk")
    sign(bundle)
    examples = mined(tmp_path / "mined", several())
    assert main(["evaluate", str(examples), "-j", "2", "--bundle", str(bundle)]) == 2
    complaint = capfd.readouterr().err
    assert complaint.startswith("mergebert evaluate: ")
    assert complaint.count("\n") == 1
