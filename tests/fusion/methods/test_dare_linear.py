from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.randomness import uniform
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, constant

DARE = method_named("dare_linear")


def fused(relatives: Relatives, seed: int = 0, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(DARE, relatives.models, relatives.base, parameters=parameters, seed=seed).tensors


def dropped(relatives: Relatives, model: str, name: str, density: float, seed: int = 0) -> Tensor:
    vector = relatives.models[model][name] - relatives.base[name]
    drawn = uniform(seed, model, name, 0, vector.numel()).reshape(vector.shape)
    return torch.where(drawn < density, vector / density, torch.zeros_like(vector))


def test_it_adds_up_what_is_left_divided_by_the_density(relatives: Relatives) -> None:
    merged = fused(relatives, density=0.4, scaling=0.5, weight=0.7)
    for name in relatives.base:
        summed = sum(dropped(relatives, model, name, 0.4) for model in relatives.models)
        torch.testing.assert_close(merged[name], relatives.base[name] + 0.5 * 0.7 * summed)


def test_dropping_nothing_is_task_arithmetic(relatives: Relatives) -> None:
    parameters = {"scaling": 0.3}
    expected = fused_tensors(
        method_named("task_arithmetic"), relatives.models, relatives.base, parameters=parameters
    )
    assert_same_bits(fused(relatives, density=1.0, scaling=0.3), expected.tensors)


@pytest.mark.parametrize("rescale", ["probability", "l1", "none"])
def test_dropping_everything_leaves_the_base(relatives: Relatives, rescale: str) -> None:
    assert_same_bits(fused(relatives, density=0.0, rescale=rescale), relatives.base)


def test_survivors_are_their_change_over_the_density_and_the_rest_is_the_base() -> None:
    vector = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    merged = fused_tensors(DARE, {"a": {"w": vector}}, {"w": torch.zeros(5000)}, parameters={"density": 0.1})
    left = merged.tensors["w"]
    assert torch.equal(left[left != 0], (vector * (1 / 0.1))[left != 0])
    assert 420 <= int((left != 0).sum()) <= 580  # 500 expected; this is less likely than one in ten thousand


def test_the_mean_over_many_seeds_is_the_task_vector() -> None:
    vector = torch.linspace(-2, 2, 40)
    models, base = {"a": {"w": vector}}, {"w": torch.zeros(40)}
    drawn = [fused_tensors(DARE, models, base, parameters={"density": 0.5}, seed=seed) for seed in range(400)]
    mean = torch.stack([merged.tensors["w"] for merged in drawn]).mean(0)
    # The deviation of one draw is |d|, that of the mean of 400 a twentieth of it.
    assert ((mean - vector).abs() < 0.25 * vector.abs() + 1e-5).all()


def test_the_l1_rescale_keeps_the_sum_of_magnitudes_of_each_tensor(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    by_l1, by_probability = fused(one, density=0.3, rescale="l1"), fused(one, density=0.3)
    name = "embeddings.weight"
    vector, left, plain = (
        tensors[name] - one.base[name] for tensors in (one.models["task0"], by_l1, by_probability)
    )
    assert float(left.abs().sum()) == pytest.approx(float(vector.abs().sum()), rel=1e-4)
    assert float(plain.abs().sum()) != pytest.approx(float(vector.abs().sum()), rel=1e-3)
    assert torch.equal(left == 0, plain == 0)  # the same draw, on another scale


def test_without_rescale_survivors_stay_as_they_are(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    left = fused(one, density=0.5, rescale="none")
    changed = left["layer.0.up.weight"] != one.base["layer.0.up.weight"]
    torch.testing.assert_close(
        left["layer.0.up.weight"][changed], one.models["task0"]["layer.0.up.weight"][changed]
    )


def test_masks_do_not_depend_on_order_cut_or_threads(relatives: Relatives) -> None:
    whole = fused(relatives, density=0.5)
    turned = Relatives(
        dict(reversed(relatives.base.items())),
        {name: dict(reversed(model.items())) for name, model in relatives.models.items()},
        relatives.places,
    )
    other = fused_tensors(
        DARE, turned.models, turned.base, parameters={"density": 0.5}, block=8, threads=3
    ).tensors
    assert_same_bits(whole, {name: other[name] for name in whole})


def test_masks_of_a_model_do_not_depend_on_the_other_models(relatives: Relatives) -> None:
    alone = {"task1": relatives.models["task1"]}
    merged = fused_tensors(DARE, alone, relatives.base, parameters={"density": 0.5}).tensors
    weights = {"task0": {"weight": 0.0}, "task2": {"weight": 0.0}}
    among = fused_tensors(
        DARE, relatives.models, relatives.base, parameters={"density": 0.5}, model_parameters=weights
    ).tensors
    assert_near(merged, among)


def test_another_seed_draws_other_masks(relatives: Relatives) -> None:
    one, same, other = (fused(relatives, seed, density=0.5) for seed in (1, 1, 2))
    assert_same_bits(one, same)
    assert not torch.equal(one["embeddings.weight"], other["embeddings.weight"])


def test_models_have_masks_of_their_own() -> None:
    vector = torch.ones(200)
    models = {"a": {"w": vector}, "b": {"w": vector}}
    left = fused_tensors(DARE, models, {"w": torch.zeros(200)}, parameters={"density": 0.5}).tensors["w"]
    assert set(left.tolist()) == {0.0, 2.0, 4.0}


@pytest.mark.parametrize("rescale", ["probability", "l1", "none"])
def test_every_shape_and_unchanged_models_go_through(rescale: str) -> None:
    parameters = {"density": 0.5, "rescale": rescale}
    same = fused_tensors(DARE, {"a": constant(1.0)}, constant(1.0), parameters=parameters)
    assert_same_bits(same.tensors, constant(1.0))
    moved = fused_tensors(DARE, {"a": constant(2.0)}, constant(1.0), parameters=parameters).tensors
    assert all(torch.isfinite(tensor).all() for tensor in moved.values())


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"density": 1.5}, "density is"),
        ({"rescale": "l2"}, "one of"),
        ({"normalize": True, "weight": 0}, "add up"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    relatives: Relatives, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RecipeError, match=reason):
        fused(relatives, **parameters)
