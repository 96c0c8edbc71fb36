"""A model bundle on disk: one folder that holds everything the resolver loads, and proof that it is whole.

bundle.json     format, order of patterns and classes, feature names, calibration, metrics, sha256 of every other file
tokenizer.json  subwords of the classifier          (with model.onnx, or neither)
model.onnx      the classifier, quantised           (a bundle without it ranks by features alone: the baseline)
first.safetensors   trees for the first belief about each conflict
ranker.safetensors  trees for the final one, which also see the classifier and the other conflicts of the merge
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from mergebert.errors import ModelBundleError
from mergebert.ranking.columns import CONFLICT_CLASSES
from mergebert.text.patterns import PATTERNS

FORMAT = 1
MODEL, TOKENIZER, FIRST, RANKER, MANIFEST = (
    "model.onnx",
    "tokenizer.json",
    "first.safetensors",
    "ranker.safetensors",
    "bundle.json",
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores become honest probabilities, measured on repositories the ranker did not learn from.

    `best` maps the ranker's probability of its best candidate, `other` that of the others, both as (score,
    probability) points joined by straight lines. `risk` holds (threshold, coverage, error) of applying every best
    candidate whose calibrated probability is at least the threshold, highest threshold first.
    """

    best: tuple[tuple[float, float], ...]
    other: tuple[tuple[float, float], ...]
    risk: tuple[tuple[float, float, float], ...]

    def threshold(self, max_error: float) -> float:
        """The least confidence to apply so that at most this share of what is applied is wrong; 2 (never) if none is enough."""
        enough = [threshold for threshold, _, error in self.risk if error <= max_error and max_error > 0]
        return min(enough, default=2.0)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle."""

    path: Path
    manifest: Mapping[str, Any]
    calibration: Calibration

    @property
    def has_classifier(self) -> bool:
        """Whether the bundle holds a network."""
        return MODEL in self.manifest["files"]

    def file(self, name: str) -> Path:
        """The path of one of its files."""
        return self.path / name


def default_bundle_path() -> Path:
    """The bundle that ships with the package."""
    return Path(__file__).parent.parent / "bundle"


def load_bundle(path: Path | None = None) -> Bundle:
    """The bundle at `path` (or the shipped one), every file checked against its sha256; raises ModelBundleError."""
    folder = path or default_bundle_path()
    manifest = _manifest(folder)
    for name, wanted in manifest["files"].items():
        if _digest(folder, name) != wanted:
            raise ModelBundleError(
                f"{folder / name} is damaged (its sha256 is not the one in {MANIFEST}); install the bundle again."
            )
    return Bundle(folder, manifest, _calibration(manifest, folder))


def verify_bundle(path: Path | None = None) -> Mapping[str, Any]:
    """The manifest of a bundle whose every file is whole; raises ModelBundleError otherwise."""
    return load_bundle(path).manifest


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes bundle.json for the files that lie in `folder`."""
    names = sorted(file.name for file in folder.iterdir() if file.name != MANIFEST)
    manifest = {
        "format": FORMAT,
        "patterns": [pattern.value for pattern in PATTERNS],
        "classes": list(CONFLICT_CLASSES),
        **facts,
        "files": {name: _digest(folder, name) for name in names},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelBundleError(
            f"There is no model bundle in {folder}; install mergebert again or name another bundle."
        ) from error
    except ValueError as error:
        raise ModelBundleError(f"{folder / MANIFEST} is not JSON; install the bundle again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelBundleError(
            f"{folder} is a bundle of another format; use one made for this version of mergebert."
        )
    if manifest.get("patterns") != [pattern.value for pattern in PATTERNS] or manifest.get("classes") != list(
        CONFLICT_CLASSES
    ):
        raise ModelBundleError(
            f"{folder} knows other merge patterns than this version of mergebert; export it again."
        )
    names = manifest.get("files")
    if (
        not isinstance(names, dict)
        or not {FIRST, RANKER} <= names.keys()
        or (MODEL in names) != (TOKENIZER in names)
    ):
        raise ModelBundleError(
            f"{folder / MANIFEST} does not name the files of a bundle; install the bundle again."
        )
    features = manifest.get("features")
    if (
        not isinstance(features, dict)
        or not {"first", "ranker"} <= features.keys()
        or not isinstance(manifest.get("languages"), list)
    ):
        raise ModelBundleError(
            f"{folder / MANIFEST} does not say what its models read; install the bundle again."
        )
    if any("/" in name or "\\" in name for name in names):
        raise ModelBundleError(f"{folder / MANIFEST} names files outside the bundle; do not use it.")
    return manifest


def _calibration(manifest: Mapping[str, Any], folder: Path) -> Calibration:
    try:
        found = manifest["calibration"]
        curves = [
            tuple(tuple(map(float, point)) for point in found[name]) for name in ("best", "other", "risk")
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelBundleError(
            f"{folder / MANIFEST} has no usable calibration; install the bundle again."
        ) from error
    is_whole = all(
        len(point) == size for curve, size in zip(curves, (2, 2, 3), strict=True) for point in curve
    )
    if not is_whole or not all(curve and _is_rising(curve) for curve in curves[:2]):
        raise ModelBundleError(f"{folder / MANIFEST} has no usable calibration; install the bundle again.")
    return Calibration(curves[0], curves[1], curves[2])  # type: ignore[arg-type]


def _is_rising(curve: tuple[tuple[float, ...], ...]) -> bool:
    return all(one[0] < other[0] for one, other in pairwise(curve))


def _digest(folder: Path, name: str) -> str:
    try:
        return sha256((folder / name).read_bytes()).hexdigest()
    except OSError as error:
        raise ModelBundleError(f"{folder / name} is missing; install the bundle again.") from error
