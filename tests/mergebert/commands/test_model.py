from __future__ import annotations

import json
from pathlib import Path

import pytest

from mergebert.cli import main
from mergebert.ranking.bundle import FIRST, MANIFEST, RANKER, write_manifest
from tests.mergebert.ranking.risks import plain_risk
from tests.mergebert.tiny_bundle import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle without a network, whole but for its contents."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in (FIRST, RANKER):
        (folder / name).write_bytes(b"trees of " + name.encode())
    calibration = {
        "best": [[0, 0], [1, 1]],
        "risk": plain_risk((0.95, 0.1, 0.02), (0.9, 0.25, 0.04), (0.5, 0.8, 0.2), (0.1, 1.0, 0.4)),
    }
    features = {"first": ["is none"], "ranker": ["is none"]}
    facts = {
        "calibration": calibration,
        "metrics": {"accuracy@1": 0.64},
        "languages": ["go", "java"],
        "features": features,
    }
    write_manifest(folder, facts)
    return folder


def test_info_for_people(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", str(bundle)]) == 0
    shown = capsys.readouterr().out
    assert "ranker alone, without a network" in shown
    assert "  accuracy@1 0.64" in shown
    assert "languages   go java" in shown
    assert "--max-error 0.05  applies  25.0%, and   0.0% are drafts at --draft-error 0.2" in shown
    assert "--max-error 0.01  applies   0.0%, and  80.0% are drafts at --draft-error 0.2" in shown


def test_info_for_programs(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", "--json", str(bundle)]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == {"accuracy@1": 0.64}


def test_facts_nested_deeply_take_no_more_room_than_they_need(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each of their values, each indented by a thousand blanks, would be a thousand times the bundle."""
    manifest = bundle / MANIFEST
    nested = "[" * 500 + "0," * 5000 + "0" + "]" * 500
    manifest.write_text(manifest.read_text().replace("{", f'{{"made_by": {nested}, ', 1))
    assert main(["model", "info", "--json", str(bundle)]) == 0
    assert len(capsys.readouterr().out) < 2 * manifest.stat().st_size


def test_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_bundle(tmp_path / "bundle", {"is none": 0.0})
    monkeypatch.setenv("MERGEBERT_BUNDLE", str(bundle))
    assert main(["model", "verify"]) == 0
    assert capsys.readouterr().out == f"{bundle}: all 2 files are whole.\n"


def test_files_that_are_whole_and_hold_nonsense(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "verify", str(bundle)]) == 2
    assert capsys.readouterr().err == (
        f"mergebert model: {bundle / FIRST} cannot be loaded; install the bundle again.\n"
    )


def test_a_damaged_bundle_is_one_sentence(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / RANKER).write_bytes(b"cut off")
    assert main(["model", "verify", str(bundle)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mergebert model: {bundle / RANKER} is damaged")
    assert error.count("\n") == 1


def test_the_shipped_bundle_is_whole(shipped_bundle: Path) -> None:
    assert main(["model", "verify", str(shipped_bundle)]) == 0
