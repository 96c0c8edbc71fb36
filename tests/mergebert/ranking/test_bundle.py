from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mergebert.errors import ModelBundleError
from mergebert.ranking.bundle import (
    FIRST,
    MANIFEST,
    MODEL,
    RANKER,
    TOKENIZER,
    default_bundle_path,
    load_bundle,
)
from mergebert.ranking.codes import codes, feature_names
from mergebert.ranking.history_features import HISTORY_FEATURES
from tests.mergebert.tiny_bundle import CALIBRATION, RISK, STRAIGHT, write_bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with all its files."""
    return write_bundle(
        tmp_path_factory.mktemp("whole") / "bundle", {"is none": -1.0}, classes={"empty": 1.0}
    )


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def rewrite(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the manifest in place."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def refusal(bundle: Path) -> str:
    """The one sentence with which a bundle is refused."""
    with pytest.raises(ModelBundleError) as caught:
        load_bundle(bundle)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    assert str(bundle) in sentence
    return sentence


def test_a_whole_bundle_is_loaded(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.has_classifier
    assert loaded.file(RANKER) == bundle / RANKER
    assert set(loaded.manifest.files) == {MODEL, TOKENIZER, FIRST, RANKER}
    assert loaded.manifest.calibration.best == ((0.0, 0.0), (1.0, 1.0))


def test_a_bundle_may_have_no_network(tmp_path: Path) -> None:
    assert not load_bundle(write_bundle(tmp_path / "bundle", {"is none": 0.0})).has_classifier


def test_the_bundle_that_ships_lies_in_the_package() -> None:
    assert default_bundle_path().parent.name == "mergebert"


def test_the_bundle_that_ships_is_whole(shipped_bundle: Path) -> None:
    shipped = load_bundle()
    assert (shipped.path, shipped.has_classifier) == (shipped_bundle, True)
    assert sum(shipped.file(name).stat().st_size for name in shipped.manifest.files) <= 30 * 1024**2


@pytest.mark.parametrize("name", [MODEL, TOKENIZER, FIRST, RANKER])
def test_a_missing_file_is_told(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert "is missing; install the bundle again" in refusal(bundle)


@pytest.mark.parametrize("name", [MODEL, TOKENIZER, FIRST, RANKER])
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b"", bytes.swapcase]
)
def test_a_damaged_file_is_told(bundle: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    (bundle / name).write_bytes(damage((bundle / name).read_bytes()))
    assert "is damaged" in refusal(bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2", b'{"format": 1'])
def test_a_torn_manifest_is_told(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST).write_bytes(content)
    assert "is not JSON" in refusal(bundle)


@pytest.mark.parametrize(
    "content", [b"[]", b"null", b"3", b'"format"', b"{}", b'{"format": 1}', b'{"format": "2"}']
)
def test_another_format_is_told(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST).write_bytes(content)
    assert "of another format" in refusal(bundle)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert "There is no model bundle" in refusal(tmp_path / "nowhere")
    assert "There is no model bundle" in refusal(tmp_path)


CODES = (
    "languages",
    "special tokens",
    "edit types",
    "change types",
    "patterns",
    "conflict classes",
    "kinds",
    "groups of kinds",
)


def test_every_list_of_names_that_a_model_reads_is_stated() -> None:
    assert tuple(codes()) == CODES


@pytest.mark.parametrize("name", CODES)
def test_other_codes_are_told(bundle: Path, name: str) -> None:
    rewrite(bundle, lambda manifest: manifest["codes"][name].reverse())
    assert f"was trained with other {name} than this version" in refusal(bundle)


@pytest.mark.parametrize("name", CODES)
def test_codes_must_be_stated(bundle: Path, name: str) -> None:
    rewrite(bundle, lambda manifest: manifest["codes"].pop(name))
    assert f"was trained with other {name} than this version" in refusal(bundle)


def test_a_language_behind_the_known_ones_changes_no_number(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["codes"]["languages"].pop())
    assert load_bundle(bundle).manifest.codes["languages"] == codes()["languages"][:-1]


def test_an_older_language_that_is_gone_is_told(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["codes"]["languages"].append("cobol"))
    assert "was trained with other languages" in refusal(bundle)


@pytest.mark.parametrize("ranker", ["first", "ranker"])
def test_a_feature_that_nobody_works_out_is_told(bundle: Path, ranker: str) -> None:
    rewrite(bundle, lambda manifest: manifest["features"][ranker].append("phase of the moon"))
    assert "reads the feature 'phase of the moon'" in refusal(bundle)


@pytest.mark.parametrize("ranker", ["first", "ranker"])
@pytest.mark.parametrize("names", [["candidates", "base_tokens"], ["is none", "is none"]])
def test_features_out_of_order_are_told(bundle: Path, ranker: str, names: list[str]) -> None:
    rewrite(bundle, lambda manifest: manifest["features"].update({ranker: names}))
    assert f"lists the feature {names[1]!r} out of order (behind {names[0]!r})" in refusal(bundle)


def swapped(tokenizer: dict[str, Any]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["[GAP]"], vocabulary["[NEWLINE]"] = vocabulary["[NEWLINE]"], vocabulary["[GAP]"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (swapped, "numbers its special tokens otherwise than mergebert does"),
        (lambda tokenizer: tokenizer["model"]["vocab"].pop("[UNK]"), "numbers its special tokens otherwise"),
        (lambda tokenizer: tokenizer["model"].pop("vocab"), "is not a tokenizer"),
    ],
)
def test_other_special_tokens_are_told(
    bundle: Path, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    tokenizer = json.loads((bundle / TOKENIZER).read_text())
    change(tokenizer)
    (bundle / TOKENIZER).write_text(json.dumps(tokenizer))
    digest = sha256((bundle / TOKENIZER).read_bytes()).hexdigest()
    rewrite(bundle, lambda manifest: manifest["files"].update({TOKENIZER: digest}))
    assert f"{bundle / TOKENIZER} {sentence}" in refusal(bundle)


def test_the_shipped_ranker_reads_every_feature_but_those_of_history() -> None:
    """Which came when it had been trained."""
    known = tuple(name for name in feature_names() if name not in HISTORY_FEATURES)
    assert load_bundle().manifest.features.ranker == known


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "..\\evil", "a/b"])
def test_files_outside_the_bundle_are_refused(bundle: Path, name: str) -> None:
    rewrite(bundle, lambda manifest: manifest["files"].update({name: "0" * 64}))
    assert "names files outside the bundle" in refusal(bundle)


@pytest.mark.parametrize("name", [".", "..", ""])
def test_folders_are_no_files(bundle: Path, name: str) -> None:
    rewrite(bundle, lambda manifest: manifest["files"].update({name: "0" * 64}))
    refusal(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["files"].pop(FIRST),
        lambda manifest: manifest["files"].pop(RANKER),
        lambda manifest: manifest["files"].pop(TOKENIZER),
        lambda manifest: manifest["files"].pop(MODEL),
    ],
)
def test_a_manifest_must_name_its_files(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    rewrite(bundle, change)
    assert "does not name the files of a bundle" in refusal(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("files"),
        lambda manifest: manifest.update(files=[FIRST, RANKER]),
        lambda manifest: manifest["files"].update({FIRST: None}),
        lambda manifest: manifest["files"].update({FIRST: ["x"]}),
        lambda manifest: manifest.pop("codes"),
        lambda manifest: manifest.update(codes={"languages": "java"}),
        lambda manifest: manifest.pop("features"),
        lambda manifest: manifest.update(features=["first", "ranker"]),
        lambda manifest: manifest["features"].pop("ranker"),
        lambda manifest: manifest["features"].update(first=[]),
        lambda manifest: manifest["features"].update(ranker=[]),
        lambda manifest: manifest.pop("languages"),
        lambda manifest: manifest.update(languages=None),
        lambda manifest: manifest.update(languages="java"),
        *(
            lambda manifest, calibration=calibration: manifest.update(calibration=calibration)
            for calibration in (
                None,
                {},
                {"best": STRAIGHT},
                {**CALIBRATION, "best": 3},
                {**CALIBRATION, "best": [["a", 1]]},
                {**CALIBRATION, "best": [[0.0, 0.1, 0.2]]},
                {**CALIBRATION, "risk": {**RISK, "conflicts": [[1], [2, 3], [4]]}},
                {**CALIBRATION, "best": []},
                {**CALIBRATION, "risk": []},
                {**CALIBRATION, "risk": {**RISK, "thresholds": [], "conflicts": [], "wrong": []}},
                {**CALIBRATION, "best": [[0.0, 0.1], [1.0, 7.0]]},
                {**CALIBRATION, "best": [[-1.0, 0.1]]},
                {**CALIBRATION, "risk": {**RISK, "thresholds": [7.0, 0.5, 0.3]}},
                {**CALIBRATION, "risk": {**RISK, "wrong": RISK["wrong"][:2]}},
                {**CALIBRATION, "risk": {**RISK, "wrong": [[-1], [0], [0]]}},
            )
        ),
    ],
)
def test_a_manifest_must_say_what_its_models_read(
    bundle: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    rewrite(bundle, change)
    assert "is not what a bundle says of itself" in refusal(bundle)


def test_what_is_wrong_with_a_manifest_is_named(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["features"].update(first=[3]))
    assert "(Expected `str`, got `int` at `features.first[0]`)" in refusal(bundle)
    rewrite(bundle, lambda manifest: manifest["features"].update(first=[]))
    assert "(Expected `array` of length >= 1 at `features.first`)" in refusal(bundle)


def test_a_probability_that_is_none_is_named(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["calibration"].update(best=[[0.0, 7.0]]))
    assert "(Expected `float` <= 1.0 at `calibration.best[0][1]`)" in refusal(bundle)


def test_a_wrong_digest_is_no_digest(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["files"].update({FIRST: "0" * 64}))
    assert "is damaged" in refusal(bundle)


@pytest.mark.parametrize(
    "calibration",
    [
        {**CALIBRATION, "best": STRAIGHT[::-1]},
        {**CALIBRATION, "best": [[0.5, 0.1], [0.5, 0.2]]},
    ],
)
def test_a_calibration_must_be_in_order(bundle: Path, calibration: object) -> None:
    rewrite(bundle, lambda manifest: manifest.update(calibration=calibration))
    assert "has a calibration curve out of order" in refusal(bundle)
