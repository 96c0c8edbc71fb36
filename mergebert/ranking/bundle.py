"""A model bundle on disk: one folder that holds everything the resolver loads, and proof that it is whole.

bundle.json     format, codes and feature names the models were trained with, measured languages, calibration, metrics,
                sha256 of every other file
tokenizer.json  subwords of the classifier          (with model.onnx, or neither)
model.onnx      the classifier, quantised           (a bundle without it ranks by features alone: the baseline)
first.safetensors   trees of the first pass, which sees each conflict alone
ranker.safetensors  trees of the second, which also see the classifier and the other conflicts of the merge
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec

from mergebert.errors import ModelBundleError
from mergebert.ranking.acceptance import Calibration
from mergebert.ranking.codes import Codes, codes, feature_names, foreign_code
from mergebert.ranking.columns import SPECIAL_TOKENS
from mergebert.regular_files import bytes_in

FORMAT = 3
MODEL, TOKENIZER, MANIFEST = "model.onnx", "tokenizer.json", "bundle.json"
FIRST, RANKER = "first.safetensors", "ranker.safetensors"
LARGEST = {MANIFEST: 10_000_000}  # bytes; 30 times what the shipped one has
LARGEST_FILE = 100_000_000  # of any other file: loading takes a multiple of it as memory


@dataclass(frozen=True, slots=True)
class FeatureNames:
    """The features that the trees of either pass read, in order."""

    first: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    ranker: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The fields of bundle.json that the resolver reads; the others are for people."""

    codes: Codes
    features: FeatureNames
    languages: tuple[str, ...]  # on which the bundle was measured
    calibration: Calibration
    files: dict[str, str]  # name -> sha256


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    vocab: dict[str, int]  # which also gives added tokens their numbers


@dataclass(frozen=True, slots=True)
class _Tokenizer:
    """What is checked of tokenizer.json: read by its library it would take ten times as long."""

    model: _Vocabulary


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: its manifest, and all `facts` of bundle.json."""

    path: Path
    manifest: Manifest
    facts: Mapping[str, Any]

    @property
    def has_classifier(self) -> bool:
        """Whether the bundle holds a network."""
        return MODEL in self.manifest.files

    def file(self, name: str) -> Path:
        """The path of one of its files."""
        return self.path / name


def default_bundle_path() -> Path:
    """The bundle that ships with the package."""
    return Path(__file__).parent.parent / "bundle"


def load_bundle(path: Path | None = None) -> Bundle:
    """The bundle at `path` (or the shipped one), whole and made for this version; raises ModelBundleError."""
    folder = path or default_bundle_path()
    facts = _facts(folder)
    try:
        manifest = msgspec.convert(facts, Manifest)
    except msgspec.ValidationError as error:
        raise ModelBundleError(
            f"{folder / MANIFEST} is not what a bundle says of itself ({_cause(error)}); install the bundle again."
        ) from error
    _check_files(manifest, folder)
    _check_meaning(manifest, folder)
    return Bundle(folder, manifest, facts)


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes bundle.json for the files that lie in `folder`."""
    names = sorted(file.name for file in folder.iterdir() if file.name != MANIFEST)
    files = {name: _digest(folder, name) for name in names}
    manifest = msgspec.json.encode({"format": FORMAT, "codes": codes(), **facts, "files": files})
    (folder / MANIFEST).write_bytes(msgspec.json.format(manifest, indent=1) + b"\n")


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = msgspec.json.decode(_content(folder, MANIFEST))
    except OSError as error:
        raise ModelBundleError(
            f"There is no model bundle in {folder}; install mergebert again or name another bundle."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelBundleError(f"{folder / MANIFEST} is not JSON; install the bundle again.") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ModelBundleError(
            f"{folder} is a bundle of another format; use one made for this version of mergebert."
        )
    return facts


def _cause(error: msgspec.ValidationError) -> str:
    """What is wrong and where, as the beginning of a sentence has it."""
    return (
        str(error)
        .replace(" - at `$.", " at `")
        .replace("Object missing", "missing")
        .replace("`$`", "the top")
    )


def _check_files(manifest: Manifest, folder: Path) -> None:
    """Raises ModelBundleError unless the bundle has all its files, whole, and in its own folder."""
    names = manifest.files
    if not {FIRST, RANKER} <= names.keys() or (MODEL in names) != (TOKENIZER in names):
        raise ModelBundleError(
            f"{folder / MANIFEST} does not name the files of a bundle; install the bundle again."
        )
    if not all(name.isprintable() and name == Path(name).name and "\\" not in name for name in names):
        raise ModelBundleError(f"{folder / MANIFEST} names files outside the bundle; do not use it.")
    for name, wanted in names.items():
        if _digest(folder, name) != wanted:
            raise ModelBundleError(
                f"{folder / name} is damaged (its sha256 is not the one in {MANIFEST}); install the bundle again."
            )


def _check_meaning(manifest: Manifest, folder: Path) -> None:
    """Raises ModelBundleError unless this version says what it says to a model as in training."""
    foreign = foreign_code(manifest.codes)
    if foreign is not None:
        raise ModelBundleError(
            f"{folder} was trained with other {foreign} than this version of mergebert has; export it again."
        )
    for names in (manifest.features.first, manifest.features.ranker):
        _check_features(names, folder)
    if TOKENIZER in manifest.files:
        _check_special_tokens(folder / TOKENIZER)
    if not _is_rising(manifest.calibration.best):
        raise ModelBundleError(
            f"{folder / MANIFEST} has a calibration curve out of order; install the bundle again."
        )


def _check_features(names: Sequence[str], folder: Path) -> None:
    """Raises ModelBundleError unless these are features of this version, in its order: a swap would feed one as the other."""
    places = {name: at for at, name in enumerate(feature_names())}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise ModelBundleError(
            f"{folder} reads the feature {unknown[0]!r}, which this version of mergebert does not have; export it again."
        )
    for name, following in pairwise(names):
        if places[name] >= places[following]:
            raise ModelBundleError(
                f"{folder} lists the feature {following!r} out of order (behind {name!r}); export it again."
            )


def _check_special_tokens(path: Path) -> None:
    """Raises ModelBundleError unless a tokenizer numbers the special tokens as the columns do."""
    try:
        numbers = msgspec.json.decode(_content(path.parent, path.name), type=_Tokenizer).model.vocab
    except ValueError as error:
        raise ModelBundleError(f"{path} is not a tokenizer; install the bundle again.") from error
    if [numbers.get(token) for token in SPECIAL_TOKENS] != list(range(len(SPECIAL_TOKENS))):
        raise ModelBundleError(
            f"{path} numbers its special tokens otherwise than mergebert does; install the bundle again."
        )


def _is_rising(curve: tuple[tuple[float, float], ...]) -> bool:
    return all(one[0] < other[0] for one, other in pairwise(curve))


def _digest(folder: Path, name: str) -> str:
    try:
        return sha256(_content(folder, name)).hexdigest()
    except OSError as error:
        raise ModelBundleError(f"{folder / name} is missing; install the bundle again.") from error


def _content(folder: Path, name: str) -> bytes:
    """The bytes of one file; raises ModelBundleError, nothing read, for what is no file or too large for one."""
    try:
        return bytes_in(folder / name, LARGEST.get(name, LARGEST_FILE))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise ModelBundleError(f"{folder / name}: {error.strerror}; install the bundle again.") from error
        raise
