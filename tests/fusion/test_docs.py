from __future__ import annotations

from pathlib import Path

import pytest

from mergebert_fusion.methods.registry import METHODS
from mergebert_fusion.recipe.reading import load_recipe

ROOT = Path(__file__).resolve().parent.parent.parent
RECIPES = sorted((ROOT / "fusion" / "recipes").glob("*.yaml"))
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("fusion*.md"))}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_read(path: Path) -> None:
    assert load_recipe(path).slices


def test_every_method_has_a_recipe_and_stands_on_a_page() -> None:
    assert {load_recipe(path).method.name for path in RECIPES} == set(METHODS)
    families = "\n".join(text for name, text in PAGES.items() if name != "fusion.md")
    for name in METHODS:
        assert f"`{name}`" in families
        assert name in PAGES["fusion.md"]


@pytest.mark.parametrize("name", PAGES)
def test_every_recipe_of_a_page_is_read(name: str, tmp_path: Path) -> None:
    for i, part in enumerate(PAGES[name].split("```yaml\n")[1:]):
        text = part.partition("```")[0]
        if "merge_method" in text.split("\n")[0]:
            (tmp_path / f"{i}.yaml").write_text(text, encoding="utf-8")
            assert load_recipe(tmp_path / f"{i}.yaml").slices
