from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert.errors import ModelBundleError
from mergebert.ranking.bundle import MANIFEST, MODEL, RANKER
from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolution import RankedConflict
from mergebert.ranking.resolver import Resolver
from mergebert.text.candidates import candidates, whitespace_key
from mergebert.text.languages import language_of
from mergebert.text.markers import MergedFile, parse, render, resolved
from mergebert.text.tokens import is_space, tokenize
from mergebert.tiers import ErrorBudgets
from tests.mergebert.ranking.risks import plain_risk
from tests.mergebert.strategies import conflict_of, merged_files
from tests.mergebert.tiny_bundle import CALIBRATION, write_bundle

FIRST_BELIEF = {"is lines:ours": 3.0, "is lines:theirs": 1.0}
LIKES_OURS = {"is lines:ours": 4.0, "is lines:theirs": 2.0, "keeps_added": 0.1}
ONE = conflict_of("a = 1\n", "a = 2\n", "a = 3\n")
TWO = conflict_of("call(x)\n", "call(y)\n", "call(z)\n")


def file_of(*parts: object, path: str = "a.py") -> FileMerge:
    return FileMerge(path, MergedFile(tuple(parts)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def resolver(folder: Path) -> Resolver:
    """One that likes ours best and theirs next, and has no network."""
    return Resolver.load(write_bundle(folder / "ours", LIKES_OURS, FIRST_BELIEF))


@pytest.fixture(scope="module")
def neural(folder: Path) -> Resolver:
    """One that believes its network, which likes theirs."""
    bundle = write_bundle(folder / "neural", {"network share": 9.0}, classes={"lines:theirs": 6.0})
    return Resolver.load(bundle)


@pytest.fixture(scope="module")
def learner(folder: Path) -> Resolver:
    """One that likes ours until a person answers otherwise."""
    ranker = {"is lines:ours": 1.0, "answers kind": 6.0, "file_answers kind": 1.0}
    return Resolver.load(write_bundle(folder / "learner", ranker, FIRST_BELIEF))


def best(ranked: RankedConflict) -> str:
    return ranked.resolutions[0].text


@given(files=st.lists(merged_files(), max_size=3), path=st.sampled_from(["a.py", "b/c.java", "d.txt"]))
@settings(max_examples=40)
def test_every_conflict_gets_all_its_candidates_ranked(
    resolver: Resolver, neural: Resolver, files: list[MergedFile], path: str
) -> None:
    for one in (resolver, neural):
        ranked = one.rank([FileMerge(path, merged) for merged in files])
        assert [len(conflicts) for conflicts in ranked] == [len(merged.conflicts) for merged in files]
        for conflicts, merged in zip(ranked, files, strict=True):
            for found, conflict in zip(conflicts, merged.conflicts, strict=True):
                assert found.conflict == conflict
                proposed = [option.text for option in candidates(conflict, language_of(path))]
                shown = [same for first in found.resolutions for same in (first, *first.variants)]
                assert sorted(option.text for option in shown) == sorted(proposed)
                confidences = [option.confidence for option in found.resolutions]
                assert confidences == sorted(confidences, reverse=True)
                assert all(0.0 <= confidence <= 1.0 for confidence in confidences)
                assert all(option.method and option.pattern for option in found.resolutions)


def accepted_file(file: FileMerge, ranked: Sequence[RankedConflict]) -> MergedFile:
    """The file with every accepted resolution in place; the other conflicts as they were."""
    return resolved(file.merged, {at: best(one) for at, one in enumerate(ranked) if one.accepted})


@given(merged=merged_files(), max_error=st.floats(0, 1))
@settings(max_examples=40)
def test_what_is_applied_is_never_invented(resolver: Resolver, merged: MergedFile, max_error: float) -> None:
    language = language_of("a.java")

    def tokens(text: str) -> Counter[str]:
        return Counter(token for token in tokenize(text, language) if not is_space(token))

    file = FileMerge("a.java", merged)
    [ranked] = resolver.rank([file], ErrorBudgets(max_error))
    for one in ranked:
        known = sum(map(tokens, one.conflict.sides), Counter())
        assert not one.accepted or not tokens(best(one)) - known
    applied = accepted_file(file, ranked)
    assert len(applied.conflicts) == sum(not one.accepted for one in ranked)
    assert [part for part in applied.parts if part in merged.conflicts] == (
        [one.conflict for one in ranked if not one.accepted]
    )


@given(merged=merged_files())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_twice(neural: Resolver, merged: MergedFile) -> None:
    assert neural.rank([FileMerge("a.java", merged)]) == neural.rank([FileMerge("a.java", merged)])


def test_the_ranker_decides(resolver: Resolver) -> None:
    [[one]] = resolver.rank([file_of("x = 0\n", ONE)])
    assert [option.text for option in one.resolutions[:2]] == ["a = 2\n", "a = 3\n"]
    assert (one.resolutions[0].method, one.resolutions[0].pattern) == ("lines", "ours")


def test_the_network_is_heard(neural: Resolver) -> None:
    [[one]] = neural.rank([file_of(ONE)])
    assert best(one) == "a = 3\n"


def test_nothing_to_do(resolver: Resolver) -> None:
    assert resolver.rank([]) == []
    assert resolver.rank([file_of("fine\n"), file_of()]) == [[], []]


def test_the_error_budget_decides_what_is_applied(resolver: Resolver) -> None:
    """The curve of the bundle allows thresholds 0.9, 0.5 and 0.3 for errors of 1, 4 and 30 percent."""
    [[sure]] = resolver.rank([file_of(ONE)])
    assert 0.5 < sure.resolutions[0].confidence < 0.9
    assert sure.accepted
    for max_error, accepted in ((0.0, False), (0.01, False), (0.3, True)):
        [[one]] = resolver.rank([file_of(ONE)], ErrorBudgets(max_error))
        assert one.accepted is accepted


def test_a_confidence_at_the_threshold_is_enough(folder: Path) -> None:
    calibration = {"best": [(0.0, 0.5), (1.0, 0.5)], "risk": plain_risk((0.5, 1.0, 0.05))}
    exact = Resolver.load(write_bundle(folder / "exact", LIKES_OURS, calibration=calibration))
    [[one]] = exact.rank([file_of(ONE)])
    assert (one.resolutions[0].confidence, one.accepted) == (0.5, True)


def test_no_other_candidate_is_more_likely_than_the_best(folder: Path) -> None:
    calibration = {"best": [(0.0, 0.1), (1.0, 0.1)]}
    capped = Resolver.load(write_bundle(folder / "capped", LIKES_OURS, calibration=CALIBRATION | calibration))
    [[one]] = capped.rank([file_of(ONE)])
    confidences = [resolution.confidence for resolution in one.resolutions]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] == 0.1
    assert sum(confidences) <= 1.0


def test_accepted_resolutions_stand_in_the_file(resolver: Resolver) -> None:
    file = file_of("x = 0\n", ONE, "y = 0\n", TWO, "z = 0")
    [ranked] = resolver.rank([file])
    assert [one.accepted for one in ranked] == [True, True]
    assert render(accepted_file(file, ranked)) == "x = 0\na = 2\ny = 0\ncall(y)\nz = 0"

    [careful] = resolver.rank([file], ErrorBudgets(0.0))
    assert accepted_file(file, careful) == file.merged


def test_answers_teach_the_rest_of_the_merge(learner: Resolver) -> None:
    files = [file_of(ONE, "\n", TWO), file_of(TWO, path="b.py")]
    [[_, before], [elsewhere]] = learner.rank(files)
    assert (best(before), best(elsewhere)) == ("call(y)\n", "call(y)\n")

    [[_, after], [elsewhere]] = learner.rank(files, answers={(0, 0): "a = 3\n"})
    assert (best(after), best(elsewhere)) == ("call(z)\n", "call(z)\n")

    [[_, other], _] = learner.rank(files, answers={(0, 0): "a  =  3"})
    assert best(other) == "call(z)\n"


def test_an_answer_says_nothing_about_its_own_conflict(learner: Resolver) -> None:
    [[alone]] = learner.rank([file_of(ONE)], answers={(0, 0): "a = 3\n"})
    assert best(alone) == "a = 2\n"


def test_what_breaks_the_file_is_not_applied(folder: Path) -> None:
    """Ours and theirs parse, the two together do not."""
    greedy = Resolver.load(write_bundle(folder / "greedy", {"is lines:ours+theirs": 9.0}))
    broken = conflict_of("f(\n", "f(1,\n", "f(2,\n")
    fine = conflict_of("", "import a\n", "import b\n")
    file = file_of(fine, "x = 0\n", broken, "3)\n")
    [ranked] = greedy.rank([file])
    assert [best(one) for one in ranked] == ["import a\nimport b\n", "f(1,\nf(2,\n"]
    assert [one.accepted for one in ranked] == [True, False]
    assert ranked[1].resolutions[0].confidence > 0.9


def test_a_file_that_parses_on_no_side_may_stay_broken(folder: Path) -> None:
    greedy = Resolver.load(write_bundle(folder / "greedy too", {"is lines:ours": 9.0}))
    file = file_of("def (:\n", ONE)
    [[one]] = greedy.rank([file])
    assert one.accepted


def test_what_has_no_grammar_is_not_judged(folder: Path) -> None:
    weights = {"is lines:ours+theirs": 9.0}
    greedy = Resolver.load(write_bundle(folder / "greedy text", weights, languages=["text"]))
    [[one]] = greedy.rank([file_of(conflict_of("f(\n", "f(1,\n", "f(2,\n"), path="a.txt")])
    assert one.accepted


def test_a_language_nobody_measured_is_ranked_and_left_to_a_person(resolver: Resolver) -> None:
    [[one], [other]] = resolver.rank([file_of(ONE, path="a.rb"), file_of(ONE)])
    assert best(one) == best(other) == "a = 2\n"
    assert (one.accepted, other.accepted) == (False, True)


def test_conflicts_without_base_are_ranked(resolver: Resolver) -> None:
    text = "x\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\ny\n"
    [[one]] = resolver.rank([FileMerge("a.txt", parse(text))])
    assert best(one) == "a\n"


def test_bytes_that_are_no_text_are_ranked(neural: Resolver) -> None:
    odd = conflict_of("\udce9\n", "\udce9 \udcff\n", "x\udce9\n")
    [[one]] = neural.rank([file_of("\udc80\n", odd, path="a.c")])
    assert {whitespace_key(text) for text in odd.sides} <= {whitespace_key(o.text) for o in one.resolutions}


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", LIKES_OURS)
    (bundle / RANKER).write_bytes(b"")
    with pytest.raises(ModelBundleError):
        Resolver.load(bundle)


@pytest.mark.parametrize("name", [RANKER, MODEL])
def test_a_file_that_is_no_model_is_refused_even_if_its_digest_is_right(tmp_path: Path, name: str) -> None:
    bundle = write_bundle(tmp_path / "bundle", LIKES_OURS, classes={"empty": 1.0})
    (bundle / name).write_bytes(b"no model")
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"][name] = sha256(b"no model").hexdigest()
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelBundleError, match=r"cannot be loaded"):
        Resolver.load(bundle)


def test_what_is_applied_never_runs_into_the_next_line(folder: Path) -> None:
    greedy = Resolver.load(write_bundle(folder / "greedy tokens", {"tokens theirs-base": 9.0}))
    file = file_of("import os\n", conflict_of("old\n", "", "f(old)\n"), "end = 2\n")
    [[one]] = greedy.rank([file])
    assert one.accepted and "theirs-base" in one.resolutions[0].pattern
    assert render(accepted_file(file, [one])) == "import os\nf()\nend = 2\n"


def test_what_undoes_line_ends_that_a_side_turned_is_neither_best_nor_applied(shipped_bundle: Path) -> None:
    base = "package a\n\nfunc Add(a int) int {\n\treturn a + 1\n}\n"
    edited = base.replace("+ 1", "+ 2")
    mixed = edited.replace("{\n", "{\r\n")
    resolver = Resolver.load(shipped_bundle)

    def ranked(theirs: str) -> RankedConflict:
        file = file_of(conflict_of(base, base.replace("\n", "\r\n"), theirs), path="a.go")
        [[found]] = resolver.rank([file], ErrorBudgets(1.0))
        return found

    assert best(ranked(edited)) == edited.replace("\n", "\r\n")
    assert ranked(edited).accepted
    assert best(ranked(mixed)) == mixed
    assert not ranked(mixed).accepted
