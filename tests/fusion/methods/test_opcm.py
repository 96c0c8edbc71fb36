from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.block import Block
from mergebert_fusion.engine.state_dicts import Fused
from mergebert_fusion.methods import opcm
from mergebert_fusion.methods.opcm import Numbers, projected, split_rank
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits, changes, constant, flat, task_vectors

OPCM = method_named("opcm")


def fused(relatives: Relatives, **options: Any) -> Fused:
    return fused_tensors(OPCM, relatives.models, relatives.base, places=relatives.places, **options)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def reference(relatives: Relatives, alpha: float) -> Tensor:
    """The recurrence as published, with full bases and a rescaling after every model."""
    parts: dict[str, Tensor] = {}
    norms: list[Tensor] = []
    scale = torch.ones(())
    for model in relatives.models.values():
        own = {n: (model[n] - base).to(torch.float64) for n, base in relatives.base.items()}
        norms.append(flat(own).norm())
        if not parts:
            parts = own
            continue
        grown = {n: scale * parts[n] + cleaned(own[n], parts[n], alpha, n, relatives) for n in own}
        mean, length = torch.stack(norms).mean(), flat(grown).norm()
        parts, scale = {n: part * mean / length for n, part in grown.items()}, length / mean
    return flat(parts)


def cleaned(own: Tensor, merged: Tensor, alpha: float, name: str, relatives: Relatives) -> Tensor:
    if not relatives.places[name].is_linear:
        return own
    left, values, right = torch.linalg.svd(merged, full_matrices=True)
    shared = left.T @ own @ right.T
    shared.diagonal().fill_(0)
    split = next(k for k in range(1, len(values) + 1) if values[:k].sum() / values.sum() > alpha)
    shared[:split, :split] = 0
    return left @ shared @ right


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.9])
def test_it_is_the_published_recurrence(make_relatives: MakeRelatives, alpha: float) -> None:
    four = make_relatives(4)
    outcome = fused(four, parameters={"alpha": alpha})
    torch.testing.assert_close(changes(outcome.tensors, four), reference(four, alpha), rtol=1e-4, atol=1e-5)


def test_one_model_is_given_back(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    assert_near(fused(one).tensors, one.models["task0"])


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_merged_vector_is_as_long_as_a_task_vector_on_average(
    make_relatives: MakeRelatives, count: int
) -> None:
    several = make_relatives(count)
    mean = task_vectors(several.models, several.base).norm(dim=1).mean()
    torch.testing.assert_close(changes(fused(several).tensors, several).norm(), mean, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(8, 6), (6, 8), (5, 5), (7, 1), (1, 7)])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_what_is_added_is_orthogonal_to_what_was_merged(shape: tuple[int, int], alpha: float) -> None:
    new, merged = random(*shape), random(*shape, seed=1)
    added = projected(new, merged, alpha)
    assert abs(float((added * merged).sum())) < 1e-9
    assert added.shape == new.shape


def test_more_alpha_never_adds_more() -> None:
    new, merged = random(8, 6), random(8, 6, seed=1)
    lengths = [float(projected(new, merged, alpha).norm()) for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert all(more <= less + 1e-9 for less, more in itertools.pairwise(lengths))
    assert lengths[-1] < lengths[0]


def test_alpha_of_one_takes_away_all_that_both_share() -> None:
    """With the code's cumulative share, which never exceeds 1, nothing but the diagonal would go."""
    new, merged = random(6, 6), random(6, 6, seed=1)
    torch.testing.assert_close(projected(new, merged, 1.0), torch.zeros(6, 6, dtype=torch.float64))
    tall, wide = random(8, 3), random(8, 3, seed=1)
    left, _, _ = torch.linalg.svd(wide, full_matrices=False)
    torch.testing.assert_close(projected(tall, wide, 1.0), tall - left @ left.T @ tall)


def test_alpha_of_nothing_takes_away_the_diagonal_alone() -> None:
    new, merged = random(6, 4), torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0])).to(torch.float64)
    merged = torch.cat([merged, torch.zeros(2, 4, dtype=torch.float64)])
    expected = new.clone()
    expected.diagonal().fill_(0)
    torch.testing.assert_close(projected(new, merged, 0.0), expected)


@pytest.mark.parametrize(("alpha", "rank"), [(0.0, 1), (0.39, 1), (0.41, 2), (0.71, 3), (0.95, 4), (1.0, 4)])
def test_the_leading_values_are_the_fewest_whose_share_exceeds_alpha(alpha: float, rank: int) -> None:
    assert split_rank(torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64), alpha) == rank


def test_directions_that_were_never_merged_are_left_alone() -> None:
    merged = torch.zeros(4, 4, dtype=torch.float64)
    merged[0, 0] = 2.0
    new = random(4, 4)
    expected = new.clone()
    expected[0, 0] = 0
    for alpha in (0.0, 1.0):
        torch.testing.assert_close(projected(new, merged, alpha), expected)


def test_models_of_separate_directions_are_added_up() -> None:
    base = {"v.weight": torch.zeros(4, 4)}
    first, second = torch.zeros(4, 4), torch.zeros(4, 4)
    first[0, 1], second[2, 3] = 3.0, 3.0
    models = {"a": {"v.weight": first}, "b": {"v.weight": second}}
    merged = fused_tensors(OPCM, models, base).tensors["v.weight"]
    torch.testing.assert_close(merged, (first + second) / 2**0.5)


def test_tables_and_vectors_are_not_projected(relatives: Relatives) -> None:
    merged = fused(relatives, parameters={"alpha": 1.0}).tensors
    together = sum(
        model["embeddings.weight"] - relatives.base["embeddings.weight"]
        for model in relatives.models.values()
    )
    change = merged["embeddings.weight"] - relatives.base["embeddings.weight"]
    torch.testing.assert_close(change / change.norm(), together / together.norm(), rtol=1e-4, atol=1e-5)
    bias = merged["layer.0.up.bias"] - relatives.base["layer.0.up.bias"]
    summed = sum(
        model["layer.0.up.bias"] - relatives.base["layer.0.up.bias"] for model in relatives.models.values()
    )
    torch.testing.assert_close(bias / change.norm(), summed / together.norm(), rtol=1e-4, atol=1e-5)


def test_the_order_of_the_models_matters(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert not torch.allclose(flat(fused(relatives).tensors), flat(fused(turned).tensors), atol=1e-3)


def test_a_first_model_equal_to_the_base_adds_nothing(relatives: Relatives) -> None:
    later = Relatives(relatives.base, {"same": relatives.base, **relatives.models}, relatives.places)
    ratio = changes(fused(later).tensors, later) / changes(fused(relatives).tensors, relatives)
    torch.testing.assert_close(ratio, torch.full_like(ratio, 3 / 4), rtol=1e-2, atol=1e-3)


def test_models_equal_to_the_base_give_the_base(relatives: Relatives) -> None:
    same = Relatives(relatives.base, {"a": relatives.base, "b": relatives.base}, relatives.places)
    assert_same_bits(fused(same).tensors, relatives.base)


def test_a_model_merged_twice_comes_out_as_itself_where_nothing_is_projected() -> None:
    merged = fused_tensors(
        OPCM, {"a": {"v": torch.ones(5)}, "b": {"v": torch.ones(5)}}, {"v": torch.zeros(5)}
    )
    torch.testing.assert_close(merged.tensors["v"], torch.ones(5))


def test_odd_shapes_are_merged() -> None:
    merged = fused_tensors(OPCM, {"a": constant(2.0), "b": constant(3.0)}, constant(1.0))
    assert flat(merged.tensors).isfinite().all()


def block_of(relatives: Relatives, name: str, numbers: Numbers, *models: str) -> Block[Any, Any, Numbers]:
    own = tuple(relatives.models[model][name] for model in models)
    base, place = relatives.base[name], relatives.places[name]
    return Block(place, 0, base, own, models, opcm.Parameters(), (), numbers)


def test_it_goes_on_from_what_was_saved_after_a_model(relatives: Relatives) -> None:
    numbers, states = opcm.begin(), dict.fromkeys(relatives.base)
    for model in relatives.models:
        steps = {n: opcm.step(block_of(relatives, n, numbers, model), states[n]) for n in states}
        states = {n: step.state for n, step in steps.items()}
        squares = functools.reduce(OPCM.combine, (step.measured for step in steps.values()))
        saved = json.dumps(dataclasses.asdict(opcm.conclude(numbers, squares)))
        numbers = Numbers(**json.loads(saved))
    outcome = fused(relatives)
    assert numbers == outcome.found
    merged = {n: opcm.finish(block_of(relatives, n, numbers), state) for n, state in states.items()}
    assert_same_bits(merged, outcome.tensors)
