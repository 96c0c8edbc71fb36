from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mergebert_fusion.contract.block import Group
from mergebert_fusion.engine.plan import RunOptions, planned_recipe
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.io.architectures import GENERIC, architecture_of, is_norm
from mergebert_fusion.recipe.policy import Treatment
from mergebert_fusion.recipe.reading import recipe_in
from tests.fusion.models import run_recipe

SMALL = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
DEBERTA = {
    **SMALL,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}
LLAMA = {**SMALL, "num_key_value_heads": 1}
GPT2 = {"vocab_size": 30, "n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 20}
GPT2 |= {"bos_token_id": 1, "eos_token_id": 1}
T5 = {"vocab_size": 30, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_heads": 2}
DISTILBERT = {"vocab_size": 30, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24}
# Class, its configuration, the entry of the table, the stacks of layers.
NETWORKS: list[tuple[str, dict[str, Any], str, dict[str, int]]] = [
    ("RobertaForSequenceClassification", SMALL, "bert", {"": 3}),
    ("RobertaForMaskedLM", SMALL, "bert", {"": 3}),
    ("XLMRobertaForTokenClassification", SMALL, "bert", {"": 3}),
    ("BertForSequenceClassification", SMALL, "bert", {"": 3}),
    ("BertForMaskedLM", SMALL, "bert", {"": 3}),
    ("DebertaV2ForSequenceClassification", DEBERTA, "bert", {"": 3}),
    ("DistilBertForSequenceClassification", DISTILBERT, "distilbert", {"": 3}),
    ("DistilBertForMaskedLM", DISTILBERT, "distilbert", {"": 3}),
    ("GPT2LMHeadModel", GPT2, "gpt2", {"": 3}),
    ("GPT2ForSequenceClassification", {**GPT2, "pad_token_id": 0}, "gpt2", {"": 3}),
    ("LlamaForCausalLM", LLAMA, "llama", {"": 3}),
    ("Qwen2ForSequenceClassification", {**LLAMA, "pad_token_id": 0}, "llama", {"": 3}),
    ("T5ForConditionalGeneration", T5, "t5", {"encoder": 3, "decoder": 3}),
]
BY_NAME = pytest.mark.parametrize(
    ("name", "settings", "family", "layers"), NETWORKS, ids=[n[0] for n in NETWORKS]
)


def network(name: str, settings: dict[str, Any]) -> Any:
    import transformers

    kind = getattr(transformers, name)
    torch.manual_seed(0)
    return kind(kind.config_class(**settings))


@BY_NAME
def test_the_places_of_every_tensor_are_known(
    name: str, settings: dict[str, Any], family: str, layers: dict[str, int]
) -> None:
    model = network(name, settings)
    names = list(model.state_dict())
    architecture = architecture_of(model.config.to_dict(), names)
    assert architecture.name == family
    assert architecture_of({}, names).name == family, "the names alone have to show it"
    assert architecture.depths(names) == layers
    places = [architecture.place(n, tuple(t.shape), layers) for n, t in model.state_dict().items()]
    assert not [place.name for place in places if place.group is Group.OTHER]
    groups = {place.group for place in places}
    assert {Group.EMBEDDING, Group.LAYER} <= groups
    assert all((place.layer is not None) == (place.group is Group.LAYER) for place in places)


@BY_NAME
def test_a_fused_model_loads_and_is_the_mean(
    tmp_path: Path, name: str, settings: dict[str, Any], family: str, layers: dict[str, int]
) -> None:
    model = network(name, settings)
    models = {}
    for i, folder in enumerate(("a", "b")):
        generator = torch.Generator().manual_seed(i)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        model.save_pretrained(tmp_path / folder)
        models[folder] = {n: t.clone() for n, t in model.state_dict().items()}
    text = "merge_method: linear\nmodels: [{model: a}, {model: b}]\n"
    run_recipe(text, tmp_path, tmp_path / "out", largest_shard=4000)
    with planned_recipe(recipe_in(text, tmp_path / "r.yaml"), RunOptions()) as plan:
        assert {decision.treatment for decision in plan.decisions} <= {Treatment.MERGE, Treatment.EQUAL}
    loaded, report = type(model).from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    for tensor, values in loaded.state_dict().items():
        torch.testing.assert_close(values, (models["a"][tensor] + models["b"][tensor]) / 2)


def test_our_own_network_is_known(tmp_path: Path) -> None:
    from mergebert.training.config import ModelConfig
    from mergebert.training.network.model import ColumnsNetwork
    from mergebert_fusion.io.safetensors import write_tensors

    networks = {}
    for i, name in enumerate("ab"):
        torch.manual_seed(i)
        networks[name] = ColumnsNetwork(ModelConfig(vocabulary=40, width=12, layers=2, heads=2))
        write_tensors(tmp_path / f"{name}.safetensors", dict(networks[name].state_dict()), {})
    names = list(networks["a"].state_dict())
    architecture = architecture_of({}, names)
    assert architecture.name == "columns"
    places = {n: architecture.place(n, (), {"": 2}) for n in names}
    others = {n for n, place in places.items() if place.group is Group.OTHER}
    assert others == {f"sides.{i}.weight" for i in range(3)}
    assert places["conflict_head.weight"].group is Group.HEAD
    assert places["norm.weight"].group is Group.NORM
    assert places["blocks.1.attention_norm.bias"].layer == 1
    text = "merge_method: linear\nmodels: [{model: a.safetensors}, {model: b.safetensors}]\n"
    merged = run_recipe(text, tmp_path, tmp_path / "out")
    fused = ColumnsNetwork(ModelConfig(vocabulary=40, width=12, layers=2, heads=2))
    fused.load_state_dict(merged)
    mean = (networks["a"].words.weight + networks["b"].words.weight) / 2
    torch.testing.assert_close(fused.words.weight, mean)


@pytest.mark.parametrize(
    ("name", "group", "layer"),
    [
        ("model.token_embedding.weight", Group.EMBEDDING, None),
        ("blocks.3.mixer.weight", Group.LAYER, 3),
        ("decoder.layers.11.fc1.weight", Group.LAYER, 11),
        ("final_norm.weight", Group.NORM, None),
        ("lm_head.weight", Group.HEAD, None),
        ("classification_head.weight", Group.HEAD, None),
        ("projection.weight", Group.OTHER, None),
    ],
)
def test_the_generic_table_guesses_from_names(name: str, group: Group, layer: int | None) -> None:
    place = GENERIC.place(name, (2, 2), {"": 12, "decoder": 12})
    assert (place.group, place.layer) == (group, layer)


def test_an_architecture_can_be_asked_for_by_name() -> None:
    assert architecture_of({"model_type": "roberta"}, [], "llama").name == "llama"
    with pytest.raises(RecipeError, match="there are bert, distilbert"):
        architecture_of({}, [], "cnn")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("encoder.layer.0.attention.output.LayerNorm.weight", True),
        ("model.layers.0.input_layernorm.weight", True),
        ("h.0.ln_1.bias", True),
        ("model.norm.weight", True),
        ("sa_layer_norm.bias", True),
        ("encoder.block.0.layer.0.layer_norm.weight", True),
        ("blocks.0.attention_norm.weight", True),
        ("layers.0.normalizer_proj.weight", False),
        ("encoder.layer.0.attention.self.query.bias", False),
    ],
)
def test_norms_are_told_from_other_vectors(name: str, expected: bool) -> None:
    assert is_norm(name) is expected
