from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mergebert
from mergebert.commands import batch as batches
from mergebert.commands import suggest
from mergebert.commands.batch import batch, request_of
from mergebert.errors import GitError, InputError, ModelBundleError
from tests.conftest import Repository
from tests.mergebert.fake_resolver import FakeResolver
from tests.mergebert.two_conflicts import BASE, OURS, THEIRS

MARKED = "a\n<<<<<<< HEAD\nours\n||||||| base\nold\n=======\ntheirs\n>>>>>>> topic\n"


def arguments(*words: str | Path) -> Namespace:
    parser = ArgumentParser()
    suggest.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def row(identifier: object = 1, **changed: object) -> dict[str, object]:
    return {"id": identifier, "path": "a.py", "base": BASE, "ours": OURS, "theirs": THEIRS} | changed


def lines(*rows: object) -> list[bytes]:
    return [line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in rows]


def answered(*rows: object, resolver: FakeResolver | None = None, count: int = 10) -> list[dict]:
    return list(batch(lines(*rows), resolver or FakeResolver(), 0.05, count))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeResolver:
    """The resolver that the command loads."""
    resolver = FakeResolver(sure=("theirs",))
    monkeypatch.setattr(batches, "load_resolver", lambda settings: resolver)
    return resolver


def test_a_batch_answers_every_line_in_order() -> None:
    found = answered(*(row(at) for at in range(30)))

    assert [answer["id"] for answer in found] == list(range(30))
    assert found[7]["conflicts"][1] | {"candidates": []} == {
        "index": 1,
        "base": "line 25\n",
        "ours": "ours 25\n",
        "theirs": "theirs 25\n",
        "accepted": False,
        "tier": "suggested",
        "candidates": [],
    }


def test_the_conflicts_are_cut_as_git_cuts_them(tmp_path: Path) -> None:
    near = row(ours=BASE.replace("line 5\n", "same\no\n"), theirs=BASE.replace("line 5\n", "same\nt\n"))
    for name in ("base", "ours", "theirs"):
        (tmp_path / name).write_text(str(near[name]))
    command = ["git", "merge-file", "-p", "--diff3", "ours", "base", "theirs"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    [answer] = answered(near)

    [conflict] = answer["conflicts"]
    assert f"<<<<<<< ours\n{conflict['ours']}||||||| base\n{conflict['base']}=======\n" in shown


def test_a_line_is_limited_to_k_candidates() -> None:
    [answer] = answered(row(), count=2)
    assert [len(conflict["candidates"]) for conflict in answer["conflicts"]] == [2, 2]


def test_a_clean_merge_has_no_conflicts_and_asks_no_model() -> None:
    resolver = FakeResolver()
    [answer] = answered(row(theirs=BASE), resolver=resolver)
    assert answer == {"id": 1, "conflicts": []}
    assert resolver.calls == []


@pytest.mark.parametrize(
    "bad",
    [
        b"\n",
        b"{torn\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        row(2, base=None),
        row(2, ours="a\0b"),
        row(2, theirs="\ud800"),
        row(2, path=7),
        {"id": 2},
    ],
    ids=repr,
)
def test_a_bad_line_is_an_answer_and_the_run_goes_on(bad: object) -> None:
    found = answered(row(1), bad, row(3))

    assert [answer["id"] for answer in found] in ([1, 2, 3], [1, None, 3])
    assert found[1].keys() == {"id", "error"}
    assert str(found[1]["error"]).endswith(".")
    assert len(found[2]["conflicts"]) == 2


def refuses_bad_files(answer: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """`answer`, but for `bad.py`, where it raises `error`."""

    def refusing(*given: Any) -> Any:
        if "bad.py" in str(given[0]):
            raise error
        return answer(*given)

    return refusing


@pytest.mark.parametrize("failing", ["cutting", "ranking"])
def test_a_file_that_fails_is_an_answer_and_the_run_goes_on(
    failing: str, fake: FakeResolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    if failing == "cutting":
        refused = refuses_bad_files(batches.merged_text, GitError("git refused."))
        monkeypatch.setattr(batches, "merged_text", refused)
    else:
        refused = refuses_bad_files(fake.rank, ModelBundleError("the model refused."))
        monkeypatch.setattr(fake, "rank", refused)
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(lines(row(1), row(2, path="bad.py"), row(3))))

    assert suggest.run(arguments("--batch", file, "--json")) == 0

    first, second, third = map(json.loads, capsys.readouterr().out.rstrip("\n").split("\n"))
    assert second == {"id": 2, "error": "git refused." if failing == "cutting" else "the model refused."}
    assert [(one["id"], len(one["conflicts"])) for one in (first, third)] == [(1, 2), (3, 2)]


@pytest.mark.parametrize("path", ["", "/", "/etc/a.py", "a\0b.py", "\ud800.py", "x" * 5000, "../a.py"])
def test_any_path_is_a_name_only(path: str) -> None:
    [answer] = answered(row(path=path))
    assert len(answer["conflicts"]) == 2


def test_bytes_that_are_no_utf8_travel_as_surrogates() -> None:
    texts = {name: f"{name} \udce9\n" for name in ("base", "ours", "theirs")}
    [answer] = answered(row(**texts))
    assert answer["conflicts"][0]["ours"] == "ours \udce9\n"


def test_lines_that_look_like_markers_are_content() -> None:
    sample = "<<<<<<< a\n=======\n>>>>>>> b\n"
    texts = {name: sample + f"{name}\n" + sample for name in ("base", "ours", "theirs")}
    [answer] = answered(row(**texts))
    assert [conflict["ours"] for conflict in answer["conflicts"]] == ["ours\n"]


def test_any_id_is_given_back() -> None:
    assert [answer["id"] for answer in answered(row({"a": [1]}), row(None))] == [{"a": [1]}, None]


def test_only_a_few_lines_are_read_ahead() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        line = json.dumps(row(theirs=BASE)).encode()
        while True:
            read += 1
            yield line

    answers = batch(endless(), FakeResolver(), 0.05, 3)
    for _ in range(5):
        next(answers)
    answers.close()
    assert read < 40


def test_a_missing_id_is_null() -> None:
    assert request_of(1, b'{"path": "a", "base": "", "ours": "", "theirs": ""}').id is None


def test_a_batch_file(fake: FakeResolver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(lines(row("x"), b"nonsense\n")))

    assert suggest.run(arguments("--batch", file, "--json")) == 0

    first, second = capsys.readouterr().out.rstrip("\n").split("\n")
    assert json.loads(first)["conflicts"][0]["accepted"] is True
    assert json.loads(second)["error"] == "line 2 is not JSON in UTF-8."


def test_a_batch_file_that_is_not_there(fake: FakeResolver, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        suggest.run(arguments("--batch", tmp_path / "none", "--json"))


def test_standard_input_is_answered_line_by_line() -> None:
    code = (
        "import sys\nfrom mergebert import cli\nfrom mergebert.commands import batch\n"
        "from tests.mergebert.fake_resolver import FakeResolver\n"
        "batch.load_resolver = lambda settings: FakeResolver()\n"
        "sys.exit(cli.main(['suggest', '--batch', '-', '--json']))"
    )
    root = Path(mergebert.__file__).parent.parent
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, env=environment) as started:
        assert started.stdin and started.stdout
        for identifier in (1, 2):
            started.stdin.write(*lines(row(identifier)))
            started.stdin.flush()
            assert json.loads(started.stdout.readline())["id"] == identifier
        started.stdin.close()
        assert started.wait() == 0


def test_the_shipped_bundle_answers_a_batch(
    shipped_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mergebert.cli import main

    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(lines(row("x"))))

    assert main(["suggest", "--batch", str(file), "--json"]) == 0

    for conflict in json.loads(capsys.readouterr().out)["conflicts"]:
        shares = [candidate["confidence"] for candidate in conflict["candidates"]]
        assert shares == sorted(shares, reverse=True)
        assert {conflict["ours"], conflict["theirs"]} <= {one["text"] for one in conflict["candidates"]}


def test_a_line_that_is_too_long_is_an_answer_and_the_run_goes_on(
    fake: FakeResolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batches, "LONGEST", 2000)
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"".join(lines(row(1), row(2, junk="x" * 5000), row(3), {"id": 4, "junk": "x" * 5000})))

    assert suggest.run(arguments("--batch", file, "--json")) == 0

    found = [json.loads(line) for line in capsys.readouterr().out.rstrip("\n").split("\n")]
    assert [answer["id"] for answer in found] == [1, None, 3, None]
    assert found[1]["error"] == "line 2 has more than 0 MB."
    assert [len(found[at]["conflicts"]) for at in (0, 2)] == [2, 2]


def test_lines_are_told_by_a_line_feed_at_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LONGEST", 4)
    monkeypatch.setattr(batches, "_PIECE", 3)
    for text in (b"", b"abcd\nx", b"abcde\nx\n", b"abcdefghijk\nx\n\n", b"abcdefgh"):
        found = list(batches.bounded_lines(io.BytesIO(text)))
        assert [line.rstrip(b"\n") for line in found] == [
            line.rstrip(b"\n")[:5] for line in io.BytesIO(text).readlines()
        ]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", '[{"a": 1e999}]'])
def test_an_id_of_what_is_no_number_is_refused(number: str) -> None:
    """Or the answer would be no JSON."""
    [answer] = answered(json.dumps(row(0)).replace('"id": 0', f'"id": {number}').encode() + b"\n")
    assert answer == {"id": None, "error": "line 1 has a number in its id that is none."}


@pytest.mark.parametrize("side", ["base", "ours", "theirs"])
@pytest.mark.parametrize("text", ["x" * 10_000_001, "\U0001f600" * 2_500_001])
def test_a_version_larger_than_texts_are_is_refused(side: str, text: str) -> None:
    line = json.dumps(row(**{side: text}), ensure_ascii=False).encode()
    [answer, following] = answered(line + b"\n", row(2))
    assert answer == {"id": 1, "error": "line 1: a version has more than 10 MB."}
    assert following["id"] == 2


def test_an_id_that_is_a_book_is_refused() -> None:
    [answer] = answered(row("x" * 20_000))
    assert answer == {"id": None, "error": "line 1 has an id of more than 10000 characters."}


@pytest.mark.parametrize("name", ["/dev/zero", "."])
def test_what_is_neither_file_nor_pipe_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"neither a file nor|Is a dir"):
        suggest.run(arguments("--batch", name, "--json"))


HOSTILE = {
    "a text": ("", "x"),
    "a text of wide characters": ("\U0001f600", "x"),
    "lists": ("[", "[],"),
    "lines": ("", "y\\n"),
}


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells what a process held at most"
)
@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_is_bounded_whatever_the_lines_hold(kind: str, tmp_path: Path) -> None:
    start, piece = (text.encode() for text in HOSTILE[kind])
    junk = start + piece * (9_900_000 // len(piece))
    with (tmp_path / "in.jsonl").open("wb") as out:
        for _ in range(3):
            if kind == "lists":
                out.write(b'{"id": %b%b%b0]}\n' % (junk, junk[1:], junk[1:]))
            else:
                out.write(b'{"base": "%b", "ours": "%ba\\n", "theirs": "%bb\\n"}\n' % (junk, junk, junk))
        out.write(b"x" * (batches.LONGEST + 50_000_000) + b"\n")
    code = (
        "import re, sys\nfrom mergebert import cli\nfrom mergebert.commands import batch\n"
        "from tests.mergebert.fake_resolver import FakeResolver\n"
        "batch.load_resolver = lambda settings: FakeResolver()\n"
        "assert cli.main(['suggest', '--batch', 'in.jsonl', '--json']) == 0\n"
        "print(re.search('VmHWM:(.*) kB', open('/proc/self/status').read())[1], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(mergebert.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=True, cwd=tmp_path
    )
    assert done.stdout.count(b"\n") == 4
    assert int(done.stderr) < 1_500_000


def merged_in(place: Repository, identifier: object, path: str, **changed: object) -> dict[str, object]:
    """A line that names the merge of two branches of a repository."""
    ours, theirs = place.git("rev-parse", "main", "theirs").split("\n")
    named = {"repository": str(place.path), "ours_commit": ours, "theirs_commit": theirs}
    return row(identifier, path=path) | named | changed


def test_neighbouring_lines_of_one_merge_are_ranked_together(repository: Repository) -> None:
    files = (dict.fromkeys(("a.py", "b.py"), text) for text in (BASE, OURS, THEIRS))
    repository.diverge(*files)
    resolver = FakeResolver()
    found = answered(
        merged_in(repository, 1, "a.py"), merged_in(repository, 2, "b.py"), row(3), resolver=resolver
    )
    assert [answer["id"] for answer in found] == [1, 2, 3]
    assert [[file.path for file in asked] for asked, _ in resolver.calls] == [["a.py", "b.py"], ["a.py"]]
    known, unknown = resolver.calls[0][0][0], resolver.calls[1][0][0]
    assert known.context is not None and known.history is not None
    assert (known.history.ours_change.commits, known.history.file.ours) == (1, -1)
    assert unknown.context is None


@pytest.mark.parametrize(
    "changed", [{"ours_commit": None}, {"theirs_commit": "HEAD"}, {"repository": 7}, {"ours_commit": "--all"}]
)
def test_a_merge_that_is_named_by_halves_is_refused(
    repository: Repository, changed: dict[str, object]
) -> None:
    repository.diverge({"a.py": BASE}, {"a.py": OURS}, {"a.py": THEIRS})
    [answer] = answered(merged_in(repository, 1, "a.py", **changed))
    assert answer["error"].startswith("line 1: repository, ours_commit, theirs_commit go together")


def test_a_merge_that_cannot_be_found_is_ranked_without(repository: Repository) -> None:
    repository.diverge({"a.py": BASE}, {"a.py": OURS}, {"a.py": THEIRS})
    for changed in ({"repository": "/nowhere"}, {"ours_commit": "0" * 40}):
        [answer] = answered(merged_in(repository, 1, "a.py", **changed))
        assert len(answer["conflicts"]) == 2
