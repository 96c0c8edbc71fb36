"""The one configuration of a training run, read from TOML; every stage reads the same file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from mergebert.errors import InputError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of the network."""

    vocabulary: int = 8192
    width: int = 192
    layers: int = 4
    heads: int = 6
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """How the encoder is pretrained on merges that nobody labelled."""

    epochs: float = 4.0
    batch_columns: int = 6144
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.03  # share of the steps
    mask_share: float = 0.3  # of the columns
    dropout: float = 0.0
    clean_windows: int = 1000  # of each repository's cleanly merged files
    start: str = ""  # the folder of another pretraining of the same shape and tokenizer to go on from
    checkpoint_seconds: float = 120.0
    threads: int = 2


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How the classifier is trained."""

    epochs: float = 3.0
    batch_columns: int = 6144
    learning_rate: float = 8e-4
    encoder_rate: float = 1.0  # learning rate of a pretrained encoder as a share of that of the new heads
    weight_decay: float = 0.05
    warm_up: float = 0.05  # share of the steps
    hunks_a_merge: int = 20  # a few merges hold thousands of alike conflicts
    checks_an_epoch: int = 4  # looks at development conflicts; the best weights are kept
    patience: int = 4  # looks without gain that end the training; 0 never ends it
    checkpoint_seconds: float = 120.0
    threads: int = 1


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """How the trees are grown."""

    rounds: int = 500
    learning_rate: float = 0.05
    leaves: int = 48
    leaf_rows: int = 150
    feature_share: float = 0.4
    row_share: float = 0.8
    hunks_a_merge: int = 10
    context_share: float = 0.5  # of merges keep their context features, so that the trees can do without
    folds: int = 4
    hunks: int = 0  # at most so many teach the trees, drawn by chance; 0 takes all
    threads: int = 1  # of one fit; several would wait for each other busily, fits side by side do not


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole run: where it reads, where it works, and the settings of each stage."""

    examples: Path
    workspace: Path
    shared: Path | None = None  # another workspace whose tokenizer, arrays and encoder are used
    repositories: float = 1.0  # share of the training repositories that is learnt from
    seed: int = 0
    folds: int = 2  # networks, each trained on the repositories the others do not see
    tokenizer_files: int = 4000
    grades: Annotated[str, msgspec.Meta(pattern="^[abcd]+$")] = (
        "abcd"  # of located resolutions that teach network and ranker, the surest first
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    ranker: RankerConfig = field(default_factory=RankerConfig)


def load_config(path: Path) -> TrainConfig:
    """The configuration in a TOML file; raises InputError where the file, a name or a value is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a training configuration: {error}.") from error
    for name in ("examples", "workspace"):
        if name not in found:
            raise InputError(f"{path} does not say `{name}`; add it.")
    _refuse_unknown(found, TrainConfig, path)
    try:
        return msgspec.convert(found, TrainConfig, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        cause = str(error).replace(" - at `$.", " at `")
        raise InputError(f"{path} has a wrong value: {cause[0].lower()}{cause[1:]}; correct it.") from error


def _refuse_unknown(found: Mapping[str, Any], kind: type, path: Path, table: str = "") -> None:
    known = get_type_hints(kind)
    for name, value in found.items():
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            advice = f"did you mean {nearest[0]}?" if nearest else "take it out."
            raise InputError(f"{path} sets {name}, which is no setting{table}; {advice}")
        if is_dataclass(known[name]) and isinstance(value, dict):
            _refuse_unknown(value, known[name], path, f" under [{name}]")
