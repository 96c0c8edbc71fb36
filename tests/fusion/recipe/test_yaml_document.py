from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.recipe.yaml_document import document, text_in


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001),
        ("-2E5", -200000.0),
        ("0.5", 0.5),
        ("2", 2),
        ("yes", True),
        ("~", None),
        ("2001-01-01", "2001-01-01"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_values_are_plain(written: str, value: Any) -> None:
    assert document(f"key: {written}", "r.yaml").value == {"key": value}


def test_errors_point_at_the_line_of_a_value_or_of_what_holds_it() -> None:
    doc = document("a: 1\nb:\n  - x\n  - c: 2\n", "r.yaml")
    assert str(doc.error(("b", 1, "c"), "no.")) == "r.yaml:4: no."
    assert str(doc.error(("b", 1, "gone"), "no.")) == "r.yaml:4: no."
    assert str(doc.error((), "no.")) == "r.yaml:1: no."


BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
    for before, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [1\nb", "r.yaml:2: this is no YAML"),
        ("a: 1\na: 2", "r.yaml:2: a is given twice"),
        ("", "the file is empty"),
        ("a: !!python/object/apply:os.system ['true']", "r.yaml:1: this is no plain value"),
        ("a: !!int one", "not of the type"),
        ("? [1]\n: 2", "a name has to be a plain word"),
        ("a: &x [*x]", "no plain value"),
        ("a: &a [1, 1]\n" + BOMB + "\ng: [*f, *f]", "expands to more than"),
        ("[" * 1500, "no YAML|no plain value"),
        ("\x00", "no YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str, why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        document(text, "r.yaml")


def test_a_file_of_more_than_all_values_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("- a\n" * 80_000)
    with pytest.raises(OSError, match="more than 300 kB"):
        text_in(tmp_path / "r.yaml")
