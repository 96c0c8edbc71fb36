"""What ships: the file list and the metadata of the wheel and of the source distribution."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from mergebert.ranking.bundle import FIRST, MANIFEST, MODEL, RANKER, TOKENIZER

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = {f"mergebert/bundle/{name}" for name in (MANIFEST, MODEL, TOKENIZER, FIRST, RANKER)}
LARGEST_BUNDLE = 30 * 1024 * 1024


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and a source distribution built from this checkout, without a network."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(distributions.glob("*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def source_files(folder: Path) -> set[str]:
    return {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.py")}


def test_the_wheel_holds_every_package_whole(wheel: zipfile.ZipFile) -> None:
    satellites = (
        ROOT / "data" / "mergebert_data",
        ROOT / "fusion" / "mergebert_fusion",
        ROOT / "lsp" / "mergebert_lsp",
    )
    expected = source_files(ROOT / "mergebert").union(*map(source_files, satellites))
    assert expected <= set(wheel.namelist())


def test_the_wheel_holds_the_bundle(wheel: zipfile.ZipFile) -> None:
    assert set(wheel.namelist()) >= BUNDLE
    assert sum(wheel.getinfo(name).file_size for name in BUNDLE) <= LARGEST_BUNDLE


def test_the_wheel_installs_no_other_top_level_name(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "mergebert",
        "mergebert_data",
        "mergebert_lsp",
        "mergebert_fusion",
    }
    assert not [name for name in wheel.namelist() if "__pycache__" in name or name.endswith(".pyc")]


def test_the_package_alone_needs_no_training_library(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert needed
    assert not [
        line for line in needed if line.lower().startswith(("torch", "transformers", "gitpython", "pyarrow"))
    ]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_version_stands_in_the_package_and_in_the_changelog(metadata: Message) -> None:
    import mergebert

    assert mergebert.__version__ == metadata["Version"]
    assert f"## {metadata['Version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_source_distribution_holds_sources_only(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "pyproject.toml",
        "constraints.txt",
        "tests/conftest.py",
    } <= names
    assert names >= BUNDLE
    assert not [
        name for name in names if name.startswith((".venv", "out/", "dist/")) or "__pycache__" in name
    ]
