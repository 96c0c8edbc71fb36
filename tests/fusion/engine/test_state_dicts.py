from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mergebert_fusion.engine.state_dicts import fuse
from mergebert_fusion.errors import CheckpointError, RecipeError
from mergebert_fusion.recipe.policy import Policy
from tests.fusion.models import CONFIG, changed, random_tensors, run_recipe, write_family


@pytest.mark.parametrize("method", ["average", "ties", "opcm", "dare_linear"])
def test_it_gives_what_a_recipe_gives(tmp_path: Path, method: str) -> None:
    family = write_family(tmp_path)
    text = f"merge_method: {method}\nbase_model: base\nmodels: [{{model: a}}, {{model: b}}]\nparameters: {{weight: 0.5}}\n"
    parameters: dict[str, object] = {"weight": 0.5}
    if method == "opcm":
        text, parameters = text.replace("parameters: {weight: 0.5}\n", ""), {}
    merged = run_recipe(text, tmp_path, tmp_path / "out")
    models = {"a": family["a"], "b": family["b"]}
    fused = fuse(method, models, family["base"], parameters=parameters, config=CONFIG)
    assert fused.keys() == merged.keys()
    assert all(torch.equal(fused[name], merged[name]) for name in merged)


class Tied(nn.Module):
    """A table that is also the head, a counter, and a norm."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(5, 3)
        self.norm = nn.LayerNorm(3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("counter", torch.tensor(3))


def test_tensors_that_share_memory_count_once_and_still_share_it(tmp_path: Path) -> None:
    models = {"a": Tied(1), "b": Tied(2)}
    fused = fuse("average", models)
    mean = (models["a"].embed.weight + models["b"].embed.weight) / 2
    torch.testing.assert_close(fused["embed.weight"], mean.detach())
    assert fused["head.weight"] is fused["embed.weight"]
    merged = Tied(3)
    merged.load_state_dict(fused)
    assert int(merged.counter) == 3


def test_whole_numbers_have_to_be_equal_or_chosen() -> None:
    models: dict[str, Tied] = {"a": Tied(1), "b": Tied(2)}
    models["b"].counter += 1
    with pytest.raises(CheckpointError, match="counter holds other values in b than in a"):
        fuse("average", models)
    assert int(fuse("average", models, policy=Policy(buffers="b"))["counter"]) == 4


def test_the_result_shares_no_memory_with_the_models_and_has_their_types() -> None:
    base = random_tensors(0)
    models: dict[str, dict[str, Tensor]] = {
        name: {n: t.half() for n, t in changed(base, seed).items()} for seed, name in enumerate("ab")
    }
    before = {name: tensor.clone() for name, tensor in models["a"].items()}
    fused = fuse("average", models, config=CONFIG, policy=Policy(norms="a"))
    for tensor in fused.values():
        assert tensor.dtype == torch.float16
        tensor.zero_()
    assert all(torch.equal(models["a"][name], before[name]) for name in before)


def test_too_few_models_or_unknown_parameters_are_refused() -> None:
    base = random_tensors(0)
    with pytest.raises(RecipeError, match="needs at least 2"):
        fuse("slerp", {"a": base})
    with pytest.raises(RecipeError, match="no parameter 'wieght'"):
        fuse("average", {"a": base}, parameters={"wieght": 1})
    with pytest.raises(RecipeError, match="give base_model"):
        fuse("ties", {"a": base})
