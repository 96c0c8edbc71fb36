"""Tiny checkpoints on disk, named like RoBERTa classifiers, and recipes over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mergebert_fusion.engine.plan import RunOptions, planned_recipe
from mergebert_fusion.engine.run import write_fused
from mergebert_fusion.io.safetensors import open_tensors, split_into_shards, write_tensors
from mergebert_fusion.io.tensors import TensorSpec
from mergebert_fusion.recipe.reading import recipe_in

WIDTH, LAYERS, WORDS, LABELS = 8, 3, 20, 3
CONFIG: dict[str, Any] = {
    "architectures": ["RobertaForSequenceClassification"],
    "id2label": {"0": "bug", "1": "feature", "2": "question"},
    "model_type": "roberta",
    "num_attention_heads": 2,
    "num_hidden_layers": LAYERS,
    "vocab_size": WORDS,
}


def shapes(words: int = WORDS, labels: int = LABELS, layers: int = LAYERS) -> dict[str, tuple[int, ...]]:
    """The tensors of a tiny classifier."""
    found: dict[str, tuple[int, ...]] = {
        "roberta.embeddings.word_embeddings.weight": (words, WIDTH),
        "roberta.embeddings.position_embeddings.weight": (10, WIDTH),
        "roberta.embeddings.LayerNorm.weight": (WIDTH,),
        "classifier.dense.weight": (WIDTH, WIDTH),
        "classifier.out_proj.weight": (labels, WIDTH),
        "classifier.out_proj.bias": (labels,),
    }
    for i in range(layers):
        layer = f"roberta.encoder.layer.{i}"
        found[f"{layer}.attention.self.query.weight"] = (WIDTH, WIDTH)
        found[f"{layer}.attention.self.query.bias"] = (WIDTH,)
        found[f"{layer}.output.LayerNorm.weight"] = (WIDTH,)
    return found


def random_tensors(seed: int, **sizes: int) -> dict[str, Tensor]:
    """A tiny classifier with random weights."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes(**sizes).items()}


def changed(tensors: Mapping[str, Tensor], seed: int, change: float = 0.1) -> dict[str, Tensor]:
    """A model fine-tuned, by chance, from another."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: t + change * torch.randn(t.shape, generator=generator) if t.is_floating_point() else t.clone()
        for name, t in tensors.items()
    }


def write_model(
    folder: Path,
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any] | None = None,
    shard: int | None = None,
) -> Path:
    """A checkpoint folder, in files of at most `shard` bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    specs = {name: TensorSpec(tuple(t.shape), t.dtype) for name, t in tensors.items()}
    parts = [specs] if shard is None else split_into_shards(specs, shard)
    names = ["model.safetensors"] if shard is None else [f"part-{i}.safetensors" for i in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        write_tensors(folder / name, {tensor: tensors[tensor] for tensor in part}, {"format": "pt"})
    if shard is not None:
        placed = {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part}
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": placed}), encoding="utf-8"
        )
    (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config), encoding="utf-8")
    return folder


def write_family(folder: Path, count: int = 3, *, shard: int | None = None) -> dict[str, dict[str, Tensor]]:
    """A base in `base` and models in `a`, `b`, `c` and so on; their tensors, by folder."""
    base = random_tensors(0)
    family = {"base": base, **{chr(ord("a") + i): changed(base, i + 1) for i in range(count)}}
    for name, tensors in family.items():
        write_model(folder / name, tensors, shard=shard)
    return family


def read_model(folder: Path) -> dict[str, Tensor]:
    """Every tensor of the safetensors files right in a folder."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        file = open_tensors(path)
        for name, spec in file.specs.items():
            tensors[name] = file.read(name, 0, spec.elements).reshape(spec.shape)
        file.close()
    return tensors


def run_recipe(
    text: str, folder: Path, out: Path, *, overwrite: bool = False, **options: Any
) -> dict[str, Tensor]:
    """The tensors that a recipe beside the models in `folder` makes."""
    with planned_recipe(recipe_in(text, folder / "recipe.yaml"), RunOptions(**options)) as plan:
        write_fused(plan, out, overwrite=overwrite)
    return read_model(out)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }
