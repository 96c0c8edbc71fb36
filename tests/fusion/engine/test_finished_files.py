from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mergebert_fusion.engine.finished_files import JOURNAL, opened_journal
from mergebert_fusion.errors import FusionError
from tests.fusion.models import bytes_of, changed, run_recipe, write_model

FILES = 10


def write_larger_family(folder: Path) -> None:
    """Models of which every tensor but one fills a file of 1 MB, so that there is time to be killed in."""
    generator = torch.Generator().manual_seed(0)
    base = {f"layers.{i}.bias": torch.randn(240_000, generator=generator) for i in range(FILES)}
    base["layers.0.weight"] = torch.randn(30, 20, generator=generator)
    for number, name in enumerate(("base", "a", "b")):
        write_model(folder / name, changed(base, number) if number else base, config={})


def finished(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*.safetensors")}


def begun(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*.safetensors.partial")}


def killed_once(command: list[str], wrote: Callable[[], set[str]]) -> int:
    """The exit code of a run that is killed as soon as it wrote one more file."""
    before = wrote()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and wrote() <= before:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    return child.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("method", ["emr", "opcm"])
def test_a_run_that_is_killed_ends_in_the_same_bytes(tmp_path: Path, method: str, project_root: Path) -> None:
    write_larger_family(tmp_path)
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    text = f"merge_method: {method}\nbase_model: base\nmodels: [{{model: a}}, {{model: b}}]\nseed: 7\n"
    recipe.write_text(text, encoding="utf-8")
    run_recipe(text, tmp_path, tmp_path / "whole", largest_shard=1_000_000)
    program = f"import sys; sys.path[:0] = {[str(project_root), str(project_root / 'fusion')]}; "
    program += "from mergebert.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "fuse", str(recipe), "-o", str(out), "--shard-size", "1"]
    assert killed_once(command, lambda: begun(out)) == -signal.SIGKILL, "while it writes its first file"
    assert killed_once(command, lambda: finished(out)) == -signal.SIGKILL, "after its first file"
    kept = {name: (out / name).stat().st_mtime_ns for name in finished(out)}
    journal = json.loads((out / JOURNAL).read_text(encoding="utf-8"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert bytes_of(out) == bytes_of(tmp_path / "whole")
    for name in journal["done"]:
        assert (out / name).stat().st_mtime_ns == kept[name], "what was whole is not made again"


def test_a_folder_in_which_nothing_was_finished_is_free_for_other_settings(tmp_path: Path) -> None:
    first = opened_journal(tmp_path, "first", overwrite=False)
    (tmp_path / "model.safetensors.partial").write_bytes(b"torn")
    opened_journal(tmp_path, "second", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]
    (tmp_path / "model.safetensors").write_bytes(b"whole")
    assert (
        opened_journal(tmp_path, "second", overwrite=False)
        .with_files(["model.safetensors"])
        .has(["model.safetensors"])
    )
    with pytest.raises(FusionError, match="unfinished fusion of other inputs"):
        opened_journal(tmp_path, first.fingerprint, overwrite=False)
