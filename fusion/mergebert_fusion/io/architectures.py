"""Where the tensors of known networks stand: one table entry a family, found by config.json or by the names alone.

Patterns are searched for in the name of a tensor, so that a prefix such as `roberta.` or `model.` does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mergebert_fusion.contract.block import Group, TensorPlace
from mergebert_fusion.errors import RecipeError

_START = r"(?:^|\.)"
_NORM = (
    r"(?i)(?:layernorm|(?:^|[._])(?:layer_norm|rms_?norm|norm|ln))"
    r"(?:_?(?:\d+|[a-z]|attn|final))?\.(?:weight|bias|gamma|beta)$"
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one family of networks names its tensors."""

    name: str
    model_types: tuple[str, ...]  # as config.json says
    layers: Mapping[str, str]  # stack to the pattern before a layer's number
    embeddings: str
    last_norm: str
    heads: str
    ties: tuple[tuple[str, str], ...] = ()  # endings of an alias and of the tensor that it shares
    tied_by_default: bool = False
    derived: str = r"(?!)"  # tensors that loaders compute by themselves, so that a file may lack them

    def place(self, name: str, shape: tuple[int, ...], layers: Mapping[str, int]) -> TensorPlace:
        """Where a tensor stands, in a network of so many layers a stack."""
        for stack, pattern in self.layers.items():
            match = _searched(f"{_START}{pattern}(\\d+)\\.", name)
            if match:
                return TensorPlace(name, shape, Group.LAYER, int(match[1]), layers.get(stack, 0), stack)
        for group, pattern in (
            (Group.HEAD, self.heads),
            (Group.EMBEDDING, self.embeddings),
            (Group.NORM, self.last_norm),
        ):
            if _searched(f"{_START}(?:{pattern})", name):
                stack = next((s for s in self.layers if s and name.split(".")[0] == s), "")
                return TensorPlace(
                    name, shape, group, None, layers.get(stack) or max(layers.values(), default=0), stack
                )
        return TensorPlace(name, shape, Group.OTHER, None, max(layers.values(), default=0))

    def depths(self, names: Iterable[str]) -> dict[str, int]:
        """How many layers each stack has, seen by the numbers in the names."""
        depths: dict[str, int] = {}
        for name in names:
            for stack, pattern in self.layers.items():
                match = _searched(f"{_START}{pattern}(\\d+)\\.", name)
                if match:
                    depths[stack] = max(depths.get(stack, 0), int(match[1]) + 1)
                    break
        return depths

    def renumbered(self, name: str, offset: int) -> str:
        """The name of a layer's tensor with the number of the layer raised by `offset`."""
        for pattern in self.layers.values():
            match = _searched(f"{_START}{pattern}(\\d+)\\.", name)
            if match:
                return f"{name[: match.start(1)]}{int(match[1]) + offset}{name[match.end(1) :]}"
        return name

    def is_derived(self, name: str) -> bool:
        """Whether loaders compute this tensor by themselves."""
        return _searched(self.derived, name) is not None

    def aliases(self, names: Sequence[str], config: Mapping[str, Any]) -> dict[str, str]:
        """Every tensor of these that is tied to another one, with that other one."""
        if not self.ties or not config.get("tie_word_embeddings", self.tied_by_default):
            return {}
        found: dict[str, str] = {}
        for alias, original in self.ties:
            seconds = [name for name in names if re.search(f"{_START}{re.escape(alias)}$", name)]
            firsts = [name for name in names if re.search(f"{_START}{re.escape(original)}$", name)]
            if len(firsts) == 1:
                found |= {second: firsts[0] for second in seconds if second != firsts[0]}
        return found


_BERT_HEADS = (
    r"classifier|qa_outputs|lm_head|pooler|cls\.|lm_predictions|mask_predictions|discriminator_predictions"
)

ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(
        name="bert",
        model_types=(
            "bert",
            "camembert",
            "deberta",
            "deberta-v2",
            "electra",
            "ernie",
            "roberta",
            "xlm-roberta",
            "xmod",
        ),
        layers={"": r"encoder\.layer\."},
        embeddings=r"embeddings\.|embeddings_project|encoder\.rel_embeddings|encoder\.LayerNorm|encoder\.conv",
        last_norm=r"(?!)",
        heads=_BERT_HEADS,
        ties=(
            ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight"),
            ("cls.predictions.decoder.bias", "cls.predictions.bias"),
            ("lm_head.decoder.weight", "embeddings.word_embeddings.weight"),
            ("lm_head.decoder.bias", "lm_head.bias"),
        ),
        tied_by_default=True,
        derived=r"position_ids$|embeddings\.token_type_ids$",
    ),
    Architecture(
        name="distilbert",
        model_types=("distilbert",),
        layers={"": r"transformer\.layer\."},
        embeddings=r"embeddings\.",
        last_norm=r"(?!)",
        heads=r"pre_classifier|classifier|qa_outputs|vocab_transform|vocab_layer_norm|vocab_projector",
        ties=(("vocab_projector.weight", "embeddings.word_embeddings.weight"),),
        tied_by_default=True,
        derived=r"position_ids$",
    ),
    Architecture(
        name="gpt2",
        model_types=("gpt2", "gpt_neo", "gpt_bigcode", "gptj", "codegen"),
        layers={"": r"h\."},
        embeddings=r"wte|wpe",
        last_norm=r"ln_f",
        heads=r"lm_head|score|classifier",
        ties=(("lm_head.weight", "wte.weight"),),
        tied_by_default=True,
        derived=r"attn\.(?:attention\.)?(?:bias|masked_bias)$",
    ),
    Architecture(
        name="llama",
        model_types=(
            *(
                "cohere",
                "gemma",
                "gemma2",
                "gemma3_text",
                "granite",
                "llama",
                "mistral",
                "mixtral",
                "olmo",
                "olmo2",
            ),
            *("phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3", "stablelm", "starcoder2"),
        ),
        layers={"": r"layers\."},
        embeddings=r"embed_tokens",
        last_norm=r"(?:model\.)?(?:norm|final_layernorm)\.",
        heads=r"lm_head|score|classifier|qa_outputs",
        ties=(("lm_head.weight", "embed_tokens.weight"),),
        derived=r"rotary_emb\.inv_freq$",
    ),
    Architecture(
        name="t5",
        model_types=("t5", "mt5", "umt5", "longt5", "switch_transformers"),
        layers={"encoder": r"encoder\.block\.", "decoder": r"decoder\.block\."},
        embeddings=r"shared|embed_tokens",
        last_norm=r"final_layer_norm",
        heads=r"lm_head|classification_head|classifier|qa_outputs",
        ties=(
            ("encoder.embed_tokens.weight", "shared.weight"),
            ("decoder.embed_tokens.weight", "shared.weight"),
            ("lm_head.weight", "shared.weight"),
        ),
        tied_by_default=True,
    ),
    Architecture(
        name="columns",
        model_types=("mergebert-columns",),
        layers={"": r"blocks\."},
        embeddings=r"words|near|edit_ours|edit_theirs|changes|places",
        last_norm=r"norm\.",
        heads=r"conflict_head|hunk_head",
    ),
)

# What nearly every transformer has in common; the last resort, said so in every plan.
GENERIC = Architecture(
    name="generic",
    model_types=(),
    layers={
        "encoder": r"encoder\.(?:layers|layer|block|blocks)\.",
        "decoder": r"decoder\.(?:layers|layer|block|blocks)\.",
        "": r"(?:layers|layer|blocks|block|h)\.",
    },
    embeddings=r"[^.]*embed[^.]*|wte|wpe",
    last_norm=r"(?:final_|ln_f|norm|layer_?norm)[^.]*",
    heads=r"(?:lm_|[^.]*_)?head|classifier|score|qa_outputs|pooler",
    derived=r"position_ids$|inv_freq$",
)

_SIGNATURES = {
    "bert": r"encoder\.layer\.\d+\.attention\.self\.",
    "distilbert": r"transformer\.layer\.\d+\.attention\.q_lin\.",
    "gpt2": r"(?:^|\.)h\.\d+\.(?:attn|ln_1)",
    "llama": r"(?:^|\.)layers\.\d+\.self_attn\.q_proj\.",
    "t5": r"encoder\.block\.\d+\.layer\.0\.SelfAttention",
    "columns": r"^blocks\.\d+\.attention_in\.",
}


def architecture_of(
    config: Mapping[str, Any], names: Iterable[str], wanted: str | None = None
) -> Architecture:
    """The family that a recipe asks for, config.json names, or the names of the tensors show; else the generic one."""
    by_name = {entry.name: entry for entry in (*ARCHITECTURES, GENERIC)}
    if wanted is not None:
        if wanted not in by_name:
            raise RecipeError(f"There is no architecture {wanted!r}; there are {', '.join(by_name)}.")
        return by_name[wanted]
    for entry in ARCHITECTURES:
        if config.get("model_type") in entry.model_types:
            return entry
    listed = list(names)
    for name, signature in _SIGNATURES.items():
        if any(re.search(signature, tensor) for tensor in listed):
            return by_name[name]
    return GENERIC


def is_norm(name: str) -> bool:
    """Whether a tensor is the scale or the shift of a normalisation."""
    return _searched(_NORM, name) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _searched(pattern: str, name: str) -> re.Match[str] | None:
    return _compiled(pattern).search(name)
