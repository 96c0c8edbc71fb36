from __future__ import annotations

from dataclasses import dataclass

import pytest

from mergebert_fusion.contract.block import Group, TensorPlace
from mergebert_fusion.contract.method import BaseUse, Family, MergeMethod
from mergebert_fusion.contract.parameters import constant, setting, typed
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.recipe.parameter_values import ParameterValues, value_at


@dataclass(frozen=True, slots=True)
class Parameters:
    scaling: float = setting(1.0, "x", at_least=0.0, at_most=2.0, alias=("lambda",))
    mode: str = setting("mean", "x", choices=("mean", "sum"), varies=False)
    count: int = setting(3, "x")
    rescale: bool = setting(True, "x")
    limit: float | None = setting(None, "x")


@dataclass(frozen=True, slots=True)
class ModelParameters:
    weight: float = setting(1.0, "x")


METHOD = MergeMethod(
    name="test",
    summary="x",
    reference="x",
    family=Family.AVERAGES,
    base=BaseUse.UNUSED,
    parameters=Parameters,
    model_parameters=ModelParameters,
    merge=lambda block: block.models[0],
)


def test_values_are_typed_and_aliases_known() -> None:
    assert typed(Parameters, {"lambda": 1, "limit": 2}) == Parameters(scaling=1.0, limit=2.0)
    assert typed(Parameters, {"limit": None}).limit is None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"scaling": "much"}, "scaling is 'much', but has to be a number"),
        ({"scaling": -1.0}, "at least 0"),
        ({"scaling": 2.5}, "at most 2"),
        ({"scaling": float("nan")}, "finite"),
        ({"scaling": True}, "has to be a number"),
        ({"count": 1.5}, "has to be a whole number"),
        ({"rescale": 1}, "has to be true or false"),
        ({"mode": "max"}, "one of: mean, sum"),
        ({"mode": True}, "mode is True, but has to be one of: mean, sum"),
        ({"mode": None}, "mode is None, but has to be one of: mean, sum"),
        ({"limit": "x"}, "a number or nothing"),
        ({"scalling": 1}, "no parameter 'scalling'"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, object], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        typed(Parameters, values)


def test_only_what_cannot_vary_holds_for_the_whole_merge() -> None:
    assert constant(Parameters, {"mode": "sum", "scaling": 2.0, "weight": 3.0}) == Parameters(mode="sum")


def layer(number: int | None, group: Group = Group.LAYER, name: str = "x") -> TensorPlace:
    return TensorPlace(name, (1,), group, number, 5)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (layer(0), 1.0),
        (layer(1), 0.5),
        (layer(2), 0.0),
        (layer(4), 4.0),
        (layer(None, Group.EMBEDDING), 1.0),
        (layer(None, Group.OTHER), 1.0),
        (layer(None, Group.NORM), 4.0),
        (layer(None, Group.HEAD), 4.0),
    ],
)
def test_a_list_is_a_gradient_over_the_layers(place: TensorPlace, expected: float) -> None:
    assert value_at([1, 0, 4], place) == expected


def test_a_network_of_one_layer_has_the_first_number_of_a_gradient() -> None:
    assert value_at([1, 2], TensorPlace("x", (1,), Group.LAYER, 0, 1)) == 1


def test_the_first_filter_that_fits_decides() -> None:
    value = [{"filter": "mlp", "value": [0, 1]}, {"filter": "attn", "value": 5}, {"value": 7}]
    assert value_at(value, layer(4, name="mlp.up")) == 1
    assert value_at(value, layer(4, name="attn.q")) == 5
    assert value_at(value, layer(4, name="norm")) == 7
    assert value_at({"filter": "*", "value": 9}, layer(0)) == 9


@pytest.mark.parametrize("value", [[], [1, "x"], [{"filter": "x"}], [{"value": 1, "other": 2}]])
def test_lists_that_mean_nothing_are_refused(value: list[object]) -> None:
    with pytest.raises(RecipeError):
        value_at(value, layer(0))


def test_what_a_model_says_goes_before_what_the_merge_says() -> None:
    values = ParameterValues(
        METHOD, {"weight": 2.0}, ({"weight": [{"filter": "bias", "value": 5.0}]}, {}), ("a", "b")
    )
    assert [each.weight for each in values.at(layer(0, name="x.bias"))[1]] == [5.0, 2.0]
    assert [each.weight for each in values.at(layer(0, name="x.weight"))[1]] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("whole", "each", "why"),
    [
        ({"wheight": 1}, {}, "no parameter 'wheight'"),
        ({}, {"scaling": 1}, "no parameter 'scaling'"),
        ({"mode": ["mean", "sum"]}, {}, "holds for the whole merge"),
    ],
)
def test_unknown_names_are_refused(whole: dict[str, object], each: dict[str, object], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        ParameterValues(METHOD, whole, (each,), ("a",)).refuse_unknown()
