from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.randomness import uniform
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.della import probabilities
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits

DELLA = method_named("della")


def fused(relatives: Relatives, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(DELLA, relatives.models, relatives.base, parameters=parameters).tensors


def pruned(relatives: Relatives, model: str, name: str, density: float, epsilon: float) -> Tensor:
    """MagPrune, row by row and element by element."""
    vector = relatives.models[model][name] - relatives.base[name]
    rows = vector.reshape(-1, vector.shape[-1] if vector.dim() else 1)
    drawn = uniform(0, model, name, 0, vector.numel()).reshape(rows.shape)
    out = torch.zeros_like(rows)
    for i, row in enumerate(rows):
        order = sorted(range(len(row)), key=lambda j: abs(float(row[j])))
        for rank, j in enumerate(order):
            step = 2 * epsilon * rank / (len(row) - 1) if len(row) > 1 else epsilon
            if drawn[i, j] < density - epsilon + step:
                out[i, j] = row[j] / (density - epsilon + step)
    return out.reshape(vector.shape)


def test_it_drops_by_rank_elects_a_sign_and_takes_the_mean(relatives: Relatives) -> None:
    merged = fused(relatives, density=0.6, epsilon=0.3, scaling=1.1)
    for name in relatives.base:
        vectors = torch.stack([pruned(relatives, model, name, 0.6, 0.3) for model in relatives.models])
        agrees = (torch.sign(vectors) == torch.sign(vectors.sum(0))) & (vectors != 0)
        change = (vectors * agrees).sum(0) / agrees.sum(0).clamp(min=1)
        torch.testing.assert_close(merged[name], relatives.base[name] + 1.1 * change)


def test_the_smallest_of_a_row_is_the_least_likely() -> None:
    vector = torch.tensor([[0.3, -0.1, 0.2], [3.0, 2.0, -1.0]])
    expected = torch.tensor([[0.8, 0.4, 0.6], [0.8, 0.6, 0.4]])
    torch.testing.assert_close(probabilities(vector, 0.6, 0.2), expected)


def test_no_window_keeps_all_with_one_probability() -> None:
    assert torch.equal(probabilities(torch.randn(3, 5), 0.25, 0.0), torch.full((3, 5), 0.25))


def test_on_average_a_row_keeps_its_density() -> None:
    mean = probabilities(torch.randn(10, 7), 0.7, 0.2).mean(1)
    torch.testing.assert_close(mean, torch.full((10,), 0.7))


def test_equal_magnitudes_rank_in_their_order() -> None:
    torch.testing.assert_close(
        probabilities(torch.tensor([[1.0, -1.0, 1.0]]), 0.5, 0.1), torch.tensor([[0.4, 0.5, 0.6]])
    )


@pytest.mark.parametrize("shape", [(), (1,), (200, 1)])
def test_rows_of_one_element_are_kept_with_the_density(shape: tuple[int, ...]) -> None:
    """The authors' code and mergekit divide 0 by 0 there."""
    base, model = torch.zeros(shape), torch.ones(shape)
    parameters = {"density": 0.5, "epsilon": 0.2}
    merged = fused_tensors(DELLA, {"a": {"w": model}}, {"w": base}, parameters=parameters).tensors["w"]
    drawn = uniform(0, "a", "w", 0, base.numel()).reshape(shape)
    assert torch.equal(merged, torch.where(drawn < 0.5, 2.0, 0.0))


def test_one_whole_model_is_that_model(make_relatives: MakeRelatives) -> None:
    one = make_relatives(1)
    assert_near(fused(one, density=1.0), one.models["task0"])


def test_dropping_everything_leaves_the_base(relatives: Relatives) -> None:
    assert_same_bits(fused(relatives, density=0.0), relatives.base)


def test_the_order_of_the_models_does_not_matter(relatives: Relatives) -> None:
    turned = Relatives(relatives.base, dict(reversed(relatives.models.items())), relatives.places)
    assert_near(fused(relatives), fused(turned))


@pytest.mark.parametrize(("density", "epsilon"), [(0.9, 0.15), (0.1, 0.1), (0.1, 0.2)])
def test_a_window_beyond_probabilities_is_refused(
    relatives: Relatives, density: float, epsilon: float
) -> None:
    with pytest.raises(RecipeError, match="choose an epsilon"):
        fused(relatives, density=density, epsilon=epsilon)


def test_a_window_may_end_at_certainty(relatives: Relatives) -> None:
    merged = fused(relatives, density=0.75, epsilon=0.25)
    assert all(torch.isfinite(tensor).all() for tensor in merged.values())
