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
from mergebert.regular_files import bytes_in

_LONGEST = (
    20_000  # bytes, many times all settings; reading a name takes memory with the square of its dotted parts
)
_MOST = 1_000_000_000  # of anything; more is a slip, and infinity never ends
Extent = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=_MOST)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
Several = Annotated[int, msgspec.Meta(ge=2, le=_MOST)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
PositiveShare = Annotated[float, msgspec.Meta(gt=0, le=1)]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of the network."""

    vocabulary: Positive = 8192
    width: Positive = 192
    layers: Positive = 4
    heads: Positive = 6
    dropout: Share = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """How the encoder is pretrained on merges that nobody labelled."""

    epochs: Amount = 4.0
    batch_columns: Positive = 6144
    learning_rate: Amount = 1e-3
    weight_decay: Extent = 0.01
    warm_up: Share = 0.03  # share of the steps
    mask_share: PositiveShare = 0.3  # of the columns
    dropout: Share = 0.0
    clean_windows: Natural = 1000  # of each repository's cleanly merged files
    start: str = ""  # the folder of another pretraining of the same shape and tokenizer to go on from
    checkpoint_seconds: Extent = 120.0
    threads: Positive = 2


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How the classifier is trained."""

    epochs: Amount = 3.0
    batch_columns: Positive = 6144
    learning_rate: Amount = 8e-4
    encoder_rate: Extent = 1.0  # learning rate of a pretrained encoder as a share of that of the new heads
    weight_decay: Extent = 0.05
    warm_up: Share = 0.05  # share of the steps
    hunks_a_merge: Positive = 20  # a few merges hold thousands of alike conflicts
    checks_an_epoch: Positive = 4  # looks at development conflicts; the best weights are kept
    patience: Natural = 4  # looks without gain that end the training; 0 never ends it
    checkpoint_seconds: Extent = 120.0
    threads: Positive = 1


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """How the trees are grown."""

    rounds: Positive = 500
    learning_rate: Amount = 0.05
    leaves: Several = 48
    leaf_rows: Positive = 150
    feature_share: PositiveShare = 0.4
    row_share: PositiveShare = 0.8
    hunks_a_merge: Positive = 10
    context_share: Share = 0.5  # of merges keep their context features, so that the trees can do without
    folds: Several = 4
    hunks: Natural = 0  # at most so many train the trees, drawn at random; 0 takes all
    threads: Positive = 1  # of one fit; several would wait for each other busily, fits side by side do not


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole run: where it reads, where it works, and the settings of each stage."""

    examples: Path
    workspace: Path
    shared: Path | None = None  # another workspace whose tokenizer, arrays and encoder are used
    repositories: PositiveShare = 1.0  # share of the training repositories that is learnt from
    seed: Natural = 0
    # Networks, each trained without a share; the ranker learns from one that has not seen the answers.
    folds: Several = 2
    tokenizer_files: Positive = 4000
    # Of located resolutions that network and ranker are trained on, the surest first.
    grades: Annotated[str, msgspec.Meta(pattern="^[abcd]+$")] = "abcd"
    model: ModelConfig = field(default_factory=ModelConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    ranker: RankerConfig = field(default_factory=RankerConfig)


def load_config(path: Path) -> TrainConfig:
    """The configuration in a TOML file; raises InputError where the file, a name or a value is wrong."""
    try:
        found = tomllib.loads(bytes_in(path, _LONGEST).decode("utf-8"))
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply for a training configuration.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a training configuration: {error}.") from error
    for name in ("examples", "workspace"):
        if name not in found:
            raise InputError(f"{path} does not say `{name}`; add it.")
    _refuse_unknown(found, TrainConfig, path)
    try:
        return msgspec.convert(found, TrainConfig, dec_hook=_path)
    except msgspec.ValidationError as error:
        cause = str(error).replace(" - at `$.", " at `")
        raise InputError(f"{path} has a wrong value: {cause[0].lower()}{cause[1:]}; correct it.") from error


def _path(kind: type, value: object) -> Path:
    """A setting that names a file or folder; msgspec knows no paths."""
    if kind is not Path or not isinstance(value, str):
        raise ValueError("Expected the name of a folder")
    if not value or "\0" in value:
        raise ValueError("Expected a name that a folder can have")
    return Path(value)


def _refuse_unknown(found: Mapping[str, Any], kind: type, path: Path, table: str = "") -> None:
    known = get_type_hints(kind)
    for name, value in found.items():
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            advice = f"did you mean {nearest[0]}?" if nearest else "take it out."
            raise InputError(f"{path} sets {name}, which is no setting{table}; {advice}")
        if is_dataclass(known[name]) and isinstance(value, dict):
            _refuse_unknown(value, known[name], path, f" under [{name}]")
