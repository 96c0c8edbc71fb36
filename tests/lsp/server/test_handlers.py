"""A real server and the editors that it is made for: what each of them sees and does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp

from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.server import commands
from mergebert_lsp.server import session as session_module
from mergebert_lsp.server.session import Session, SessionEvents
from mergebert_lsp.server.supervisor import GAVE_UP, Supervisor
from mergebert_lsp.text.document_state import DocumentState, Edit
from tests.conftest import Repository
from tests.lsp.documents import document
from tests.lsp.editor import PACKAGES, PATIENCE, Editor, editor

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("shipped_bundle")]

PROFILES = ("visual_studio_code", "neovim", "emacs", "neovim@v0.6.1")
URI = "untitled:Untitled-1"


def conflict(ours: str, base: str, theirs: str) -> str:
    return f"<<<<<<< main\n{ours}||||||| base\n{base}=======\n{theirs}>>>>>>> feature\n"


TEXT = (
    "import os\n\n"
    + conflict("x = 1\n", "x = 0\n", "x = 2\n")
    + "\n\ndef shown(value):\n    return value\n\n"
    + conflict("y = 1\n", "y = 0\n", "y = 2\n")
    + "print('😀')\n\n\n"
    + conflict("z = 1\n", "z = 0\n", "z = 2\n")
)


@pytest.fixture
def merging(repository: Repository) -> Repository:
    """A merge that stopped at conflicts in two files."""
    base = "def total(items):\n    return sum(items)\n\n\nA = 0\nB = 0\nC = 0\n\n\ndef end():\n    return 1\n"
    ours = base.replace("sum(items)", "sum(items, start=0)").replace("    return 1", "    return 2")
    theirs = base.replace("items", "values").replace("    return 1", "    return 3")
    other = ("x = 1\n", "x = 2\n", "x = 3\n")
    repository.diverge(
        {"app.py": base, "other.py": other[0]},
        {"app.py": ours, "other.py": other[1]},
        {"app.py": theirs, "other.py": other[2]},
    )
    assert repository.run("merge", "theirs").returncode == 1
    return repository


@pytest.mark.parametrize("profile", PROFILES)
async def test_conflicts_are_reported_and_resolved_in_the_words_of_their_markers(profile: str) -> None:
    async with editor(profile) as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        found = one.diagnostics(URI)
        where = lsp.Range(lsp.Position(15, 0), lsp.Position(15, 0))
        actions = await one.client.text_document_code_action_async(
            lsp.CodeActionParams(lsp.TextDocumentIdentifier(URI), where, lsp.CodeActionContext([]))
        )
        [action] = [one for one in actions or () if one.title == "Take feature"]
        if isinstance(action, lsp.Command):  # an editor that knows commands alone
            assert (await one.command("accept", **action.arguments[0]))["applied"]  # type: ignore[index]
        else:
            await one.take(URI, 15, "Take feature")
        await one.settled(conflicts=2)

    assert [found[at].range.start.line for at in range(3)] == [2, 14, 24]
    assert all("main" in one.message and "feature" in one.message for one in found)
    assert all("yours" not in one.message and "Best suggestion" in one.message for one in found)
    assert all(one.source == "mergebert" and one.code == "conflict" for one in found)
    assert "y = 2\n" in one.text(URI)
    assert "y = 1\n" not in one.text(URI)


async def test_an_answer_teaches_the_conflicts_that_are_left() -> None:
    async with editor() as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        before = one.diagnostics(URI)
        await one.take(URI, 3, "Take main")
        await one.settled(conflicts=2)
        after = one.diagnostics(URI)

        assert "main" in after[0].message.partition("Best suggestion")[2]
        assert [one.data for one in after] != [one.data for one in before[1:]]


async def test_a_conflict_resolved_by_typing_teaches_too() -> None:
    async with editor() as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        before = [one.data for one in one.diagnostics(URI)]
        one.change(URI, one.text(URI).replace(conflict("x = 1\n", "x = 0\n", "x = 2\n"), "x = 1\n"))
        await one.settled(conflicts=2)

        assert [one.data for one in one.diagnostics(URI)] != before[1:]


def solved(path: Path) -> str:
    """The file after `mergebert solve` on the command line has resolved what is in it."""
    command = [sys.executable, "-P", "-m", "mergebert", "solve", "--max-error", "1", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    text = path.read_text(encoding="utf-8")
    assert "<<<<<<<" not in text, done.stdout
    return text


async def before_and_solved(one: Editor, app: Path, other: Path) -> tuple[list[Any], str]:
    """What is said of `app` while both files are open and in conflict, and `other` as `solve` writes it then."""
    for path in (app, other):
        one.open(path.as_uri(), path.read_text(encoding="utf-8"))
    await one.settled(conflicts=3)
    return [found.data for found in one.diagnostics(app.as_uri())], solved(other)


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
async def test_what_solve_puts_in_meanwhile_teaches_nothing(style: str, merging: Repository) -> None:
    merging.run("-c", f"merge.conflictStyle={style}", "checkout", "--merge", "--", "app.py", "other.py")
    app, other = (merging.path / name for name in ("app.py", "other.py"))
    async with editor(folder=merging.path) as one:
        before, text = await before_and_solved(one, app, other)
        one.change(other.as_uri(), text)
        await one.settled(conflicts=2)
        after = [found.data for found in one.diagnostics(app.as_uri())]
        one.change(other.as_uri(), "x = 3\n" if text == "x = 2\n" else "x = 2\n")
        await one.settled(conflicts=2)
        taught = [found.data for found in one.diagnostics(app.as_uri())]

    assert after == before
    assert taught != before


async def test_a_note_that_comes_after_the_text_is_read_too(merging: Repository) -> None:
    app, other = (merging.path / name for name in ("app.py", "other.py"))
    journal = merging.path / ".git" / "mergebert"
    async with editor(folder=merging.path) as one:
        before, text = await before_and_solved(one, app, other)
        journal.rename(journal.with_name("later"))
        one.change(other.as_uri(), text)
        await one.settled(conflicts=2)
        assert [found.data for found in one.diagnostics(app.as_uri())] != before
        journal.with_name("later").rename(journal)
        while [found.data for found in one.diagnostics(app.as_uri())] != before:
            await asyncio.sleep(0.1)


async def test_what_solve_puts_into_a_file_that_the_index_takes_for_merged_teaches_nothing(
    repository: Repository,
) -> None:
    marked = conflict("a = 1\n", "a = 0\n", "a = 2\n")
    left = conflict("x = 1\n", "x = 0\n", "x = 2\n") + "\n\n" + marked
    repository.commit("markers", {"a.py": marked + "\n\n" + left.replace(marked, "")})
    path = repository.path / "a.py"
    uri = path.as_uri()
    async with editor(folder=repository.path) as one:
        one.open(uri, path.read_text(encoding="utf-8"))
        await one.settled(conflicts=2)
        second = one.diagnostics(uri)[1].data
        repository.write({"a.py": marked})
        text = one.text(uri).replace(marked, solved(path))
        one.change(uri, text)
        await one.settled(conflicts=1)

        assert one.diagnostics(uri)[0].data == second


async def test_an_edit_for_a_text_that_has_moved_on_is_refused() -> None:
    async with editor() as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        [action, *_] = await one.actions(URI, 3)
        one.change(URI, "# moved\n" + TEXT)
        with pytest.raises(Exception, match="changed since"):
            await one.client.code_action_resolve_async(action)
        stale: dict[str, Any] = dict(action.data)  # type: ignore[arg-type]
        answer = await one.command("accept", **stale)

    assert answer["applied"] is False
    assert any("changed since" in message for message in one.messages)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_positions_count_in_the_encoding_that_was_agreed(encoding: str) -> None:
    def adapt(found: lsp.ClientCapabilities) -> None:
        found.general = lsp.GeneralClientCapabilities(position_encodings=[lsp.PositionEncodingKind(encoding)])

    label = "<<<<<<< 😀 é"
    text = TEXT.replace("<<<<<<< main", label)
    async with editor(adapt=adapt) as one:
        assert one.encoding == encoding
        one.open(URI, text)
        await one.settled(conflicts=3)
        end = one.diagnostics(URI)[0].range.end
        taken = await one.take(URI, 3, "Take 😀 é")

    units = {
        "utf-8": len(label.encode()),
        "utf-16": len(label.encode("utf-16-le")) // 2,
        "utf-32": len(label),
    }
    assert end == lsp.Position(2, units[encoding])
    assert taken == text.replace(
        conflict("x = 1\n", "x = 0\n", "x = 2\n").replace("<<<<<<< main", label), "x = 1\n"
    )


async def test_hover_lenses_and_hints_say_what_is_suggested() -> None:
    async with editor(folder=None) as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        document = lsp.TextDocumentIdentifier(URI)
        hover = await one.client.text_document_hover_async(lsp.HoverParams(document, lsp.Position(4, 0)))
        lenses = await one.client.text_document_code_lens_async(lsp.CodeLensParams(document))
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0))
        hints = await one.client.text_document_inlay_hint_async(lsp.InlayHintParams(document, whole))

    assert hover is not None
    assert isinstance(hover.contents, lsp.MarkupContent)
    assert "```diff\n-x = 0\n+x = 1\n```" in hover.contents.value
    assert "%" in hover.contents.value
    titles = [one.command.title for one in lenses or () if one.command]
    assert len({one.range.start.line for one in lenses or ()}) == 3
    assert "Next conflict (1 of 3)" in titles
    assert "Take main" not in titles  # VS Code has lenses for that
    assert [one.position.line for one in hints or ()] == [2, 14, 24]


async def test_the_index_of_a_repository_tells_what_the_markers_do_not(merging: Repository) -> None:
    path = merging.path / "app.py"
    async with editor(folder=merging.path) as one:
        one.open(path.as_uri(), path.read_text(encoding="utf-8"))
        await one.settled(conflicts=3)
        taken = await one.take(path.as_uri(), 1, "Take base")
        await one.settled(conflicts=2)

    assert taken.startswith("def total(items):\n    return sum(items)\n\n")


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
async def test_the_base_of_a_criss_cross_merge_is_no_choice(style: str, repository: Repository) -> None:
    repository.git("config", "merge.conflictStyle", style)
    repository.diverge(*({"app.py": f"a = 1\n{line}\nc = 3\n"} for line in ("base", "one", "two")))
    repository.git("tag", "one", "main")
    repository.git("tag", "two", "theirs")
    for branch, other, line in (("main", "two", "first"), ("theirs", "one", "second")):
        repository.git("checkout", "--quiet", branch)
        repository.run("merge", other)
        repository.commit("merge", {"app.py": f"a = 1\n{line}\nc = 3\n"})
    repository.git("checkout", "--quiet", "main")
    repository.run("merge", "theirs")
    marked = repository.read("app.py").decode()
    uri = (repository.path / "app.py").as_uri()
    async with editor(folder=repository.path) as one:
        one.open(uri, marked)
        await one.settled(conflicts=1)
        actions = await one.actions(uri, 2)
        answer = await one.command("accept", uri=uri, conflict=1, choice="base")
        texts = []
        for choice in [action.data["choice"] for action in actions if action.data]:
            await one.command("accept", uri=uri, conflict=1, choice=choice)
            texts.append(one.text(uri))
            one.change(uri, marked)
            await one.settled(conflicts=1)

    assert ("Temporary merge branch" in marked) == (style != "merge")
    assert "Temporary merge branch" in repository.git("show", ":1:app.py")
    assert answer == {"applied": False, "reason": commands.NO_CHOICE}
    assert not [action.title for action in actions if "base" in action.title]
    assert len(texts) >= 5
    assert not [text for text in texts if "<<<<<<<" in text or ">>>>>>>" in text]


async def test_the_whole_merge_is_checked_on_request(merging: Repository) -> None:
    other = (merging.path / "other.py").as_uri()
    async with editor(folder=merging.path) as one:
        answer = await one.command("check")
        found = one.diagnostics(other)
        merging.write({"other.py": "x = 2\n"})
        merging.git("add", "other.py")
        again = await one.command("check")

        assert answer["files"] == 2
        assert answer["conflicts"] == 3
        assert [one.range.start.line for one in found] == [0]
        assert again["files"] == 1
        assert not one.diagnostics(other)


async def test_a_folder_that_was_deleted_takes_no_text_of_the_editor_along(merging: Repository) -> None:
    path = merging.path / "app.py"
    uri, marked = path.as_uri(), path.read_text(encoding="utf-8")
    async with editor(folder=merging.path, cwd=merging.path, options={"feedback": True}) as one:
        one.open(uri, marked)
        await one.settled(conflicts=3)
        before = await one.command("check")
        shutil.rmtree(merging.path)
        after = await one.command("check")
        taken = await one.take(uri, one.line_of(uri, "<<<<<<<"), "Take HEAD")
        one.save(uri)
        await one.settled(conflicts=1)
        assert "Best suggestion" in one.diagnostics(uri)[0].message

    assert (before["files"], after["files"]) == (2, 1)
    assert taken.startswith("def total(items):\n    return sum(items, start=0)\n")
    assert one.messages == []
    assert not merging.path.exists()


async def test_of_two_choices_on_their_way_at_once_one_is_refused() -> None:
    async with editor(folder=None) as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        at = one.line_of(URI, "<<<<<<<")
        [action, *_] = [found for found in await one.actions(URI, at) if found.title == "Take main"]
        asked = {"uri": URI, "conflict": action.data["conflict"], "choice": "ours"}
        answers = await asyncio.gather(*(one.command("accept", **asked) for _ in range(2)))

        assert [answer["applied"] for answer in answers] == [True, False]
        assert one.text(URI).count("<<<<<<<") == 2
        await one.settled(conflicts=2)
        again = await one.command("accept", **asked)
        assert not again["applied"]


async def test_what_is_sure_in_the_whole_merge_is_accepted_in_files_that_are_not_open_too(
    merging: Repository,
) -> None:
    async with editor(folder=merging.path, options={"maxError": 1.0}) as one:
        answer = await one.command("acceptSure")

        assert answer["applied"]
        assert set(one.texts) == {(merging.path / name).as_uri() for name in ("app.py", "other.py")}
        assert not any("<<<<<<<" in text for _, text in one.texts.values())


async def test_next_and_previous_conflict_are_shown_across_files(merging: Repository) -> None:
    app, other = ((merging.path / name).as_uri() for name in ("app.py", "other.py"))
    async with editor(folder=merging.path) as one:
        one.open(app, merging.read("app.py").decode())
        await one.command("check")
        first = await one.command("next", uri=app, line=0)
        last = await one.command("next", uri=app, line=99)
        before = await one.command("previous", uri=other, line=0)

    assert (first["uri"], first["line"]) == (app, one.line_of(app, "<<<<<<<", 1))
    assert (last["uri"], last["line"]) == (other, 0)
    assert before["uri"] == app
    assert [shown.uri for shown in one.client.shown_documents] == [app, other, app]


async def test_settings_are_taken_over_and_checked() -> None:
    async with editor(options={"suggestions": 99, "inlayHints": False}) as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        document = lsp.TextDocumentIdentifier(URI)
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0))
        hints = await one.client.text_document_inlay_hint_async(lsp.InlayHintParams(document, whole))
        one.configure(suggestions=1, codeLens=False)
        lenses = await one.client.text_document_code_lens_async(lsp.CodeLensParams(document))
        await one.settled(conflicts=3)
        ranks = [one.title for one in await one.actions(URI, 3) if one.title.startswith("Accept suggestion")]

    assert not hints
    assert not lenses
    assert len(ranks) == 1
    assert any("mergebert.suggestions is 99" in message for message in one.messages)


async def test_a_model_that_is_missing_is_said_once_and_conflicts_are_shown_all_the_same(
    tmp_path: Path,
) -> None:
    async with editor(options={"bundle": str(tmp_path / "nowhere")}) as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        one.change(URI, TEXT + "# more\n")
        await one.settled(conflicts=3)
        titles = [one.title for one in await one.actions(URI, 3)]

    assert len(one.messages) == 1
    assert "nowhere" in one.messages[0]
    assert titles[0] == "Take main"


async def test_a_worker_that_is_killed_is_replaced() -> None:
    async with editor() as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        [worker] = children_of(one)
        os.kill(worker, signal.SIGKILL)
        one.change(URI, TEXT.replace("import os", "import sys"))
        await one.settled(conflicts=3)
        assert [other for other in children_of(one) if other != worker]
        assert "Best suggestion" in one.diagnostics(URI)[0].message
        assert not one.messages


async def test_everything_answers_once_the_worker_was_given_up() -> None:
    def adapt(found: lsp.ClientCapabilities) -> None:
        assert found.workspace
        found.workspace.diagnostics = lsp.DiagnosticWorkspaceClientCapabilities(refresh_support=True)
        assert found.text_document
        found.text_document.diagnostic = lsp.DiagnosticClientCapabilities()

    async with editor(adapt=adapt) as one:
        await give_up_worker(one)
        one.change(URI, "import sys\n" + TEXT)
        answer = await asyncio.wait_for(one.command("check"), PATIENCE)
        refused = await asyncio.wait_for(one.command("acceptSure"), PATIENCE)
        asked = one.client.workspace_diagnostic_async(lsp.WorkspaceDiagnosticParams([]))
        whole = await asyncio.wait_for(asked, PATIENCE)

    assert one.messages[0] == GAVE_UP
    assert (answer["files"], answer["conflicts"]) == (1, 3)
    assert refused["applied"] is False
    assert [found.uri for found in whole.items] == [URI]
    assert one.status["busy"] is False


async def give_up_worker(one: Editor) -> None:
    """Opens a text and kills every worker until none is started any more."""
    one.open(URI, TEXT)
    while not one.messages:
        for worker in children_of(one):
            os.kill(worker, signal.SIGKILL)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("length", [7, 15])
async def test_content_is_no_conflict_once_the_worker_was_given_up_either(
    length: int, repository: Repository
) -> None:
    code = "\ndef limit():\n    return {}\n"
    repository.commit("attributes", {".gitattributes": f"*.py conflict-marker-size={length}\n"})
    repository.diverge(*({"a.py": quoted(7) + code.format(at) + quoted(9)} for at in range(3)))
    repository.run("merge", "theirs")
    marked = repository.read("a.py").decode()
    uri = (repository.path / "a.py").as_uri()
    async with editor(folder=repository.path) as one:
        await give_up_worker(one)
        one.close(URI)
        one.open(uri, marked)
        at = one.line_of(uri, "<" * length + " HEAD")
        first = await one.actions(uri, 1)
        answer = await one.command("check")
        one.change(uri, "# more\n" + marked)
        await one.settled(conflicts=1)
        taken = await one.take(uri, at + 2, "Take HEAD")

    assert first == []
    assert answer["conflicts"] == 1
    found = [shown for name, all_ in one.published.all if name == uri for shown in all_]
    assert {shown.range.start.line for shown in found} == {at, at + 1}
    assert taken == "# more\n" + quoted(7) + code.format(1) + quoted(9)


async def test_an_edit_that_the_editor_cannot_make_does_not_lock_the_text() -> None:
    async with editor(folder=None) as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        at = one.line_of(URI, "<<<<<<<")
        [action, *_] = [found for found in await one.actions(URI, at) if found.title == "Take main"]
        asked = {"uri": URI, "conflict": action.data["conflict"], "choice": "ours"}

        def fails(edit: lsp.WorkspaceEdit) -> bool:
            raise RuntimeError("no room on the disk")

        able, one.apply = one.apply, fails  # type: ignore[method-assign]
        refused = await one.command("accept", **asked)
        one.apply = able  # type: ignore[method-assign]
        again = await one.command("accept", **asked)

    assert refused["applied"] is False
    assert "could not make the edit" in refused["reason"]
    assert again["applied"] is True


async def test_an_edit_that_the_editor_never_answers_does_not_lock_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    class Silent:
        session = Session(SessionEvents(*[lambda *_: None] * 7))  # type: ignore[arg-type]

        async def workspace_apply_edit_async(self, params: object) -> None:
            asked.append(params)
            await asyncio.sleep(600)

        def window_show_message(self, params: object) -> None:
            pass

    monkeypatch.setattr(commands, "LONGEST_EDIT", 0.01)
    Silent.session.client = Client(applies_edits=True)
    edits = {document(TEXT): [Edit(0, 1, "")]}
    for _ in range(2):
        found = await commands._apply(Silent(), edits, "")  # type: ignore[arg-type]
        assert found == {"applied": False, "reason": commands.NO_WORD}

    assert len(asked) == 2


async def test_names_that_are_not_utf_8_are_names(repository: Repository) -> None:
    names = (os.fsdecode(b"caf\xe9.py"), "a;b c%41?.py")
    versions = (dict.fromkeys(names, f"x = {at}\n") for at in range(3))
    repository.diverge(*versions)
    repository.run("merge", "theirs")
    first, second = ((repository.path / name).as_uri() for name in names)
    async with editor(folder=repository.path) as one:
        answer = await asyncio.wait_for(one.command("check"), PATIENCE)
        assert one.diagnostics(first)
        assert one.diagnostics(second)
        one.open(first, repository.read(names[0]).decode())
        await one.settled(conflicts=2)
        taken = await one.take(first, 1, "Take base")  # which the index alone knows

    assert first.endswith("caf%E9.py")
    assert (answer["files"], answer["conflicts"]) == (2, 2)
    assert taken == "x = 0\n"


@pytest.mark.parametrize("end", ["", "\nend\n"], ids=["at the end", "in the middle"])
async def test_both_never_repeats_lines_outside_the_markers(end: str, repository: Repository) -> None:
    sides = [f"# Changes\n\n* {animal}\n* Old entry.\n{end}" for animal in ("cats", "dogs")]
    repository.diverge({"a.md": f"# Changes\n\n* old entry\n{end}"}, *({"a.md": side} for side in sides))
    repository.run("-c", "merge.conflictStyle=zdiff3", "merge", "theirs")
    uri = (repository.path / "a.md").as_uri()
    async with editor(folder=repository.path) as one:
        one.open(uri, repository.read("a.md").decode(), "markdown")
        await one.settled(conflicts=1)
        titles = [action.title for action in await one.actions(uri, 3)]
        taken = await one.take(uri, 3, "Take both, HEAD first")

    assert taken == f"# Changes\n\n* cats\n* dogs\n* Old entry.\n{end}"
    assert not [title for title in titles if title.startswith("Accept") and "both" in title]


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
@pytest.mark.parametrize("is_swapped", [False, True])
async def test_the_underline_of_a_heading_on_one_side_is_no_separator(
    style: str, is_swapped: bool, repository: Repository
) -> None:
    around = "Manual\n######\n\n{}End.\n"
    heading = "Scraper\n=======\n\nReads pages.\n\n"
    sides = [around.format(heading), around.format("See the notes.\n\n")][:: -1 if is_swapped else 1]
    repository.diverge({"a.rst": around.format("")}, *({"a.rst": side} for side in sides))
    repository.run("-c", f"merge.conflictStyle={style}", "merge", "theirs")
    uri = (repository.path / "a.rst").as_uri()
    marked = repository.read("a.rst").decode()
    async with editor(folder=repository.path) as one:
        one.open(uri, marked, "restructuredtext")
        await one.settled(conflicts=1)
        first = await one.take(uri, 4, "Take HEAD")
        one.change(uri, marked)
        await one.settled(conflicts=1)
        second = await one.take(uri, 4, "Take theirs")

    assert [first, second] == sides


FIXTURE = (
    'const SAMPLE: &str = "\\\n<<<<<<< LEFT\nleft\n||||||| BASE\nbase\n=======\nright\n>>>>>>> RIGHT\n";\n'
)
TORN = 'const OPEN: &str = "\\\n<<<<<<< LEFT\nleft\n";\n'


@pytest.mark.parametrize("fixture", [FIXTURE, TORN, FIXTURE + TORN, TORN + FIXTURE])
async def test_fixtures_with_markers_of_another_length_are_left_alone(
    fixture: str, repository: Repository
) -> None:
    code = "\nfn limit() -> u32 {{\n    {}\n}}\n"
    texts = [fixture + code.format(number) + TORN for number in (10, 20, 30)]
    repository.commit("attributes", {".gitattributes": "*.rs conflict-marker-size=15\n"})
    repository.diverge(*({"a.rs": text} for text in texts))
    repository.run("merge", "theirs")
    marked = repository.read("a.rs").decode()
    uri = (repository.path / "a.rs").as_uri()
    async with editor(folder=repository.path) as one:
        await asyncio.wait_for(one.command("check"), PATIENCE)
        unopened = one.diagnostics(uri)
        one.open(uri, marked, "rust")
        await one.settled(conflicts=1)
        found = one.diagnostics(uri)
        where = one.line_of(uri, "<" * 15)
        one.change(uri, "// more\n" + marked)  # known from then on, without a moment in which it is not
        taken = await one.take(uri, where + 1, "Take HEAD")

    assert [shown.range.start.line for shown in (*unopened, *found)] == [where, where]
    assert taken == "// more\n" + texts[1]


def quoted(size: int) -> str:
    """A string that holds a conflict with markers of this length."""
    marks = {mark: mark * size for mark in "<|=>"}
    return (
        f'SAMPLE = """\n{marks["<"]} LEFT\nleft\n{marks["|"]} BASE\nbase\n{marks["="]}\nright\n'
        f'{marks[">"]} RIGHT\n"""\n'
    )


@pytest.mark.parametrize("length", [7, 15])
async def test_content_is_at_no_moment_shown_as_a_conflict(length: int, repository: Repository) -> None:
    code = "\ndef limit():\n    return {}\n"
    repository.commit("attributes", {".gitattributes": f"*.py conflict-marker-size={length}\n"})
    repository.diverge(*({"a.py": quoted(7) + code.format(at) + quoted(9)} for at in range(3)))
    repository.run("merge", "theirs")
    marked = repository.read("a.py").decode()
    uri = (repository.path / "a.py").as_uri()
    async with editor(folder=repository.path) as one:
        one.open(uri, marked)
        at = one.line_of(uri, "<" * length + " HEAD")
        first = await one.actions(uri, 1)  # an editor may ask at once
        lenses = await one.client.text_document_code_lens_async(
            lsp.CodeLensParams(lsp.TextDocumentIdentifier(uri))
        )
        await one.settled(conflicts=1)
        one.change(uri, "".join(marked.split("\n")[:1]))
        await one.settled(conflicts=0)
        one.change(uri, marked)
        await one.settled(conflicts=1)
        await one.take(uri, at + 1, "Take HEAD")
        await one.settled(conflicts=0)

    assert first == []
    assert {lens.range.start.line for lens in lenses or ()} == {at}
    assert {found.range.start.line for _, all_ in one.published.all for found in all_} == {at}
    assert one.published.all[0][1]


async def test_a_file_is_shown_before_it_is_ranked(merging: Repository) -> None:
    uri = (merging.path / "app.py").as_uri()
    async with editor(folder=merging.path) as one:
        one.open(uri, merging.read("app.py").decode())
        await one.settled(conflicts=3)

    assert "Best suggestion" not in one.published.all[0][1][0].message
    assert "Best suggestion" in one.published.all[-1][1][0].message


async def test_a_file_is_shown_where_the_worker_says_nothing_for_long(
    merging: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[DocumentState] = []
    monkeypatch.setattr(session_module, "LONGEST_READING", 0.2)
    events = SessionEvents(shown.append, *[lambda *_: None] * 6)  # type: ignore[arg-type]
    made = Session(events)
    made.supervisor = Supervisor(made._on_message, events.complain, ("sleep", "600"))
    uri = (merging.path / "app.py").as_uri()
    made.opened(uri, 1, merging.read("app.py").decode())
    waiting = await asyncio.wait_for(made.found(uri), PATIENCE)
    made.close()
    await made.supervisor.ended()

    assert waiting is not None
    assert len(waiting.conflicts) == 2
    assert shown == [waiting]


async def test_nothing_is_left_running_when_the_editor_dies() -> None:
    async with editor() as one:
        one.open(URI, TEXT)
        await one.settled(conflicts=3)
        [worker] = children_of(one)
        server = one.client._server
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        one.client._stop_event.set()
        for _ in range(PATIENCE * 10):
            if not is_running(worker):
                break
            await asyncio.sleep(0.1)
        assert not is_running(worker)
        one.client.error = RuntimeError("killed by the test")


async def test_no_model_is_loaded_before_a_conflict_is_seen() -> None:
    async with editor() as one:
        one.open(URI, "x = 1\n")
        await one.client.text_document_code_lens_async(lsp.CodeLensParams(lsp.TextDocumentIdentifier(URI)))
        assert children_of(one) == []


async def test_nothing_of_the_repository_is_imported(merging: Repository) -> None:
    hostile = "raise SystemExit('imported')\n"
    names = ("argparse", "json", "pygls", "lsprotocol", "numpy", "mergebert", "sitecustomize")
    merging.write({f"{name}.py": hostile for name in names})
    path = merging.path / "app.py"
    async with editor(folder=merging.path, cwd=merging.path) as one:
        one.open(path.as_uri(), path.read_text(encoding="utf-8"))
        await one.settled(conflicts=3)
        assert "Best suggestion" in one.diagnostics(path.as_uri())[0].message


async def test_diagnostics_are_fetched_by_editors_that_do(merging: Repository) -> None:
    def adapt(found: lsp.ClientCapabilities) -> None:
        assert found.text_document
        assert found.workspace
        found.text_document.diagnostic = lsp.DiagnosticClientCapabilities()
        found.workspace.diagnostics = lsp.DiagnosticWorkspaceClientCapabilities(refresh_support=True)

    app = (merging.path / "app.py").as_uri()
    async with editor(folder=merging.path, adapt=adapt) as one:
        one.open(app, merging.read("app.py").decode())
        await one.settled(conflicts=3)
        report = await one.client.text_document_diagnostic_async(
            lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(app))
        )
        whole = await one.client.workspace_diagnostic_async(lsp.WorkspaceDiagnosticParams([]))

        assert [one.code for one in report.items] == ["conflict", "conflict"]  # type: ignore[union-attr]
        assert {one.uri for one in whole.items} == {app, (merging.path / "other.py").as_uri()}
        assert one.client.diagnostic_refresh_count > 0
        assert not one.diagnostics(app)


def children_of(one: Editor) -> list[int]:
    """The processes that the server has started."""
    assert one.client._server is not None
    server = one.client._server.pid
    return [
        child for child in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent_of(child) == server
    ]


def parent_of(process: int) -> int | None:
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = dict(line.split(":\t", 1) for line in status.strip().split("\n") if ":\t" in line)
    return None if found.get("State", "Z")[0] == "Z" else int(found["PPid"])


def is_running(process: int) -> bool:
    return parent_of(process) is not None
