"""What the worker answers, with the model that ships and repositories made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mergebert.errors import GitError, InputError, ModelBundleError
from mergebert_lsp.worker.feedback_log import feedback_folder
from mergebert_lsp.worker.messages import EditorText, RankingTask, StaleError, WorkerSettings
from mergebert_lsp.worker.ranking import NEAR, Ranking
from tests.conftest import Repository
from tests.lsp.worker.test_feedback_log import examples_in

pytestmark = pytest.mark.usefixtures("shipped_bundle")

Reports = list[dict[str, Any]]


class Asking:
    """A ranking, and how far it got."""

    def __init__(self) -> None:
        self.checks = 0
        self.settled = 0
        self.stale_after: int | None = None
        self.told: list[str] = []
        self.ranking = Ranking(self._check, self._settle, self.told.append)
        self._generation = 0

    def _check(self, done: int, of: int) -> None:
        self.checks += 1
        if self.stale_after is not None and self.checks > self.stale_after:
            raise StaleError

    def _settle(self) -> None:
        self.settled += 1

    def __call__(
        self,
        texts: dict[str, EditorText | None],
        settings: WorkerSettings | None = None,
        folders: tuple[str, ...] = (),
        saved: tuple[str, ...] = (),
    ) -> Reports:
        self._generation += 1
        self.ranking.take(RankingTask(self._generation, texts, settings or WorkerSettings(), folders, saved))
        return [report for report in self.ranking.reports() if report["kind"] == "offers"]


@pytest.fixture(scope="module")
def shared() -> Asking:
    """One ranking whose model is loaded once; its texts are closed by each test."""
    return Asking()


@pytest.fixture
def ask(shared: Asking) -> Iterator[Asking]:
    yield shared
    shared.stale_after = None
    shared(dict.fromkeys([*shared.ranking._merges._texts]))


def conflict(number: int) -> str:
    return (
        f"<<<<<<< main\nx{number} = compute(1)\n||||||| base\nx{number} = compute(0)\n"
        f"=======\nx{number} = compute(2)\n>>>>>>> feature\n"
    )


def unsaved(text: str) -> EditorText:
    return EditorText(text, None, "untitled.py")


def saved(path: Path) -> EditorText:
    return EditorText(path.read_text(encoding="utf-8"), str(path), path.name)


def first_answered(path: Path) -> EditorText:
    """The file with ours in the place of its first conflict."""
    text = path.read_text(encoding="utf-8")
    after = text.split(">>>>>>> theirs\n", 1)[1]
    return EditorText(text.split("<<<<<<<")[0] + "    return 1 + 0\n" + after, str(path), path.name)


def suggestions(reports: Reports, at: int = 0) -> list[list[list[Any]]]:
    return [suggested["suggestions"] for suggested in reports[-1]["files"][at]["suggested"]]


@pytest.fixture
def merging(repository: Repository) -> Repository:
    base = "".join(f"def f{at}():\n    return {at}\n\n\ndef gap{at}():\n    pass\n\n\n" for at in range(3))
    ours = base.replace("return", "return 1 +")
    theirs = base.replace("return", "return 2 +")
    repository.diverge(
        {"app.py": base, "b.py": "b = 0\n", "c.bin": b"\0a"},
        {"app.py": ours, "b.py": "b = 1\n", "c.bin": b"\0b"},
        {"app.py": theirs, "b.py": "b = 2\n", "c.bin": b"\0c"},
    )
    assert repository.run("merge", "theirs").returncode == 1
    return repository


def test_a_text_without_a_file_is_answered_and_learns(ask: Asking) -> None:
    text = "".join(f"# {at}\n\n\n{conflict(at)}\n\n\n" for at in range(4))
    before = ask({"u": unsaved(text)})
    after = ask({"u": unsaved(text.replace(conflict(0), "x0 = compute(1)\n"))})

    assert [len(report["files"][0]["suggested"]) for report in before] == [4]
    assert [report["files"][0]["answered"] for report in after] == [1]
    assert len(suggestions(after)) == 3
    assert suggestions(after)[0][0][2] == "ours"
    assert suggestions(after)[0][0][1] > suggestions(before)[1][0][1]


def test_the_answer_in_a_file_counts_in_the_other_files_of_its_merge(
    ask: Asking, merging: Repository
) -> None:
    app = merging.path / "app.py"
    before = ask({"file:a": saved(app)})
    answered = EditorText(
        app.read_text().split("<<<<<<<")[0]
        + "    return 1 + 0\n"
        + app.read_text().split(">>>>>>> theirs\n", 1)[1],
        str(app),
        "app.py",
    )
    after = ask({"file:a": answered})

    other = [one for one in after[-1]["files"] if one["path"] == str(merging.path / "b.py")]
    assert [len(report["files"]) for report in before] == [1, 2]  # the text first, then the rest of the merge
    assert after[-1]["files"][0]["answered"] == 1
    assert other[0]["suggested"] != before[-1]["files"][1]["suggested"]
    assert other[0]["text"].startswith("<<<<<<<")
    assert ask.ranking.others == [str(merging.path / "b.py")]


def test_a_file_that_is_opened_through_a_link_to_its_folder_counts_once(
    ask: Asking, merging: Repository, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(merging.path, target_is_directory=True)
    report = ask({"file:a": saved(link / "app.py")})[-1]
    assert [Path(file["path"]).name for file in report["files"]] == ["app.py", "b.py"]


def test_the_default_style_is_answered_with_the_base_of_the_index(ask: Asking, merging: Repository) -> None:
    app = saved(merging.path / "app.py")
    assert "|||||||" not in app.text
    [suggested, *_] = ask({"file:a": app})[-1]["files"][0]["suggested"]
    assert suggested["choices"]["base"] == "    return 0\n"
    assert suggested["sides"][0] == "    return 0\n"
    assert suggested["text"].startswith("<<<<<<< HEAD\n")


def test_a_final_newline_that_git_added_is_taken_away_again(ask: Asking, repository: Repository) -> None:
    repository.diverge({"a.py": "a = 0"}, {"a.py": "a = 1"}, {"a.py": "a = 2"})
    assert repository.run("merge", "theirs").returncode == 1
    [suggested] = ask({"file:a": saved(repository.path / "a.py")})[-1]["files"][0]["suggested"]
    assert suggested["choices"]["ours"] == "a = 1"
    assert suggested["choices"]["none"] == ""
    assert all(not text.endswith("\n") for text, *_ in suggested["suggestions"])


def test_only_the_merge_that_changed_is_answered_again(ask: Asking) -> None:
    one, other = unsaved(conflict(1)), unsaved(conflict(2))
    assert len(ask({"u": one, "v": other})) == 2
    assert [report["files"][0]["uri"] for report in ask({"v": unsaved("#\n" + conflict(2))})] == ["v"]
    assert ask({}) == []


def test_a_new_index_is_seen(ask: Asking, merging: Repository) -> None:
    app = saved(merging.path / "app.py")
    assert "base" in ask({"file:a": app})[-1]["files"][0]["suggested"][0]["choices"]
    merging.git("add", "app.py")
    assert (
        "base"
        not in ask({"file:a": EditorText(app.text + "#\n", app.path, app.name)})[-1]["files"][0]["suggested"][
            0
        ]["choices"]
    )


def test_a_whole_merge_is_answered_for_a_folder(ask: Asking, merging: Repository) -> None:
    [report] = ask({}, folders=(str(merging.path), str(merging.path)))
    assert [Path(one["path"]).name for one in report["files"]] == ["app.py", "b.py"]
    assert ask({}, folders=(str(merging.path.parent),)) == []


def test_what_is_near_an_edit_is_answered_first(ask: Asking) -> None:
    count = 2 * NEAR + 6
    text = "".join(f"# {at}\n\n\n{conflict(at)}\n\n\n" for at in range(count))
    ask({"u": unsaved(text)})
    settled = ask.settled
    near, everything = ask({"u": unsaved(text.replace(conflict(20), "x20 = compute(1)\n"))})

    assert ask.settled == settled + 1
    assert near["is_part"]
    assert len(near["files"][0]["suggested"]) == NEAR
    assert {
        f"x{at} " in suggested["text"]
        for at, suggested in zip((15, 16), near["files"][0]["suggested"], strict=False)
    }
    assert len(everything["files"][0]["suggested"]) == count - 1
    whole = {suggested["text"]: suggested["suggestions"] for suggested in everything["files"][0]["suggested"]}
    assert all(
        whole[suggested["text"]] == suggested["suggestions"] for suggested in near["files"][0]["suggested"]
    )


def test_work_that_was_called_off_is_not_done_twice(ask: Asking) -> None:
    text = "".join(f"# {at}\n\n\n{conflict(100 + at)}\n\n\n" for at in range(8))
    ask.stale_after = ask.checks + 4
    with pytest.raises(StaleError):
        ask({"u": unsaved(text)})
    resolver, _ = ask.ranking._models.of(None)
    held = len(resolver._outlines)
    ask.stale_after = None
    assert held
    assert len(ask({"u": unsaved(text)})[-1]["files"][0]["suggested"]) == 8


def test_a_setting_is_taken_over_at_once(ask: Asking) -> None:
    text = unsaved(conflict(1))
    assert len(suggestions(ask({"u": text}, WorkerSettings(suggestions=2)))[0]) == 2
    [report] = ask({}, WorkerSettings(max_error=1.0))
    assert report["files"][0]["suggested"][0]["is_sure"]
    [report] = ask({}, WorkerSettings(max_error=0.0))
    assert not report["files"][0]["suggested"][0]["is_sure"]


def test_a_model_that_is_missing_is_an_error_each_time_and_can_be_put_right(tmp_path: Path) -> None:
    ask = Asking()
    for _ in range(2):
        with pytest.raises(ModelBundleError):
            ask({"u": unsaved(conflict(1))}, WorkerSettings(bundle=str(tmp_path)))
    assert ask({}, WorkerSettings())


def test_each_work_tree_has_the_settings_of_its_own_configuration(ask: Asking, merging: Repository) -> None:
    def sure(name: str, found: Reports) -> bool:
        files = [file for report in found for file in report["files"] if name in (file["uri"], file["path"])]
        return bool(files[-1]["suggested"][0]["is_sure"])

    texts: dict[str, EditorText | None] = {
        "file:a": saved(merging.path / "app.py"),
        "u": unsaved(conflict(1)),
    }
    merging.git("config", "mergebert.maxError", "1")
    found = ask(texts, WorkerSettings(suggestions=1))
    assert sure("file:a", found)
    assert not sure("u", found)
    assert not sure("file:a", ask({}, WorkerSettings(max_error=0.0)))

    merging.git("config", "mergebert.maxError", "much")
    with pytest.raises(InputError, match="maxError in git config"):
        ask({}, WorkerSettings(suggestions=1))
    assert ask(
        {"u": unsaved(conflict(2))}, WorkerSettings(max_error=0.0)
    )  # what the editor settings goes first


def test_one_work_tree_with_a_wrong_setting_is_no_concern_of_the_others(
    ask: Asking, merging: Repository
) -> None:
    merging.git("config", "mergebert.maxError", "much")
    ask.ranking.take(RankingTask(99, {"file:a": saved(merging.path / "app.py"), "u": unsaved(conflict(1))}))
    reports = ask.ranking.reports()
    assert next(reports)["kind"] == "facts"
    assert next(reports)["files"][0]["uri"] == "u"
    with pytest.raises(InputError):
        list(reports)


def test_a_work_tree_with_a_broken_index_is_no_concern_of_the_others(
    ask: Asking, merging: Repository
) -> None:
    path = merging.path / "app.py"
    text = saved(path)
    (merging.path / ".git" / "index").write_bytes(b"broken")
    ask.ranking.take(RankingTask(1, {path.as_uri(): text, "untitled:1": unsaved(conflict(1))}))
    reports = ask.ranking.reports()
    answered: list[str] = []
    with pytest.raises(GitError, match="index"):
        answered += (file["uri"] for report in reports for file in report.get("files", ()))
    assert answered == [path.as_uri(), "untitled:1"]


def test_jj_conflicts_are_answered_in_their_place(ask: Asking) -> None:
    text = (
        "a\n<<<<<<< conflict 1 of 1\n%%%%%%% diff from: base\n\\\\\\\\\\\\\\        to: side\n-x = 0\n+x = 1\n"
        "+++++++ other\nx = 2\n>>>>>>> conflict 1 of 1 ends\nb\n"
    )
    [suggested] = ask({"u": unsaved(text)})[-1]["files"][0]["suggested"]
    assert suggested["text"] == text[2:-2]
    assert {text for text, *_ in suggested["suggestions"]} & {"x = 1\n", "x = 2\n"}


def test_choices_are_kept_on_request_alone(ask: Asking, merging: Repository, tmp_path: Path) -> None:
    app = merging.path / "app.py"
    answered = first_answered(app)

    for settings, count in ((WorkerSettings(), 0), (WorkerSettings(feedback=True), 1)):
        ask({"file:a": saved(app)}, settings)
        ask({"file:a": answered}, settings)
        ask({}, settings, saved=("file:a",))
        ask({}, settings, saved=("file:a",))
        assert len(examples_in(feedback_folder())) == count
    [example] = examples_in(feedback_folder())
    assert example.conflicts[0].resolution == "    return 1 + 0\n"
    assert example.path == "app.py"


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_choice_is_kept_though_its_task_was_called_off_or_its_text_closed(
    ask: Asking, merging: Repository, is_closed: bool
) -> None:
    app, settings = merging.path / "app.py", WorkerSettings(feedback=True)
    ask({"file:a": saved(app)}, settings)
    ask({"file:a": first_answered(app)}, settings)
    ask.ranking.take(RankingTask(98, {}, settings, saved=("file:a",)))  # nobody waits for its reports

    ask({"file:a": None} if is_closed else {}, settings)
    assert len(examples_in(feedback_folder())) == 1


def test_large_and_binary_and_torn_texts_are_left_alone(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    torn = conflict(1).replace(">>>>>>> feature\n", "")
    assert ask({"u": unsaved(torn)}) == []
    monkeypatch.setattr("mergebert_lsp.worker.merges.LARGEST_TEXT", 10)
    assert ask({"u": unsaved(conflict(1))}) == []


def test_of_a_merge_no_more_is_read_than_memory_holds(
    ask: Asking, merging: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = merging.path / "b.py"
    both = len(b.read_text()) + len("b = 0\n") * 3
    for room, wanted in ((both + 1, ["app.py", "b.py"]), (both, ["app.py"]), (0, ["app.py"])):
        text = saved(merging.path / "app.py")
        monkeypatch.setattr("mergebert_lsp.worker.merges.MOST_CHARACTERS", room + len(text.text))
        report = ask({"file:a": text})[-1]
        assert [Path(file["path"]).name for file in report["files"]] == wanted
        ask({"file:a": None})


def test_memory_is_given_back_when_texts_are_closed(ask: Asking, merging: Repository) -> None:
    ask({"file:a": saved(merging.path / "app.py"), "u": unsaved(conflict(1))})
    ask({"file:a": None, "u": None})
    merges = ask.ranking._merges
    assert not merges._texts
    assert not merges._before
    assert not [name for name in merges._reconciled if name in ("file:a", "u")]
    assert not ask.ranking._feedback._texts
    assert not ask.ranking._ranked
