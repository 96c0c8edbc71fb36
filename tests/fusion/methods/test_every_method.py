from __future__ import annotations

from typing import Any

import pytest
import torch

from mergebert_fusion.contract.method import BaseUse, MergeMethod
from mergebert_fusion.methods.registry import METHODS
from tests.fusion.in_memory import fused_tensors, restored
from tests.fusion.relatives import MakeRelatives
from tests.fusion.vectors import assert_same_bits, constant

ROLES = {"task0": {"role": "task"}, "task1": {"role": "language"}}
# What a method cannot do without, as in a recipe.
NEEDED: dict[str, dict[str, Any]] = {"layer_swap": {"model_parameters": ROLES}}
WEIGHTS = {"task0": {"weight": 0.3}, "task1": {"weight": 0.7}}
RESCALED = [{"density": 0.5, "rescale": rescale} for rescale in ("probability", "l1", "none")]
# Options that read, cut or survey in another way; slerp, karcher and model_stock are tested on models that differ more.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "average": [{}],
    "breadcrumbs": [{"density": 0.5, "within": "tensor"}, {"density": 0.5, "within": "row"}],
    "breadcrumbs_ties": [{}],
    "consensus": [{"vector": "sum", "scaling": 0.3}, {"vector": "ties", "scaling": 0.3}],
    "dare_linear": RESCALED,
    "dare_ties": RESCALED,
    "della": RESCALED,
    "della_linear": [{}],
    "emr": [{"rescaler": "sums"}, {"rescaler": "tensor_means"}],
    "layer_swap": [{"rule": "position"}, {"rule": "change"}],
    "multislerp": [{}],
    "nuslerp": [{"along": "tensor"}, {"along": "row"}, {"along": "column"}],
    "opcm": [{}],
    "pcb": [{"inter": "sum"}, {"inter": "normalized"}, {"inter": "pairwise"}],
    "sce": [{}],
    "tall_masks": [{}, {"vector": "ties"}],
    "task_arithmetic": [{"scaling": 0.3}],
    "ties": [{}, {"trim": "tensor", "sign": "weighted"}, {"trim": "tensor"}, {"density": [0.1, 0.9]}],
}
CASES = [(name, options) for name, listed in OPTIONS.items() for options in listed]


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_method_writes_into_what_it_is_given(name: str, make_relatives: MakeRelatives) -> None:
    count = min(2, METHODS[name].most_models or 2)
    given, untouched = make_relatives(count), make_relatives(count)
    base = None if METHODS[name].base is BaseUse.FIRST else given.base
    fused_tensors(METHODS[name], given.models, base, places=given.places, **NEEDED.get(name, {}))
    assert_same_bits(given.base, untouched.base)
    for model, tensors in untouched.models.items():
        assert_same_bits(given.models[model], tensors)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_gives_the_same_bits_twice(name: str, make_relatives: MakeRelatives) -> None:
    relatives = make_relatives(min(2, METHODS[name].most_models or 2))
    base = None if METHODS[name].base is BaseUse.FIRST else relatives.base
    options = {"places": relatives.places, "seed": 3, **NEEDED.get(name, {})}
    once, again = (fused_tensors(METHODS[name], relatives.models, base, **options).tensors for _ in range(2))
    assert_same_bits(once, again)
    assert all(torch.isfinite(tensor).all() for tensor in once.values())


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_the_cut_into_blocks_and_threads_change_no_bit(
    name: str, parameters: dict[str, Any], make_relatives: MakeRelatives
) -> None:
    method = METHODS[name]
    relatives = make_relatives(method.most_models or 3)
    options = {"parameters": parameters, "places": relatives.places, **NEEDED.get(name, {})}
    if name == "nuslerp":
        options["model_parameters"] = WEIGHTS
    base = None if method.base is BaseUse.UNUSED else relatives.base
    whole = fused_tensors(method, relatives.models, base, **options)
    cut = fused_tensors(method, relatives.models, base, **options, block=8, threads=3)
    assert_same_bits(whole.tensors, cut.tensors)
    assert any(not torch.equal(tensor, relatives.base[n]) for n, tensor in whole.tensors.items())
    assert whole.artifacts.keys() == cut.artifacts.keys()
    for artifact, tensors in whole.artifacts.items():
        assert_same_bits(tensors, cut.artifacts[artifact])
    if isinstance(method, MergeMethod) and method.restore is not None:
        for model in relatives.models:
            assert_same_bits(*(restored(method, outcome, relatives.base, model) for outcome in (whole, cut)))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("breadcrumbs_ties", {}),
        *(("dare_ties", options) for options in RESCALED),
        *(("della", options) for options in RESCALED),
        *(("sce", {"select_topk": share}) for share in (0.5, 1.0)),
    ],
)
def test_every_shape_unchanged_and_opposite_models_go_through(name: str, parameters: dict[str, Any]) -> None:
    same = {"a": constant(1.0), "b": constant(1.0)}
    merged = fused_tensors(METHODS[name], same, constant(1.0), parameters=parameters).tensors
    assert_same_bits(merged, constant(1.0))
    apart = {"a": constant(1.0), "b": constant(-1.0)}
    merged = fused_tensors(METHODS[name], apart, constant(0.0), parameters=parameters).tensors
    assert all(torch.isfinite(tensor).all() for tensor in merged.values())
