from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, changes, constant, flat, task_vectors

TIES = method_named("ties")
MERGEKIT = {"trim": "tensor", "sign": "weighted"}


def fused(relatives: Relatives, model_parameters: Any = None, **parameters: Any) -> dict[str, Tensor]:
    own = {"parameters": parameters, "model_parameters": model_parameters}
    return fused_tensors(TIES, relatives.models, relatives.base, **own).tensors


def fused_values(*models: list[float], **parameters: Any) -> list[float]:
    """The merge of models with one vector each over a base of zeros."""
    named = {str(i): {"v": torch.tensor(values)} for i, values in enumerate(models)}
    base = {"v": torch.zeros(len(models[0]))}
    merged = fused_tensors(TIES, named, base, parameters=parameters).tensors["v"]
    return [float(value) for value in merged]


def cut(vectors: Tensor, density: float) -> Tensor:
    smallest = vectors.abs().sort(dim=1, descending=True).values[:, round(density * vectors.shape[1]) - 1]
    return torch.where(vectors.abs() >= smallest[:, None], vectors, 0.0)


def agreed(vectors: Tensor, weights: Tensor, signs: Tensor) -> Tensor:
    weighted = vectors * weights
    chosen = (torch.sign(weighted) == signs) & (signs != 0)
    return (weighted * chosen).sum(0) / (weights * chosen).sum(0).clamp(min=1e-12)


def test_it_is_the_mean_of_what_agrees_among_the_largest_changes_of_whole_models(
    relatives: Relatives,
) -> None:
    vectors = cut(task_vectors(relatives.models, relatives.base), 0.3)
    expected = 0.7 * agreed(vectors, torch.ones(3, 1), torch.sign(vectors.sum(0)))
    merged = fused(relatives, density=0.3, scaling=0.7)
    torch.testing.assert_close(changes(merged, relatives), expected, rtol=1e-4, atol=1e-6)


def test_the_sum_may_be_taken_instead_of_the_mean(relatives: Relatives) -> None:
    vectors = cut(task_vectors(relatives.models, relatives.base), 0.2)
    chosen = vectors * (torch.sign(vectors) == torch.sign(vectors.sum(0)))
    merged = fused(relatives, normalize=False)
    torch.testing.assert_close(changes(merged, relatives), chosen.sum(0), rtol=1e-4, atol=1e-6)


def test_mergekits_form_trims_each_tensor_and_weighs_the_vote(relatives: Relatives) -> None:
    weights = {"task0": {"weight": 1.0}, "task1": {"weight": 0.5}, "task2": {"weight": -0.2}}
    merged = fused(relatives, weights, density=0.5, **MERGEKIT)
    given = torch.tensor([[1.0], [0.5], [-0.2]])
    for name in relatives.base:
        whole = {model: {name: tensors[name]} for model, tensors in relatives.models.items()}
        vectors = cut(task_vectors(whole, {name: relatives.base[name]}), 0.5 if name != "head.scale" else 1)
        signs = torch.where((vectors * given).sum(0) >= 0, 1.0, -1.0)
        chosen = torch.sign(vectors * given) == signs
        weight = (given * chosen).sum(0)
        expected = (vectors * given * chosen).sum(0) / torch.where(weight == 0, 1.0, weight)
        change = (merged[name] - relatives.base[name]).reshape(-1).to(torch.float64)
        torch.testing.assert_close(change, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{}, MERGEKIT])
def test_all_of_one_model_is_that_model(make_relatives: MakeRelatives, options: dict[str, str]) -> None:
    one = make_relatives(1)
    assert_near(fused(one, density=1, **options), one.models["task0"])


@pytest.mark.parametrize("trim", ["model", "tensor"])
@pytest.mark.parametrize(("density", "count"), [(0.2, 200), (0.29, 290), (0.0001, 1), (1.0, 1000)])
def test_exactly_the_share_is_kept(trim: str, density: float, count: int) -> None:
    values = (torch.randperm(1000, generator=torch.Generator().manual_seed(0)) + 1.0).tolist()
    merged = fused_values(values, density=density, trim=trim)
    assert [value for value in merged if value] == [value for value in values if value > 1000 - count]


def test_a_density_of_nothing_gives_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, density=0), relatives.base)


def test_a_trim_over_the_model_may_take_nothing_from_a_tensor_that_hardly_changed(
    relatives: Relatives,
) -> None:
    for model in relatives.models.values():
        model["norm.weight"] = relatives.base["norm.weight"] + 1e-4
    over_model, over_tensor = (fused(relatives, trim=trim)["norm.weight"] for trim in ("model", "tensor"))
    assert torch.equal(over_model, relatives.base["norm.weight"])
    assert not torch.equal(over_tensor, relatives.base["norm.weight"])


def test_tensors_of_one_density_are_trimmed_as_one_vector(relatives: Relatives) -> None:
    two = [{"filter": "bias", "value": 0.5}, {"value": 0.1}]
    merged = fused_tensors(
        TIES, {"a": relatives.models["task0"]}, relatives.base, parameters={"density": two}
    ).tensors
    for density, chosen in ((0.5, True), (0.1, False)):
        names = [name for name in relatives.base if ("bias" in name) == chosen]
        change = flat({n: merged[n] - relatives.base[n] for n in names})
        assert int((change != 0).sum()) == round(density * change.numel())


def test_identical_models_are_given_back_where_they_are_kept(make_relatives: MakeRelatives) -> None:
    model, base = make_relatives(1).models["task0"], make_relatives(1).base
    three = Relatives(base, {"a": model, "b": model, "c": model}, {})
    vectors = cut(task_vectors({"a": model}, base), 0.2)
    torch.testing.assert_close(changes(fused(three), three), vectors[0], rtol=1e-4, atol=1e-6)


def test_all_of_what_has_one_sign_is_the_mean() -> None:
    assert fused_values([1.0, 2.0], [3.0, 4.0], density=1) == [2.0, 3.0]


def test_a_model_takes_part_only_where_it_has_the_sign_of_the_mass() -> None:
    assert fused_values([3.0, -1.0], [-1.0, -2.0], [2.0, 0.0], density=1) == [2.5, -1.5]


@pytest.mark.parametrize(("rest", "expected"), [(1.0, [5.0, 1.0, 1.0]), (-1.0, [-5.0, -1.0, -1.0])])
def test_where_changes_cancel_the_sign_of_the_majority_decides(rest: float, expected: list[float]) -> None:
    assert fused_values([5.0, rest, rest], [-5.0, rest, rest], density=1) == expected


def test_where_changes_cancel_and_there_is_no_majority_the_base_stays() -> None:
    assert fused_values([5.0, 1.0, -1.0], [-5.0, 1.0, -1.0], density=1) == [0.0, 1.0, -1.0]


def test_mergekits_form_is_positive_where_changes_cancel() -> None:
    assert fused_values([5.0, -1.0], [-5.0, -1.0], density=1, **MERGEKIT) == [5.0, -1.0]


def test_weights_that_cancel_do_not_blow_up_the_mean() -> None:
    models = {"a": {"v": torch.ones(1)}, "b": {"v": torch.full((1,), -0.5)}}
    weights = {"a": {"weight": 1.0}, "b": {"weight": -1.0}}
    base = {"v": torch.zeros(1)}
    merged = fused_tensors(
        TIES, models, base, parameters={"density": 1, **MERGEKIT}, model_parameters=weights
    )
    assert merged.tensors["v"].tolist() == [1.5]


@pytest.mark.parametrize("options", [{}, MERGEKIT])
def test_the_order_of_the_models_does_not_matter(relatives: Relatives, options: dict[str, str]) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert_near(fused(relatives, **options), fused(turned, **options))


def test_it_changes_only_what_some_model_keeps_and_by_no_more_than_the_largest(relatives: Relatives) -> None:
    vectors = cut(task_vectors(relatives.models, relatives.base), 0.2)
    change = changes(fused(relatives), relatives)
    assert (change[(vectors == 0).all(0)] == 0).all()
    assert (change.abs() <= vectors.abs().amax(0) + 1e-6).all()


def test_a_model_equal_to_the_base_takes_no_part(relatives: Relatives) -> None:
    more = Relatives(relatives.base, {**relatives.models, "same": relatives.base}, relatives.places)
    assert_same_bits(fused(relatives), fused(more))
    alone = Relatives(relatives.base, {"same": relatives.base}, relatives.places)
    assert_same_bits(fused(alone), relatives.base)


@pytest.mark.parametrize("options", [{}, MERGEKIT, {"trim": "tensor"}])
def test_odd_shapes_are_merged(options: dict[str, str]) -> None:
    models = {"a": constant(3.0), "b": constant(5.0)}
    merged = fused_tensors(TIES, models, constant(1.0), parameters={"density": 0.5, **options}).tensors
    assert_same_bits(merged, constant(4.0))


def test_a_negative_weight_is_refused_where_it_has_no_vote(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="weight of task0 is negative"):
        fused(relatives, weight=-1.0)


def test_a_density_in_percent_is_refused(relatives: Relatives) -> None:
    with pytest.raises(RecipeError, match="at most 1"):
        fused(relatives, density=20)
