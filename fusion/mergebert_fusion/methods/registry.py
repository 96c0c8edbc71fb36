"""Every merge method, in one table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module

from mergebert_fusion.contract.method import AnyMethod
from mergebert_fusion.errors import RecipeError

_MODULES = (
    "average",
    "breadcrumbs",
    "breadcrumbs_ties",
    "consensus",
    "dare_linear",
    "dare_ties",
    "della",
    "della_linear",
    "emr",
    "karcher",
    "layer_swap",
    "model_stock",
    "multislerp",
    "nuslerp",
    "opcm",
    "passthrough",
    "pcb",
    "sce",
    "slerp",
    "tall_masks",
    "task_arithmetic",
    "ties",
)

METHODS: Mapping[str, AnyMethod] = {
    name: import_module(f"mergebert_fusion.methods.{name}").METHOD for name in _MODULES
}


def method_named(name: str) -> AnyMethod:
    """The method that a recipe means by a name or an alias."""
    by_name = {alias: entry for entry in METHODS.values() for alias in (entry.name, *entry.aliases)}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, by_name, n=1)
    advice = f"did you mean {near[0]!r}?" if near else "`mergebert fuse list` shows them."
    raise RecipeError(f"There is no merge method {name!r}; {advice}")
