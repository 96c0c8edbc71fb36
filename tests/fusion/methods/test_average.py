from __future__ import annotations

import pytest
import torch

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives

AVERAGE = method_named("average")


def test_one_model_is_given_back_bit_for_bit(make_relatives: MakeRelatives) -> None:
    models = make_relatives(1).models
    merged = fused_tensors(AVERAGE, models).tensors
    assert all(torch.equal(merged[name], models["task0"][name]) for name in merged)


def test_the_mean_of_a_model_with_itself_is_that_model(make_relatives: MakeRelatives) -> None:
    model = make_relatives(1).models["task0"]
    merged = fused_tensors(AVERAGE, {"a": model, "b": model}).tensors
    assert all(torch.equal(merged[name], model[name]) for name in merged)


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = dict(reversed(relatives.models.items()))
    one, two = (fused_tensors(AVERAGE, models).tensors for models in (relatives.models, turned))
    for name in one:
        torch.testing.assert_close(one[name], two[name])


def test_it_lies_between_the_models(relatives: Relatives) -> None:
    merged = fused_tensors(AVERAGE, relatives.models).tensors
    for name, tensor in merged.items():
        stacked = torch.stack([model[name] for model in relatives.models.values()])
        assert (tensor >= stacked.amin(0) - 1e-6).all()
        assert (tensor <= stacked.amax(0) + 1e-6).all()


def test_all_weight_on_one_model_gives_that_model(relatives: Relatives) -> None:
    weights = {"task0": {"weight": 5.0}, "task1": {"weight": 0.0}, "task2": {"weight": 0}}
    merged = fused_tensors(AVERAGE, relatives.models, model_parameters=weights).tensors
    assert all(torch.equal(merged[n], relatives.models["task0"][n]) for n in merged)


def test_weights_are_taken_as_they_are_when_told_so(relatives: Relatives) -> None:
    parameters = {"normalize": False, "weight": 2.0}
    merged = fused_tensors(AVERAGE, relatives.models, parameters=parameters).tensors
    mean = fused_tensors(AVERAGE, relatives.models).tensors
    torch.testing.assert_close(merged["layer.0.up.weight"], 6 * mean["layer.0.up.weight"])


def test_weights_may_differ_by_tensor(relatives: Relatives) -> None:
    only_bias = [{"filter": "bias", "value": 1.0}, {"value": 0.0}]
    weights = {"task0": {"weight": only_bias}, "task1": {"weight": [{"filter": "weight", "value": 1.0}]}}
    models = {name: relatives.models[name] for name in weights}
    merged = fused_tensors(AVERAGE, models, parameters={"normalize": False}, model_parameters=weights).tensors
    assert torch.equal(merged["layer.0.up.weight"], models["task1"]["layer.0.up.weight"])


def test_weights_that_add_up_to_nothing_are_refused(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="add up to 0"):
        fused_tensors(AVERAGE, relatives.models, parameters={"weight": 0.0})
