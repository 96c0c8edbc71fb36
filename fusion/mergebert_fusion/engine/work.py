"""From a recipe to its plan, with every checkpoint open as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mergebert_fusion.contract.method import Base
from mergebert_fusion.engine.plan import Options, Plan, planned
from mergebert_fusion.io.checkpoint import opened
from mergebert_fusion.recipe.parse import Recipe
from mergebert_fusion.recipe.policy import BASE


@contextmanager
def planned_recipe(recipe: Recipe, options: Options) -> Iterator[Plan]:
    """The plan of a recipe; its checkpoints are closed at the end."""
    wanted = dict(recipe.checkpoints)
    if recipe.base is not None and recipe.method.base is not Base.FIRST:
        wanted[BASE] = recipe.base
    with opened(wanted, recipe.file.parent) as checkpoints:
        base = checkpoints.pop(BASE, None)
        yield planned(recipe, checkpoints, base, options)
