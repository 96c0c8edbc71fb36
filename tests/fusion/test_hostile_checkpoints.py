"""Checkpoints that are whole but for one place: merged, restored and compared, or refused in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergebert.cli import main
from mergebert_fusion.engine.plan import RunOptions, planned_recipe
from mergebert_fusion.engine.run import write_fused
from mergebert_fusion.io.safetensors import write_tensors
from mergebert_fusion.recipe.reading import recipe_in
from mergebert_fusion.report import compare
from tests.fusion.models import run_recipe, write_family

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.sampled_from([1 << 31, 1 << 62, (1 << 64) - 1, 1 << 64, 10**30, -(10**30)])
    | st.floats()
    | st.sampled_from(["", "F32", "BF16", "BOOL", "F4", "pt", "LORA", "../a", "a", "\0", "x" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Say = pytest.CaptureFixture[str]

ROOT = Path(__file__).resolve().parents[2]
QUERY = "roberta.encoder.layer.0.attention.self.query"
SEQUENTIAL = "merge_method: opcm\nbase_model: base\nmodels: [{}]\n"
COMPARISON: dict[str, Any] = {
    "base_model": "base",
    "models": [{"model": "a", "name": "one"}, {"model": "b"}],
    "candidates": [{"merge_method": "average", "label": "mean"}],
    "also": [{"merge_method": "ties", "of": ["one", "b"], "parameters": {"density": 0.5}}],
    "command": "echo 1",
    "costs": False,
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family of models, an adapter, and fusions that keep what restores a model."""
    folder = tmp_path_factory.mktemp("whole")
    write_family(folder, 2)
    for method in ("emr", "tall_masks"):
        text = f"merge_method: {method}\nbase_model: base\nmodels: [{{model: a}}, {{model: b}}]\n"
        run_recipe(text, folder, folder / method)
    three = "{model: a}, {model: b}, {model: base+adapter, name: c}"
    (folder / "opcm.yaml").write_text(SEQUENTIAL.format(three))
    adapter = folder / "adapter"
    adapter.mkdir()
    pair = {"lora_A.weight": torch.ones(2, 8), "lora_B.weight": torch.ones(8, 2)}
    named = {f"base_model.model.{QUERY}.{part}": tensor for part, tensor in pair.items()}
    write_tensors(adapter / "adapter_model.safetensors", named, {"format": "pt"})
    said = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "rank_pattern": {"query": 2}, "use_rslora": False}
    (adapter / "adapter_config.json").write_text(json.dumps(said))
    (folder / "recipe.yaml").write_text(
        "merge_method: average\nmodels: [{model: a}, {model: base+adapter}]\n"
    )
    (folder / "compare.yaml").write_text(json.dumps(COMPARISON))
    assert main(["fuse", "compare", str(folder / "compare.yaml"), "-o", str(folder / "compared")]) == 0
    return folder


@pytest.fixture
def copied(whole: Path) -> Callable[[], Path]:
    """A function that gives a copy of it to be spoilt."""

    def copy() -> Path:
        folder = Path(shutil.copytree(whole, Path(tempfile.mkdtemp(dir=whole.parent)) / "copy"))
        run_recipe(
            SEQUENTIAL.format("{model: a}, {model: b}"), folder, folder / "opcm"
        )  # knows its models by their paths
        return folder

    return copy


def spoil(value: Any, data: st.DataObject) -> None:
    """Puts any value somewhere into nested lists and dictionaries, takes one away, or gives it another name."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        inner = value[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.integers(0, 3)):
            value = inner
            continue
        what = data.draw(st.sampled_from(["change", "change", "remove", "rename"]))
        if what == "change":
            value[key] = data.draw(JSON)
        elif what == "remove" or not isinstance(value, dict):
            del value[key]
        else:
            value[
                data.draw(st.sampled_from(["", "\n", "layer.9999999999.x", "layer." + "9" * 5000 + ".x"]))
            ] = value.pop(key)
        return


def header_of(file: Path) -> tuple[Any, bytes]:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_header(file: Path, header: Any, rest: bytes) -> None:
    written = json.dumps(header).encode()
    file.write_bytes(len(written).to_bytes(8, "little") + written + rest)


def refused_or_done(words: list[str], capsys: Say) -> None:
    capsys.readouterr()
    code = main(["fuse", *words])
    said = capsys.readouterr().err
    assert code in (0, 2)
    if code:
        assert said.startswith("mergebert fuse: ")
        assert said.count("\n") == 1, said


def calls(folder: Path) -> Iterator[list[str]]:
    """Every way in which `mergebert fuse` reads the files of the folder."""
    yield [str(folder / "recipe.yaml"), "-o", str(folder / "out"), "--quiet", "--threads", "1"]
    yield [str(folder / "opcm.yaml"), "-o", str(folder / "opcm"), "--quiet", "--threads", "1"]
    for method in ("emr", "tall_masks"):
        yield ["restore", str(folder / method), "b", "-o", str(folder / f"{method}-again")]


def test_all_is_done_until_it_is_spoilt(copied: Callable[[], Path]) -> None:
    assert [main(["fuse", *words]) for words in calls(copied())] == [0, 0, 0, 0]


TENSORS = (
    "a/model.safetensors",
    "base/model.safetensors",
    "adapter/adapter_model.safetensors",
    "emr/model.safetensors",
    "emr/artifacts/mask.b.safetensors",
    "opcm/state/after-0002.safetensors",
    "tall_masks/model.safetensors",
)


@pytest.mark.parametrize("name", TENSORS)
@quick
@given(data=st.data())
def test_a_header(name: str, data: st.DataObject, copied: Callable[[], Path], capsys: Say) -> None:
    folder = copied()
    header, rest = header_of(folder / name)
    spoil(header, data)
    write_header(folder / name, header, rest)
    for words in calls(folder):
        refused_or_done(words, capsys)
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize("name", TENSORS[:3])
@quick
@given(data=st.data())
def test_bytes_of_a_file(name: str, data: st.DataObject, copied: Callable[[], Path], capsys: Say) -> None:
    folder = copied()
    content = bytearray((folder / name).read_bytes())
    at = data.draw(st.integers(0, 400) | st.integers(0, len(content)))
    cut = data.draw(st.integers(0, 20) | st.just(len(content)))
    content[at : at + cut] = data.draw(st.binary(max_size=20))
    (folder / name).write_bytes(content)
    for words in calls(folder):
        refused_or_done(words, capsys)
    shutil.rmtree(folder.parent)


SETTINGS = (
    "a/config.json",
    "adapter/adapter_config.json",
    "emr/fusion.json",
    "tall_masks/fusion.json",
    "opcm/state/state.json",
)


@pytest.mark.parametrize("name", SETTINGS)
@quick
@given(data=st.data())
def test_settings(name: str, data: st.DataObject, copied: Callable[[], Path], capsys: Say) -> None:
    folder = copied()
    said = json.loads((folder / name).read_text())
    spoil(said, data)
    (folder / name).write_text(json.dumps(said))
    for words in calls(folder):
        refused_or_done(words, capsys)
    shutil.rmtree(folder.parent)


def fused_here(recipe: str, file: Path, out: Path) -> tuple[float, int]:
    """As `measured_fusion`, without the process of its own that takes seconds to start."""
    with planned_recipe(recipe_in(recipe, file), RunOptions()) as plan:
        write_fused(plan, out)
    return 0.0, 0


@pytest.mark.parametrize("name", ["compare.yaml", "compared/results.json"])
@quick
@given(data=st.data())
def test_a_comparison(
    name: str, data: st.DataObject, copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    monkeypatch.setattr(compare, "measured_fusion", fused_here)
    monkeypatch.setattr("mergebert_fusion.report.picture.draw", lambda *rows, **costs: None)
    folder = copied()
    said = json.loads((folder / name).read_text())
    spoil(said, data)
    (folder / name).write_text(json.dumps(said))
    refused_or_done(["compare", str(folder / "compare.yaml"), "-o", str(folder / "compared")], capsys)
    shutil.rmtree(folder.parent)


def write_sparse(file: Path, header: dict[str, Any]) -> None:
    """A file that holds nothing but a header, and is as large as that says."""
    write_header(file, header, b"")
    size = file.stat().st_size + max(entry["data_offsets"][1] for entry in header.values())
    with file.open("r+b") as opened:
        opened.truncate(size)


def with_a_long_header(folder: Path) -> None:
    header, rest = header_of(folder / "a" / "model.safetensors")
    header["__metadata__"] = {str(number): "x" for number in range(7_000_000)}
    write_header(folder / "a" / "model.safetensors", header, rest)


def with_many_tensors(folder: Path) -> None:
    entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    for name in "ab":
        write_header(folder / name / "model.safetensors", {str(at): entry for at in range(230_000)}, b"")


def with_a_large_tensor(folder: Path) -> None:
    header = {"w": {"dtype": "F32", "shape": [2, 1_000_000_000], "data_offsets": [0, 8_000_000_000]}}
    for name in "ab":
        write_sparse(folder / name / "model.safetensors", header)


def with_a_large_adapter(folder: Path) -> None:
    rank, at = 125_000_000, f"base_model.model.{QUERY}"
    shapes = {f"{at}.lora_A.weight": [rank, 8], f"{at}.lora_B.weight": [8, rank]}
    entries, offset = {}, 0
    for name, shape in shapes.items():
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + 32 * rank]}
        offset += 32 * rank
    write_sparse(folder / "adapter" / "adapter_model.safetensors", entries)


def with_large_settings(folder: Path) -> None:
    with (folder / "a" / "config.json").open("wb") as file:
        file.write(b"[" + b"[]," * 30_000_000 + b"0]")


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells what a process held at most"
)
@pytest.mark.parametrize(
    "spoil_folder",
    [with_a_long_header, with_many_tensors, with_a_large_tensor, with_a_large_adapter, with_large_settings],
    ids=lambda spoil_folder: spoil_folder.__name__,
)
def test_a_plan_takes_little_memory_whatever_files_claim(
    spoil_folder: Callable[[Path], None], copied: Callable[[], Path]
) -> None:
    folder = copied()
    spoil_folder(folder)
    partner = "b" if spoil_folder in (with_many_tensors, with_a_large_tensor) else "base+adapter"
    (folder / "recipe.yaml").write_text(
        f"merge_method: average\nmodels: [{{model: a}}, {{model: {partner}}}]\n"
    )
    code = (
        "import re, sys\nfrom mergebert.cli import main\n"
        "code = main(['fuse', 'recipe.yaml', '--plan', '--json'])\n"
        "print(re.search('VmHWM:(.*) kB', open('/proc/self/status').read())[1], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    folders = [str(ROOT / name) for name in ("", "data", "fusion")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    *said, held = done.stderr.strip().split("\n")
    assert done.returncode == (0 if spoil_folder is with_a_large_tensor else 2)
    assert len(said) == (0 if done.returncode == 0 else 1), said
    assert int(held) < 1_500_000
    shutil.rmtree(folder.parent)


def test_an_allocation_that_fails_is_a_sentence(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    def fail(*plan: Any, **how: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    monkeypatch.setattr("mergebert_fusion.engine.run.write_fused", fail)
    folder = copied()
    assert main(["fuse", str(folder / "recipe.yaml"), "-o", str(folder / "out")]) == 2
    assert capsys.readouterr().err.startswith("mergebert fuse: There is not enough memory")
