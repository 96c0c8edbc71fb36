from __future__ import annotations

from pathlib import Path

import pytest

from mergebert_fusion.errors import RecipeError
from mergebert_fusion.recipe.policy import Policy
from mergebert_fusion.recipe.reading import Recipe, load_recipe, recipe_in


def recipe(text: str) -> Recipe:
    return recipe_in(text, Path("r.yaml"))


# The examples of mergekit's own documentation, as they stand there.
LINEAR = """\
models:
  - model: psmathur/orca_mini_v3_13b
    parameters:
      weight: 1.0
  - model: WizardLM/WizardLM-13B-V1.2
    parameters:
      weight: 0.3
merge_method: linear
dtype: float16
"""
TIES = """\
models:
  - model: psmathur/orca_mini_v3_13b
    parameters:
      density: [1, 0.7, 0.1] # density gradient
      weight: 1.0
  - model: garage-bAInd/Platypus2-13B
    parameters:
      density: 0.5
      weight: [0, 0.3, 0.7, 1] # weight gradient
  - model: WizardLM/WizardMath-13B-V1.0
    parameters:
      density: 0.33
      weight:
        - filter: mlp
          value: 0.5
        - value: 0
merge_method: ties
base_model: TheBloke/Llama-2-13B-fp16
parameters:
  normalize: true
  int8_mask: true
dtype: float16
"""
SLERP = """\
slices:
  - sources:
      - model: psmathur/orca_mini_v3_13b
        layer_range: [0, 40]
      - model: garage-bAInd/Platypus2-13B
        layer_range: [0, 40]
merge_method: slerp
base_model: garage-bAInd/Platypus2-13B
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - filter: mlp
      value: [1, 0.5, 0.7, 0.3, 0]
    - value: 0.5 # fallback for rest of tensors
dtype: float16
"""


def test_the_linear_example_is_read() -> None:
    read = recipe(LINEAR)
    assert read.method.name == "average"
    assert [entry.name for entry in read.slices[0].models] == ["orca_mini_v3_13b", "WizardLM-13B-V1.2"]
    assert read.slices[0].models[1].parameters == {"weight": 0.3}
    assert read.dtype == "float16"


def test_the_ties_example_is_read_with_gradients_and_filters() -> None:
    read = recipe(TIES)
    assert read.base == "TheBloke/Llama-2-13B-fp16"
    assert read.slices[0].models[0].parameters["density"] == [1, 0.7, 0.1]
    assert read.notes == ("int8_mask changes no result here and is not needed.",)


def test_the_slerp_example_starts_from_its_base_model() -> None:
    read = recipe(SLERP)
    assert [entry.name for entry in read.slices[0].models] == ["Platypus2-13B", "orca_mini_v3_13b"]
    assert read.slices[0].models[0].layers == (0, 40)


def test_the_base_among_the_models_is_no_model_of_its_own() -> None:
    text = "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: ./base}, {model: a}]\n"
    assert [entry.name for entry in recipe(text).slices[0].models] == ["a"]


def test_a_model_may_be_named_and_have_an_adapter() -> None:
    text = "merge_method: linear\nmodels: [{model: x/m+y/adapter}, {model: {model: x/m, lora: z}, name: other}]\n"
    entries = recipe(text).slices[0].models
    assert [(entry.name, entry.path) for entry in entries] == [
        ("adapter", "x/m+y/adapter"),
        ("other", "x/m+z"),
    ]


def test_slices_lie_over_what_the_whole_recipe_says() -> None:
    text = """\
merge_method: linear
slices:
  - sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 2]}]
    parameters: {weight: [{filter: mlp, value: 3}]}
  - sources: [{model: a, layer_range: [1, 3]}, {model: b, layer_range: [1, 3]}]
parameters: {weight: 2}
"""
    first, second = recipe(text).slices
    assert first.parameters["weight"] == [{"filter": "mlp", "value": 3}, {"value": 2}]
    assert second.parameters["weight"] == 2


def test_what_only_this_engine_knows_is_read() -> None:
    text = """\
merge_method: linear
models: [{model: a}, {model: b}]
policy: {heads: separate, vocabulary: common}
seed: 7
architecture: bert
tokenizer: {source: union}
out_dtype: bfloat16
dtype: float32
"""
    read = recipe(text)
    assert read.policy == Policy(heads="separate", vocabulary="common")
    assert (read.seed, read.architecture, read.tokenizer, read.dtype) == (7, "bert", "union", "bfloat16")


TWO = "models: [{model: a}, {model: b}]\n"


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("merge_method: linear\n" + TWO + "nonsense: 1\n", 3, "'nonsense' is not known"),
        ("merge_method: linear\n", 1, "either models or slices"),
        ("merge_method: lineer\n" + TWO, 1, "did you mean 'linear'"),
        (TWO, 1, "merge_method has to be"),
        ("merge_method: ties\n" + TWO, 1, "give base_model"),
        ("merge_method: slerp\nmodels:\n  - model: a\n", 2, "takes exactly 2 models"),
        ("merge_method: slerp\nbase_model: c\n" + TWO, 2, "starts from one of its models"),
        ("merge_method: linear\nmodels:\n  - model: a\n    weight: 1\n", 4, "'weight' is not known here"),
        ("merge_method: linear\nmodels:\n  - a\n", 3, "names with values"),
        ("merge_method: linear\nmodels: []\n", 2, "list of at least one entry"),
        ("merge_method: linear\nmodels:\n  - name: a\n", 3, "path of a checkpoint"),
        ("merge_method: linear\nmodels:\n  - model: a\n    name: a b\n", 4, "is no name"),
        (
            "merge_method: linear\nmodels: [{model: x/a}, {model: y/a}]\n",
            1,
            "x/a and y/a would twice be called a",
        ),
        ("merge_method: linear\nmodels: [{model: a}, {model: a}]\n", 1, "a would twice be called a"),
        (
            "merge_method: dare_linear\nbase_model: o\n" + TWO + "parameters: {rescale: true}\n",
            4,
            "one of: probability",
        ),
        ("merge_method: linear\nmodels: [{model: x/base}, {model: y}]\n", 1, "cannot be called base"),
        ("merge_method: linear\n" + TWO + "parameters:\n  weight: heavy\n", 4, "weight is 'heavy'"),
        ("merge_method: linear\n" + TWO + "parameters:\n  weight:\n    - 1\n    - x\n", 6, "weight is 'x'"),
        ("merge_method: linear\n" + TWO + "parameters:\n  weigth: 1\n", 4, "no parameter 'weigth'"),
        ("merge_method: linear\n" + TWO + "parameters: {weight: []}\n", 3, "empty list"),
        ("merge_method: linear\n" + TWO + "parameters: {weight: [{filter: x}]}\n", 3, "a filter is written"),
        ("merge_method: ties\nbase_model: o\n" + TWO + "parameters:\n  trim: [model]\n", 5, "whole merge"),
        ("merge_method: linear\n" + TWO + "dtype: float13\n", 3, "'float13' is no type"),
        ("merge_method: linear\n" + TWO + "seed: x\n", 3, "whole number"),
        ("merge_method: linear\n" + TWO + "policy: {feet: x}\n", 3, "'feet' is not known"),
        ("merge_method: linear\n" + TWO + "policy: {norms: separate}\n", 3, "norms cannot be separate"),
        ("merge_method: linear\n" + TWO + "policy: {vocabulary: all}\n", 3, "same or common"),
        ("merge_method: linear\n" + TWO + "tokenizer: {tokens: x}\n", 3, "'tokens' is not known"),
        (
            "merge_method: linear\nslices:\n  - sources:\n    - {model: a, layer_range: [3, 3]}\n",
            4,
            "holds no layer",
        ),
        ("merge_method: linear\nslices:\n  - sources:\n    - {model: a, layer_range: 3}\n", 4, "FROM, UP TO"),
        ("- 1\n", 1, "names with values"),
    ],
)
def test_errors_point_at_their_line(text: str, line: int, why: str) -> None:
    with pytest.raises(RecipeError, match=why) as caught:
        recipe(text)
    assert str(caught.value).startswith(f"r.yaml:{line}: ")


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="UTF-8"):
        load_recipe(tmp_path / "r.yaml")
