from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from mergebert.commands import suggest
from mergebert.errors import InputError
from tests.mergebert.fake_resolver import FakeResolver
from tests.mergebert.two_conflicts import BASE, OURS, THEIRS

MARKED = "a\n<<<<<<< HEAD\nours\n||||||| base\nold\n=======\ntheirs\n>>>>>>> topic\n"


def arguments(*words: str | Path) -> Namespace:
    parser = ArgumentParser()
    suggest.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeResolver:
    """The resolver that the command loads."""
    resolver = FakeResolver(sure=("theirs",))
    monkeypatch.setattr(suggest, "load_resolver", lambda settings: resolver)
    return resolver


def test_a_file_for_people(fake: FakeResolver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text(MARKED)

    assert suggest.run(arguments("-k", "2", file)) == 0

    assert capsys.readouterr().out == (
        f"{file}:2\n"
        "  1.  97 %  b (lines)  sure enough to apply\n     | theirs\n"
        "  2.   1 %  a (lines)\n     | ours\n"
    )
    assert file.read_text() == MARKED


def test_a_file_for_programs(fake: FakeResolver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text(MARKED)

    assert suggest.run(arguments("--json", "-k", "1", file)) == 0

    assert json.loads(capsys.readouterr().out) == {
        "path": str(file),
        "conflicts": [
            {
                "index": 0,
                "base": "old\n",
                "ours": "ours\n",
                "theirs": "theirs\n",
                "accepted": True,
                "tier": "applied",
                "candidates": [
                    {"text": "theirs\n", "confidence": 0.97, "pattern": "b", "method": "lines", "class": 0}
                ],
            }
        ],
    }


def test_a_base_that_is_not_known_is_null_and_nothing_is_accepted(
    fake: FakeResolver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text(MARKED.replace("||||||| base\nold\n", ""))

    suggest.run(arguments("--json", file))

    [conflict] = json.loads(capsys.readouterr().out)["conflicts"]
    assert (conflict["base"], conflict["accepted"]) == (None, False)
    assert conflict["candidates"][0]["text"] == "theirs\n"


def test_three_files(fake: FakeResolver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        (tmp_path / name).write_text(text)
    named = [word for name in ("base", "ours", "theirs") for word in (f"--{name}", tmp_path / name)]

    assert suggest.run(arguments(*named, "-p", "src/a.py", "--json")) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["path"] == "src/a.py"
    assert [conflict["base"] for conflict in found["conflicts"]] == ["line 5\n", "line 25\n"]
    assert fake.calls[0][0][0].path == "src/a.py"


@pytest.mark.parametrize(
    "words",
    [[], ["a.py", "--batch", "-"], ["--base", "x"], ["--ours", "x", "--theirs", "y"], ["--batch", "-"]],
)
def test_exactly_one_kind_of_input(words: list[str]) -> None:
    with pytest.raises(InputError):
        suggest.run(arguments(*words))


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_a_count_is_a_whole_number(count: str) -> None:
    with pytest.raises(SystemExit):
        arguments("-k", count, "a.py")


def test_the_null_device_is_an_empty_version(
    fake: FakeResolver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).write_text(f"{name}\n")
    versions = ["--base", os.devnull, "--ours", tmp_path / "ours", "--theirs", tmp_path / "theirs"]
    assert suggest.run(arguments("--json", *versions)) == 0
    [conflict] = json.loads(capsys.readouterr().out)["conflicts"]
    assert (conflict["base"], conflict["ours"], conflict["theirs"]) == ("", "ours\n", "theirs\n")
