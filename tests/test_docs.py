"""Documentation kept by tests: every command explains itself, gives an example and stands in the pages."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

from mergebert.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
UNFINISHED = re.compile(r"TODO|FIXME|TBD|XXX|placeholder|lorem ipsum", re.IGNORECASE)
ONE_MACHINE = re.compile(r"(?<![\w.-])/(?:work|root|home)/\w")


def printed_by(*arguments: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(list(arguments)) == 0
    return out.getvalue()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = printed_by(command, "--help")
    assert "example:" in text
    assert f"mergebert {command}" in text.partition("example:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_overview_and_the_pages(command: str) -> None:
    assert re.search(rf"^  {command}\b", printed_by("--help"), re.MULTILINE)
    for page in (ROOT / "README.md", ROOT / "docs" / "command-line.md"):
        assert f"`mergebert {command}" in text_of(page), (
            f"{page.name} does not say what `mergebert {command}` does"
        )


def test_every_promise_names_tests_that_exist() -> None:
    named = re.findall(r"`(?:python -m )?(tests[./][\w./]+)`?", text_of(ROOT / "docs" / "promises.md"))
    places = [ROOT / (name if "/" in name else name.replace(".", "/") + ".py") for name in named]
    assert len(places) > 12
    assert [place for place in places if not place.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = [target for target in LINK.findall(text_of(page)) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_finished_and_name_nobodys_machine(page: Path) -> None:
    assert not UNFINISHED.search(text_of(page))
    assert not ONE_MACHINE.search(text_of(page))


def test_every_make_target_named_in_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z]+)", text_of(page))}
    assert named <= targets


def test_the_picture_of_the_house_is_how_it_is_built() -> None:
    house = runpy.run_path(str(ROOT / "tools" / "house.py"))
    assert house["picture"](ROOT) in text_of(ROOT / "CONTRIBUTING.md"), (
        "draw it anew: python tools/house.py --picture"
    )


def test_every_stop_on_the_way_of_a_conflict_is_there() -> None:
    stops = re.findall(r"`(\S+\.py): (\w+)`", text_of(ROOT / "CONTRIBUTING.md"))
    assert len(stops) > 10
    for file, name in stops:
        assert re.search(rf"^(?:def|class) {name}\b", text_of(ROOT / file), re.MULTILINE), f"{file}: {name}"


def test_every_file_of_the_architecture_is_there() -> None:
    text = text_of(ROOT / "ARCHITECTURE.md")
    files = set(re.findall(r"\b(?:text|git|ranking|driver|commands)/[a-z_]+\.py\b", text))
    assert len(files) > 15
    assert {file for file in files if not (ROOT / "mergebert" / file).is_file()} == set()
