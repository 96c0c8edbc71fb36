"""A bundle from a workspace: networks and trees exported, calibration and figures written beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mergebert import __version__
from mergebert.ranking.bundle import FIRST, MODEL, RANKER, TOKENIZER, load_bundle, write_manifest
from mergebert.ranking.classifier import padded
from mergebert.ranking.columns import Columns
from mergebert.regular_files import regular
from mergebert.text.languages import LANGUAGES
from mergebert.training.config import TrainConfig
from mergebert.training.dataset.mined import DEVELOPMENT, TRAIN, repository_splits
from mergebert.training.dataset.pinned_codes import pinned_codes
from mergebert.training.dataset.prepared import prepared_names, ragged_rows
from mergebert.training.export.lightgbm_trees import write_trees
from mergebert.training.export.onnx_network import write_network
from mergebert.training.network.finetune import trained_networks
from mergebert.training.ranker.fit import BASELINE, NETWORK, FittedRanker
from mergebert.training.storage import read_arrays
from mergebert.training.workspace import Workspace

PROBES = 300  # conflicts on which the exported network is compared with the trained ones


def write_bundle(config: TrainConfig, output: Path, with_network: bool = True) -> dict[str, Any]:
    """Writes a whole bundle to `output`, replacing one that is there only when the new one is complete and verified."""
    space = Workspace(config)
    fitted = FittedRanker(space.ranker / (NETWORK if with_network else BASELINE))
    facts = fitted.facts
    names = facts["features"]
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as draft_name:
        draft = Path(draft_name) / "bundle"
        draft.mkdir()
        probe = read_arrays(fitted.folder / "probe.npz")["rows"]
        export = {"first": write_trees(fitted.first, draft / FIRST, probe[:, : len(names["first"])])}
        export["ranker"] = write_trees(fitted.ranker, draft / RANKER, probe)
        if with_network:
            shutil.copy(space.tokenizer, draft / TOKENIZER)
            export |= write_network(trained_networks(config), draft / MODEL, _probes(config))
        write_manifest(draft, {"codes": pinned_codes(space), **_facts(config, facts, export)})
        load_bundle(draft)
        _replace(draft, output)
    return export


def _facts(config: TrainConfig, facts: dict[str, Any], export: dict[str, float]) -> dict[str, Any]:
    split_of = repository_splits(config.examples)
    return {
        "made_by": f"mergebert {__version__}",
        "languages": [language.name for language in LANGUAGES if language.grammar],
        "training": {
            "repositories": {
                split: sorted(name for name, part in split_of.items() if part == split)
                for split in sorted(set(split_of.values()))
            },
            "fingerprint": _fingerprint(config),
            "seed": config.seed,
        },
        "export": export,
        **facts,
    }


def _fingerprint(config: TrainConfig) -> str:
    """A hash of everything the models learnt from."""
    space, digest = Workspace(config), hashlib.sha256()
    for split in (TRAIN, DEVELOPMENT):
        for name in prepared_names(config, split):
            digest.update(f"{split} {name} ".encode())
            with regular(space.prepared(name)).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _probes(config: TrainConfig) -> list[tuple[Any, Any]]:
    """Real conflicts of development repositories, in padded batches of eight."""
    rows: list[Columns] = []
    names = prepared_names(config, DEVELOPMENT)
    for name in names:
        arrays = read_arrays(Workspace(config).prepared(name))
        pairs = zip(ragged_rows(arrays, "ids"), ragged_rows(arrays, "kinds"), strict=True)
        rows += [Columns(ids, kinds, ()) for ids, kinds in pairs][: PROBES // len(names) + 1]
    order = sorted(rows, key=lambda columns: len(columns.ids))
    return [padded(order[start : start + 8]) for start in range(0, len(order), 8)]


def _replace(draft: Path, output: Path) -> None:
    if not output.exists():
        os.replace(draft, output)
        return
    old = draft.with_name("old")
    os.replace(output, old)
    try:
        os.replace(draft, output)
    except OSError:
        os.replace(old, output)
        raise
