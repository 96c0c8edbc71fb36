from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.contract.block import Group, TensorPlace
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.layer_swap import Leads, Parameters, language_share
from mergebert_fusion.methods.registry import method_named
from tests.fusion.in_memory import fused_tensors
from tests.fusion.relatives import MakeRelatives, Relatives
from tests.fusion.vectors import assert_near, assert_same_bits

LAYER_SWAP = method_named("layer_swap")
ROLES = {"task0": {"role": "task"}, "task1": {"role": "language"}}


@pytest.fixture
def experts(make_relatives: MakeRelatives) -> Relatives:
    """A task expert and a language expert of one base."""
    return make_relatives(2)


def fused(experts: Relatives, base: bool = False, **parameters: Any) -> dict[str, Tensor]:
    return fused_tensors(
        LAYER_SWAP,
        experts.models,
        experts.base if base else None,
        parameters=parameters,
        model_parameters=ROLES,
        places=experts.places,
    ).tensors


def sources(layers: int, **parameters: Any) -> str:
    """Which expert each layer comes from, the first letter of its role each; b for a blend."""
    settings = Parameters(**parameters)
    places = [TensorPlace("w", (2, 2), Group.LAYER, layer, layers) for layer in range(layers)]
    shares = [language_share(place, settings, Leads()) for place in places]
    return "".join({0.0: "t", 1.0: "l"}.get(share, "b") for share in shares)


def test_the_defaults_are_the_papers_for_its_layers_and_scale_to_others() -> None:
    assert sources(32) == "l" * 5 + "b" + "t" * 23 + "b" + "ll"
    assert sources(12) == "llbtttttttbl"


def test_the_defaults_are_refused_where_they_would_leave_out_the_task_expert() -> None:
    assert sources(3) == "lbl"
    assert sources(2, bottom=1, top=0, transition_bottom=0) == "lt"
    with pytest.raises(RecipeError, match=r"leave none of 2 layer\(s\) to the task expert"):
        sources(2)


def test_layers_stand_where_they_are_told() -> None:
    none = {"transition_bottom": 0, "transition_top": 0}
    assert sources(6, bottom=2, top=1, **none) == "lltttl"
    assert sources(6, bottom=2, top=1, transition_bottom=2, transition_top=0) == "llbbtl"
    assert sources(6, bottom=1, top=2, transition_bottom=0, transition_top=1) == "lttbll"


def test_no_swapped_layers_is_the_task_expert(experts: Relatives) -> None:
    merged = fused(experts, bottom=0, top=0, embeddings="task", norm="task")
    assert_same_bits(merged, experts.models["task0"])


def test_all_layers_swapped_is_the_language_expert(experts: Relatives) -> None:
    merged = fused(experts, bottom=2, top=1, head="language")
    assert_same_bits(merged, experts.models["task1"])


def test_without_transition_every_tensor_is_one_experts(experts: Relatives) -> None:
    merged = fused(experts, bottom=1, top=1, transition_bottom=0, transition_top=0)
    task, language = experts.models.values()
    assert_same_bits(
        merged,
        {
            **task,
            **{n: language[n] for n in language if n[:7] in ("embeddi", "layer.0", "layer.2", "norm.we")},
        },
    )


def test_a_transition_layer_is_a_blend(experts: Relatives) -> None:
    merged = fused(experts, bottom=1, top=0, transition_bottom=1, blend=0.3)
    task, language = (model["layer.1.up.weight"] for model in experts.models.values())
    torch.testing.assert_close(merged["layer.1.up.weight"], 0.3 * language + 0.7 * task)


def test_a_transition_of_the_language_alone_is_a_larger_block(experts: Relatives) -> None:
    blended = fused(experts, bottom=1, top=0, transition_bottom=1, blend=1.0)
    larger = fused(experts, bottom=2, top=0, transition_bottom=0)
    assert_same_bits(blended, larger)


def test_what_lies_outside_the_layers_may_be_blended(experts: Relatives) -> None:
    merged = fused(experts, embeddings="blend", norm="blend", head="blend")
    for name in ("embeddings.weight", "norm.weight", "head.weight", "head.scale"):
        task, language = (model[name] for model in experts.models.values())
        torch.testing.assert_close(merged[name], 0.5 * task + 0.5 * language)


def test_equal_experts_give_themselves(experts: Relatives) -> None:
    model = experts.models["task0"]
    same = Relatives(experts.base, {"task0": model, "task1": model}, experts.places)
    assert_near(fused(same), model)
    assert_near(fused(same, base=True, rule="change"), model)


def test_the_roles_decide_and_not_the_order(experts: Relatives) -> None:
    turned = Relatives(experts.base, dict(reversed(experts.models.items())), experts.places)
    assert_same_bits(fused(experts), fused(turned))
    assert_same_bits(fused(experts, base=True, rule="change"), fused(turned, base=True, rule="change"))


def changed(experts: Relatives, **factors: tuple[float, float]) -> Relatives:
    """The experts, what they changed in a layer multiplied by a factor for the task and one for the language."""
    models = {}
    for i, (name, model) in enumerate(experts.models.items()):
        models[name] = {
            n: experts.base[n] + factors.get(n[:7].replace(".", ""), (1.0, 1.0))[i] * (t - experts.base[n])
            for n, t in model.items()
        }
    return Relatives(experts.base, models, experts.places)


def test_the_expert_that_changed_a_layer_more_gives_it(experts: Relatives) -> None:
    uneven = changed(experts, layer0=(0.1, 5.0), layer1=(5.0, 0.1), layer2=(0.1, 5.0))
    merged = fused(uneven, base=True, rule="change")
    for layer, model in enumerate(("task1", "task0", "task1")):
        for kind in ("weight", "bias"):
            name = f"layer.{layer}.up.{kind}"
            assert torch.equal(merged[name], uneven.models[model][name])


def test_shares_of_change_are_compared_and_not_amounts(experts: Relatives) -> None:
    loud = changed(experts, layer0=(50.0, 1.0), layer1=(50.0, 1.0), layer2=(50.0, 1.0))
    kept = fused(experts, base=True, rule="change")
    after = fused(loud, base=True, rule="change")
    for name, tensor in kept.items():
        if name.startswith("layer"):
            came_from_language = torch.equal(tensor, experts.models["task1"][name])
            assert came_from_language == torch.equal(after[name], loud.models["task1"][name])


def test_layers_within_tau_are_blended(experts: Relatives) -> None:
    merged = fused(experts, base=True, rule="change", tau=1.0)
    for name in ("layer.0.up.weight", "layer.2.up.bias"):
        task, language = (model[name] for model in experts.models.values())
        torch.testing.assert_close(merged[name], 0.5 * task + 0.5 * language)


def test_shares_are_the_relative_changes_of_the_matrices(experts: Relatives) -> None:
    outcome = fused_tensors(
        LAYER_SWAP,
        experts.models,
        experts.base,
        parameters={"rule": "change"},
        model_parameters=ROLES,
        places=experts.places,
    )
    relative = [
        [
            float((model[n] - experts.base[n]).norm() / experts.base[n].norm())
            for n in (f"layer.{layer}.up.weight" for layer in range(3))
        ]
        for model in experts.models.values()
    ]
    for layer in range(3):
        task, language = (changes[layer] / sum(changes) for changes in relative)
        assert outcome.found.of[("", layer)] == pytest.approx(language - task, abs=1e-6)


def test_experts_equal_to_their_base_go_through(experts: Relatives) -> None:
    same = Relatives(experts.base, {"task0": experts.base, "task1": experts.base}, experts.places)
    assert_same_bits(fused(same, base=True, rule="change"), experts.base)


def test_a_layer_of_zeros_in_the_base_counts_as_much_as_it_was_changed(experts: Relatives) -> None:
    zeros = {n: torch.zeros_like(t) for n, t in experts.base.items()}
    models = {"task0": {n: t + n.startswith("layer.1") for n, t in zeros.items()}}
    models["task1"] = {n: t + n.startswith("layer.0") for n, t in zeros.items()}
    merged = fused(Relatives(zeros, models, experts.places), base=True, rule="change")
    assert torch.equal(merged["layer.0.up.weight"], torch.ones(8, 6))
    assert torch.equal(merged["layer.1.up.weight"], torch.ones(8, 6))


def test_more_layers_than_there_are_are_refused(experts: Relatives) -> None:
    with pytest.raises(RecipeError, match="more than the 3 layers"):
        fused(experts, bottom=2, top=2)


@pytest.mark.parametrize("roles", [{}, {"task0": {"role": "task"}, "task1": {"role": "task"}}])
def test_one_model_of_each_role_is_needed(experts: Relatives, roles: dict[str, dict[str, str]]) -> None:
    with pytest.raises(RecipeError, match="role: language"):
        fused_tensors(LAYER_SWAP, experts.models, model_parameters=roles)


def test_changes_cannot_be_compared_without_a_base(experts: Relatives) -> None:
    with pytest.raises(RecipeError, match="give base_model"):
        fused(experts, rule="change")
