"""Conflicts written by hand, one folder each: base, ours, theirs, and the file a person would want.

To add one, make a folder `tests/cases/<language>/<what it is about>` with those four files. The three versions must
conflict as git cuts them. What nobody proposes yet stands in `tests/cases_failing`, with the nearest
that is proposed as `expected_today`.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from mergebert.git.line_merge import line_merge
from mergebert.text.candidates import candidates
from mergebert.text.languages import LANGUAGES, language_of
from mergebert.text.markers import render, resolved
from mergebert.text.threeway import ThreeWay

TESTS = Path(__file__).resolve().parent.parent.parent


def cases(name: str) -> list[Path]:
    return sorted(path.parent for path in (TESTS / name).glob("*/*/base.*"))


def each(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "folder", cases(name), ids=lambda folder: f"{folder.parent.name}/{folder.name}"
    )


def version(folder: Path, name: str) -> str:
    [path] = folder.glob(f"{name}.*")
    return path.read_bytes().decode()


def proposed(folder: Path) -> list[str]:
    """The whole file with each candidate of each of its conflicts in place."""
    [base] = folder.glob("base.*")
    language = language_of(base.name)
    assert language.name == folder.parent.name
    merged = line_merge(ThreeWay(*(version(folder, name) for name in ("base", "ours", "theirs"))))
    assert merged.conflicts
    texts = [[option.text for option in candidates(one, language)] for one in merged.conflicts]
    return [render(resolved(merged, dict(enumerate(chosen)))) for chosen in product(*texts)]


@each("cases")
def test_what_a_person_would_want_is_proposed(folder: Path) -> None:
    assert version(folder, "expected") in proposed(folder)


@each("cases_failing")
def test_what_is_not_proposed_yet(folder: Path) -> None:
    found = proposed(folder)
    assert version(folder, "expected_today") in found
    assert version(folder, "expected") not in found, "it is now: move the folder to tests/cases"


def test_every_language_has_a_case() -> None:
    assert {folder.parent.name for folder in cases("cases")} == {language.name for language in LANGUAGES}
