"""Whether the tokenizers of models agree, and which one a merge gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mergebert.strict_json import json_in
from mergebert_fusion.errors import CheckpointError, RecipeError
from mergebert_fusion.io.checkpoint import Checkpoint

_FILE = "tokenizer.json"


def tokenizer_files(
    wanted: str | None, models: Sequence[Checkpoint], base: Checkpoint | None
) -> tuple[Path, ...]:
    """The files of the tokenizer that a recipe asks for: that of the base, of all (`union`), or of one model.

    Where no model has one there is none to write.
    """
    having = [model for model in ([base] if base is not None else []) + list(models) if model.tokenizer]
    if not having:
        return ()
    if wanted is None:
        return having[0].tokenizer
    if wanted == "union":
        return _largest(having).tokenizer
    for model in having:
        if wanted in (model.name, model.path) or (wanted == "base" and model is base):
            return model.tokenizer
    sources = ", ".join(
        ["union", *dict.fromkeys("base" if model is base else model.name for model in having)]
    )
    raise RecipeError(f"tokenizer_source is {wanted!r}, which has no tokenizer here; there is: {sources}.")


def refuse_other_tokens(models: Sequence[Checkpoint]) -> None:
    """Raises where one id means two tokens, so that merged embeddings would mix up words."""
    first: dict[int, tuple[str, str]] = {}
    for model in models:
        for token, number in _vocabulary(model).items():
            earlier, where = first.setdefault(number, (token, model.name))
            if earlier != token:
                raise CheckpointError(
                    f"Token {number} is {earlier!r} in {where} but {token!r} in {model.name}: models can be merged only over one "
                    "vocabulary; take the embeddings of one of them with `policy: {embeddings: NAME}` if that is meant."
                )


def _largest(models: Sequence[Checkpoint]) -> Checkpoint:
    """The model whose tokenizer holds those of all others."""
    sizes = {model.name: _vocabulary(model) for model in models}
    largest = max(models, key=lambda model: len(sizes[model.name]))
    for model in models:
        lacking = sizes[model.name].keys() - sizes[largest.name].keys()
        if lacking:
            raise RecipeError(
                f"No tokenizer holds all others ({largest.name} lacks {min(lacking)!r} of {model.name}): name one of them as "
                "tokenizer_source."
            )
    return largest


def _vocabulary(model: Checkpoint) -> Mapping[str, int]:
    """Token to id, of a tokenizer.json; empty for other kinds, which are not looked into."""
    path = next((file for file in model.tokenizer if file.name == _FILE), None)
    if path is None:
        return {}
    try:
        content = json_in(path)
        listed = content["model"].get("vocab", {})
        # A unigram model lists [token, score] in the order of the ids.
        tokens = dict(listed) if isinstance(listed, dict) else {entry[0]: i for i, entry in enumerate(listed)}
        return tokens | {entry["content"]: entry["id"] for entry in content.get("added_tokens", ())}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no tokenizer file: fetch or write it again.") from error
