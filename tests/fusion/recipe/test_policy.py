from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mergebert_fusion.engine.plan import Plan, RunOptions, planned_recipe
from mergebert_fusion.errors import CheckpointError, RecipeError
from mergebert_fusion.recipe.policy import Treatment, natural
from mergebert_fusion.recipe.reading import recipe_in
from tests.fusion.models import CONFIG, changed, random_tensors, read_model, run_recipe, write_model

TASK_ARITHMETIC = "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"
LINEAR = "merge_method: linear\nmodels: [{model: a}, {model: b}]\n"
WORDS = "roberta.embeddings.word_embeddings.weight"
OUT_PROJ = "classifier.out_proj.weight"
QUERY = "roberta.encoder.layer.0.attention.self.query.weight"


def write(
    folder: Path, models: Mapping[str, dict[str, Tensor]], configs: Mapping[str, Any] | None = None
) -> None:
    for name, tensors in models.items():
        write_model(folder / name, tensors, (configs or {}).get(name))


@pytest.fixture
def family() -> dict[str, dict[str, Tensor]]:
    base = random_tensors(0)
    return {"base": base, "a": changed(base, 1), "b": changed(base, 2)}


def plan_of(text: str, folder: Path) -> Plan:
    with planned_recipe(recipe_in(text, folder / "r.yaml"), RunOptions()) as plan:
        return plan


def treatments(text: str, folder: Path) -> dict[str, Treatment]:
    return {decision.place.name: decision.treatment for decision in plan_of(text, folder).decisions}


def refused(text: str, folder: Path, kind: type[Exception] = CheckpointError) -> str:
    with pytest.raises(kind) as caught:
        run_recipe(text, folder, folder / "out")
    return str(caught.value)


def test_a_tensor_of_another_shape_is_named_with_both_models(tmp_path: Path, family: Any) -> None:
    family["b"][QUERY] = torch.zeros(8, 4)
    write(tmp_path, family)
    said = refused(LINEAR, tmp_path)
    assert f"{QUERY} is [8, 8] in a but [8, 4] in b" in said
    assert "one architecture and size" in said


def test_more_words_need_a_word(tmp_path: Path, family: Any) -> None:
    family["b"][WORDS] = torch.cat([family["b"][WORDS], torch.ones(4, 8)])
    write(tmp_path, family)
    assert "vocabulary: common" in refused(LINEAR, tmp_path)
    merged = run_recipe(LINEAR + "policy: {vocabulary: common}\n", tmp_path, tmp_path / "out")
    torch.testing.assert_close(merged[WORDS], (family["a"][WORDS] + family["b"][WORDS][:20]) / 2)


def test_a_table_of_places_is_never_cut(tmp_path: Path, family: Any) -> None:
    places = "roberta.embeddings.position_embeddings.weight"
    family["b"][places] = torch.zeros(12, 8)
    write(tmp_path, family)
    assert f"{places} is [10, 8] in a" in refused(LINEAR + "policy: {vocabulary: common}\n", tmp_path)


def test_the_base_is_cut_like_the_models(tmp_path: Path, family: Any) -> None:
    family["base"][WORDS] = torch.cat([family["base"][WORDS], torch.ones(4, 8)])
    write(tmp_path, family)
    merged = run_recipe(TASK_ARITHMETIC + "policy: {vocabulary: common}\n", tmp_path, tmp_path / "out")
    base = family["base"][WORDS][:20]
    torch.testing.assert_close(merged[WORDS], family["a"][WORDS] + family["b"][WORDS] - base)
    config = (tmp_path / "out" / "config.json").read_text(encoding="utf-8")
    assert '"vocab_size": 20' in config


def test_heads_of_other_sizes_are_kept_apart_when_told_so(tmp_path: Path, family: Any) -> None:
    for name in ("classifier.out_proj.weight", "classifier.out_proj.bias"):
        family["b"][name] = family["b"][name][:2].clone()
    configs = {"b": {**CONFIG, "id2label": {"0": "x", "1": "y"}}}
    write(tmp_path, family, configs)
    assert "heads: separate" in refused(LINEAR, tmp_path)
    merged = run_recipe(TASK_ARITHMETIC + "policy: {heads: separate}\n", tmp_path, tmp_path / "out")
    assert not any(name.startswith("classifier") for name in merged)
    for model in ("a", "b"):
        head = read_model(tmp_path / "out" / "heads" / model)
        assert set(head) == {name for name in family["a"] if name.startswith("classifier")}
        assert torch.equal(head[OUT_PROJ], family[model][OUT_PROJ])


def test_heads_with_other_labels_are_refused(tmp_path: Path, family: Any) -> None:
    write(tmp_path, family, {"b": {**CONFIG, "id2label": {"0": "bug", "1": "question", "2": "feature"}}})
    said = refused(LINEAR, tmp_path)
    assert "Label 1 of classifier.dense.weight is feature in a but question in b" in said


def test_labels_without_names_are_taken_on_trust_and_said_so(tmp_path: Path, family: Any) -> None:
    write(tmp_path, family, {"b": {**CONFIG, "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}})
    assert [
        note for note in plan_of(LINEAR, tmp_path).notes if note.startswith("b: the labels have no names")
    ]


def test_a_head_that_the_base_lacks_has_to_be_decided(tmp_path: Path, family: Any) -> None:
    for name in [name for name in family["base"] if name.startswith("classifier")]:
        del family["base"][name]
    family["base"]["lm_head.bias"] = torch.zeros(20)
    write(tmp_path, family)
    assert "heads: average" in refused(TASK_ARITHMETIC, tmp_path)
    text = TASK_ARITHMETIC + "policy: {heads: average}\n"
    merged = run_recipe(text, tmp_path, tmp_path / "out")
    torch.testing.assert_close(merged[OUT_PROJ], (family["a"][OUT_PROJ] + family["b"][OUT_PROJ]) / 2)
    assert treatments(text, tmp_path)["lm_head.bias"] is Treatment.ABSENT
    assert any(
        "lm_head.bias: not written (only the base has it)" in note for note in plan_of(text, tmp_path).notes
    )


def test_a_tensor_of_the_body_that_the_base_lacks_is_refused(tmp_path: Path, family: Any) -> None:
    del family["base"][QUERY]
    write(tmp_path, family)
    assert "give the base_model that the models were fine-tuned from" in refused(TASK_ARITHMETIC, tmp_path)


def test_a_tensor_that_one_model_lacks_is_refused(tmp_path: Path, family: Any) -> None:
    del family["b"][QUERY]
    write(tmp_path, family)
    assert f"{QUERY} is in a but not in b" in refused(LINEAR, tmp_path)


def test_a_head_that_one_model_lacks_can_come_from_another(tmp_path: Path, family: Any) -> None:
    del family["b"][OUT_PROJ]
    write(tmp_path, family)
    assert "heads: separate" in refused(LINEAR, tmp_path)
    merged = run_recipe(LINEAR + "policy: {heads: a}\n", tmp_path, tmp_path / "out")
    assert torch.equal(merged[OUT_PROJ], family["a"][OUT_PROJ])


@pytest.mark.parametrize(
    ("policy", "name", "expected"),
    [
        ("embeddings: base", WORDS, "base"),
        ("embeddings: b", WORDS, "b"),
        ("norms: a", "roberta.encoder.layer.1.output.LayerNorm.weight", "a"),
        ("norms: a", "roberta.embeddings.LayerNorm.weight", "a"),
        ("biases: base", "roberta.encoder.layer.1.attention.self.query.bias", "base"),
        ("heads: base", OUT_PROJ, "base"),
    ],
)
def test_parts_can_come_from_one_model(
    tmp_path: Path, family: Any, policy: str, name: str, expected: str
) -> None:
    write(tmp_path, family)
    merged = run_recipe(f"{TASK_ARITHMETIC}policy: {{{policy}}}\n", tmp_path, tmp_path / "out")
    assert torch.equal(merged[name], family[expected][name])
    assert not torch.equal(merged[QUERY], family[expected][QUERY])


def test_parts_can_be_averaged_without_the_base(tmp_path: Path, family: Any) -> None:
    write(tmp_path, family)
    merged = run_recipe(f"{TASK_ARITHMETIC}policy: {{embeddings: average}}\n", tmp_path, tmp_path / "out")
    torch.testing.assert_close(merged[WORDS], (family["a"][WORDS] + family["b"][WORDS]) / 2)


def test_a_part_cannot_come_from_a_model_that_is_not_there(tmp_path: Path, family: Any) -> None:
    write(tmp_path, family)
    said = refused(f"{LINEAR}policy: {{norms: c}}\n", tmp_path)
    assert "is to come from c, which lacks it; it is in: a, b" in said


def test_whole_numbers_are_copied_when_equal_or_from_one_model(tmp_path: Path, family: Any) -> None:
    for tensors in family.values():
        tensors["counter"] = torch.tensor([1, 2])
    write(tmp_path, family)
    merged = run_recipe(LINEAR, tmp_path, tmp_path / "out")
    assert torch.equal(merged["counter"], torch.tensor([1, 2]))
    family["b"]["counter"] = torch.tensor([1, 3])
    write(tmp_path, family)
    merged = run_recipe(LINEAR + "policy: {buffers: b}\n", tmp_path, tmp_path / "out2")
    assert torch.equal(merged["counter"], torch.tensor([1, 3]))


def test_differing_whole_numbers_name_tensor_and_models(tmp_path: Path, family: Any) -> None:
    for number, tensors in enumerate(family.values()):
        tensors["counter"] = torch.tensor([1, number])
    write(tmp_path, family)
    said = refused(LINEAR, tmp_path)
    assert "counter holds other values in b than in a" in said
    assert "buffers: NAME" in said


def test_one_kind_of_number_in_all_models(tmp_path: Path, family: Any) -> None:
    family["a"]["counter"] = torch.tensor([1.0])
    family["b"]["counter"] = torch.tensor([1])
    write(tmp_path, family)
    assert "counter holds numbers with a fraction in a but not in all" in refused(LINEAR, tmp_path)


def test_what_loaders_compute_may_be_missing(tmp_path: Path, family: Any) -> None:
    family["a"]["roberta.embeddings.position_ids"] = torch.arange(10)
    write(tmp_path, family)
    assert treatments(LINEAR, tmp_path)["roberta.embeddings.position_ids"] is Treatment.ABSENT


def test_running_statistics_are_averaged_and_said_so(tmp_path: Path, family: Any) -> None:
    for tensors in family.values():
        tensors["bn.running_var"] = torch.rand(3)
    write(tmp_path, family)
    merged = run_recipe(TASK_ARITHMETIC, tmp_path, tmp_path / "out")
    mean = (family["a"]["bn.running_var"] + family["b"]["bn.running_var"]) / 2
    torch.testing.assert_close(merged["bn.running_var"], mean)
    assert any("measure it again" in note for note in plan_of(TASK_ARITHMETIC, tmp_path).notes)


def test_a_second_name_of_a_tensor_is_left_to_the_loader(tmp_path: Path, family: Any) -> None:
    for tensors in family.values():
        tensors["lm_head.decoder.weight"] = tensors[WORDS].clone()
    write(tmp_path, family)
    merged = run_recipe(LINEAR, tmp_path, tmp_path / "out")
    assert "lm_head.decoder.weight" not in merged
    family["b"]["lm_head.decoder.weight"][0, 0] += 1
    write(tmp_path, family)
    with pytest.raises(CheckpointError, match="one tensor by the configuration of b, but differ"):
        run_recipe(LINEAR, tmp_path, tmp_path / "out2")


def test_a_second_name_is_a_tensor_of_its_own_where_nothing_is_tied(tmp_path: Path, family: Any) -> None:
    untied = {**CONFIG, "tie_word_embeddings": False}
    for tensors in family.values():
        tensors["lm_head.decoder.weight"] = tensors[WORDS].clone()
    write(tmp_path, family, dict.fromkeys(family, untied))
    assert treatments(LINEAR, tmp_path)["lm_head.decoder.weight"] is Treatment.MERGE


def test_settings_that_change_the_computation_have_to_agree(tmp_path: Path, family: Any) -> None:
    write(tmp_path, family, {"b": {**CONFIG, "num_attention_heads": 4}})
    assert "num_attention_heads is 2 in a but 4 in b" in refused(LINEAR, tmp_path)


def test_packed_numbers_are_refused(tmp_path: Path, family: Any) -> None:
    write(tmp_path, family, {"b": {**CONFIG, "quantization_config": {"quant_method": "gptq"}}})
    assert "b is quantized" in refused(LINEAR, tmp_path)


def test_there_has_to_be_something_to_merge(tmp_path: Path, family: Any) -> None:
    write(tmp_path, {name: {"counter": torch.tensor([1])} for name in family})
    assert "No tensor is left to merge" in refused(LINEAR, tmp_path)


def test_an_unknown_architecture_is_said_to_be_guessed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model(tmp_path / name, {"odd.thing": torch.ones(2)}, {})
    assert any("guessed from the names" in note for note in plan_of(LINEAR, tmp_path).notes)
    with pytest.raises(RecipeError, match="no architecture 'rnn'"):
        plan_of(LINEAR + "architecture: rnn\n", tmp_path)


def test_layer_ten_comes_after_layer_nine() -> None:
    names = ["layer.10.b", "layer.9.b", "layer.9.a", "embeddings"]
    assert sorted(names, key=natural) == ["embeddings", "layer.9.a", "layer.9.b", "layer.10.b"]
