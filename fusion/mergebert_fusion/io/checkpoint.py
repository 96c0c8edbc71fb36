"""Checkpoints on disk: folders and single files of safetensors, with adapters on top, read lazily."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mergebert.regular_files import bytes_in
from mergebert.strict_json import json_in
from mergebert_fusion.errors import CheckpointError
from mergebert_fusion.io.files import regular
from mergebert_fusion.io.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapted, adapter_config, is_adapter
from mergebert_fusion.io.safetensors import open_tensors
from mergebert_fusion.io.tensors import JoinedSource, TensorSource

CONFIG, INDEX, WHOLE = "config.json", "model.safetensors.index.json", "model.safetensors"
_TOKENIZER = (
    "added_tokens.json",
    "bpe.codes",
    "chat_template.jinja",
    "dict.txt",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """One model on disk: its tensors, its settings, and the files that all this came from."""

    name: str
    path: str  # as a recipe wrote it
    source: TensorSource
    config: Mapping[str, Any]  # empty where there is no config.json
    files: tuple[Path, ...]
    tokenizer: tuple[Path, ...]


@contextmanager
def opened(wanted: Mapping[str, str], near: Path) -> Iterator[dict[str, Checkpoint]]:
    """The checkpoints at these paths, by name; relative paths are looked for beside `near` first."""
    with ExitStack() as stack:
        yield {name: _checkpoint(name, path, near, stack) for name, path in wanted.items()}


def _checkpoint(name: str, path: str, near: Path, stack: ExitStack) -> Checkpoint:
    """A checkpoint out of `MODEL`, `ADAPTER` or `MODEL+ADAPTER`."""
    first, *adapters = path.split("+") if located(path, near) is None else [path]
    found_at = located(first, near)
    if found_at is None:
        raise CheckpointError(
            f"There is no checkpoint {first!r} on this computer: give a folder or a .safetensors file, or fetch it first "
            f"(`hf download {first}`)."
        )
    found = _read(name, path, found_at, near, stack)
    for adapter in adapters:
        folder = located(adapter, near)
        if folder is None or not is_adapter(folder):
            raise CheckpointError(
                f"{adapter!r} is no folder with {ADAPTER_CONFIG}: give the folder of the adapter."
            )
        found = _with_adapter(found, folder, stack)
    return found


def located(path: str, near: Path) -> Path | None:
    """The folder or file of a checkpoint: beside the recipe, here, or in the local Hugging Face cache; None if nowhere."""
    try:
        written = Path(path).expanduser()
        for place in (near / written, written):
            if place.exists():
                return place if place.is_dir() else regular(place)
        return _cached(path)
    except (RuntimeError, ValueError):  # a user who is not there, characters that no name has
        return None


def _cached(path: str) -> Path | None:
    home = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface"), "hub")
    model = Path(home).expanduser() / f"models--{path.replace('/', '--')}"
    try:
        snapshot = model / "snapshots" / bytes_in(model / "refs" / "main").decode("utf-8").strip()
    except OSError:
        return None
    return snapshot if snapshot.is_dir() else None


def _read(name: str, path: str, found_at: Path, near: Path, stack: ExitStack) -> Checkpoint:
    if found_at.is_dir() and is_adapter(found_at) and not _weights(found_at):
        base = adapter_config(found_at).get("base_model_name_or_path") or ""
        return _with_adapter(_checkpoint(name, base, near, stack), found_at, stack)
    folder = found_at if found_at.is_dir() else found_at.parent
    files = _weights(found_at) if found_at.is_dir() else [found_at]
    if not files:
        pickled = any(next(found_at.glob(pattern), None) for pattern in _PICKLED)
        why = "pickled weights, which may run code" if pickled else "no safetensors file"
        raise CheckpointError(f"{found_at} holds {why}: save the model as safetensors.")
    settings = folder / CONFIG
    return Checkpoint(
        name=name,
        path=path,
        source=joined(files, stack),
        config=_config(settings),
        files=(*files, *([settings] if settings.is_file() else [])),
        tokenizer=tuple(folder / kind for kind in _TOKENIZER if (folder / kind).is_file()),
    )


def joined(files: Iterable[Path], stack: ExitStack) -> JoinedSource:
    """The tensors of several files, each in one of them; the files stay open until `stack` closes them."""
    file_of: dict[str, TensorSource] = {}
    for path in files:
        file = open_tensors(regular(path))
        stack.callback(file.close)
        for name in file.specs:
            if name in file_of:
                raise CheckpointError(f"{name} stands in two files beside {path}: remove the older ones.")
            file_of[name] = file
    return JoinedSource(file_of)


def _weights(folder: Path) -> Sequence[Path]:
    """The files that hold the tensors of a folder."""
    if (folder / INDEX).is_file():
        return _indexed(folder)
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    return sorted(path for path in folder.glob("*.safetensors") if path.name != ADAPTER_WEIGHTS)


def _indexed(folder: Path) -> Sequence[Path]:
    try:
        names = set(json_in(folder / INDEX)["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{folder / INDEX} cannot be read ({error}): fetch or write it again."
        ) from error
    if not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{folder / INDEX} names what is no file: fetch or write it again.")
    files = [folder / name for name in sorted(names)]
    missing = [path.name for path in files if path.parent != folder or not path.is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} lacks {missing[0]}, which its index names: fetch the rest of the model."
        )
    return files


def _config(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        config = json_in(path)
    except ValueError as error:
        raise CheckpointError(f"{path} is no JSON ({error}): fetch or write it again.") from error
    return config if isinstance(config, dict) else {}


def _with_adapter(base: Checkpoint, folder: Path, stack: ExitStack) -> Checkpoint:
    files = (*base.files, folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS)
    return Checkpoint(
        base.name, base.path, adapted(base.source, folder, stack), base.config, files, base.tokenizer
    )
