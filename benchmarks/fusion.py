"""`mergebert fuse` beside mergekit on the same recipes and files: wall time, peak memory, and how far the results differ.

    python benchmarks/fusion.py --folder out/fusion --size 1000

Writes a base and MODELS fine-tuned checkpoints of SIZE MB each in bf16 (a Llama with random weights) into FOLDER, makes a
virtual environment with mergekit there if none is given, and runs every recipe with both, in turns, in processes of their own.
Peak memory is the most resident memory of the process; beside it stands the most that is not backed by a file, since
mergekit maps its inputs. Budget: at most mergekit's time, and a third of what all inputs take in memory.

Where a method is not defined alike, the recipe of ours says so: TIES is run once as mergekit defines it (trimmed tensor
by tensor, signs of the weighted vectors) and once as in the paper. DARE draws other masks in either program, so single
numbers differ; what is comparable is the spread of the result around the base. In bf16 the two also differ by
rounding (mergekit casts before it merges, ours after) and by equal magnitudes at the threshold of a trim (mergekit keeps
an exact count, ours all of them); `--inputs float32` has neither, and shows whether the definitions agree.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
import venv
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mergebert_fusion.io.checkpoint import opened
from mergebert_fusion.io.safetensors import NewFile, shard_names, split_into_shards, start_file
from mergebert_fusion.io.tensors import TensorSpec

BLOCK = 1 << 22
LARGEST_SHARD = 500_000_000
VOCABULARY = 32000
# Both recipes of a row; {} is what both share. The first is the one for mergekit.
ROWS: Mapping[str, tuple[str, str]] = {
    "linear": ("merge_method: linear", "merge_method: linear"),
    "task_arithmetic": (
        "merge_method: task_arithmetic\nparameters: {lambda: 0.3}",
        "merge_method: task_arithmetic\nparameters: {lambda: 0.3}",
    ),
    "ties, as mergekit defines it": (
        "merge_method: ties\nparameters: {density: 0.2, normalize: true}",
        "merge_method: ties\nparameters: {density: 0.2, normalize: true, trim: tensor, sign: weighted}",
    ),
    "ties, ours as in the paper": (
        "merge_method: ties\nparameters: {density: 0.2, normalize: true}",
        "merge_method: ties\nparameters: {density: 0.2, normalize: true}",
    ),
    "dare_linear": (
        "merge_method: dare_linear\nparameters: {density: 0.2, rescale: true}",
        "merge_method: dare_linear\nparameters: {density: 0.2}",
    ),
}


@dataclass(frozen=True)
class Run:
    """What one program took for one recipe."""

    seconds: float
    peak: int  # bytes of resident memory
    peak_own: int  # of it, not backed by a file


@dataclass(frozen=True)
class Difference:
    """How far two results are from each other."""

    largest: float
    share: float  # of the scalars that differ at all
    spread: tuple[float, float]  # root mean square of (result - base), ours and mergekit's


def main() -> None:
    """Measures and prints."""
    arguments = _parser().parse_args()
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _write_models(folder, arguments.size, arguments.models, getattr(torch, arguments.inputs))
    mergekit = arguments.mergekit or _installed(folder / "mergekit-venv")
    rows = []
    for name, recipes in ROWS.items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        rows.append(_measured(name, recipes, folder, mergekit, arguments))
        print(f"{name}: done", file=sys.stderr)
    inputs = sum(path.stat().st_size for path in folder.glob("models/*/*.safetensors"))
    print(
        json.dumps({"inputs": inputs, "rows": rows}, indent=1)
        if arguments.json
        else "\n".join(_table(rows, inputs))
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints and results go; kept")
    parser.add_argument("--size", type=int, default=1000, help="MB of a checkpoint (1000)")
    parser.add_argument(
        "--inputs", choices=("bfloat16", "float32"), default="bfloat16", help="their type (bfloat16)"
    )
    parser.add_argument("--models", type=int, default=4, help="fine-tuned checkpoints beside the base (4)")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="of either program; all cores by default"
    )
    parser.add_argument(
        "--mergekit", type=Path, help="the mergekit-yaml command; installed into FOLDER by default"
    )
    parser.add_argument("-r", "--repetitions", type=int, default=3, help="of each side (3)")
    parser.add_argument("--only", action="append", help="only rows whose name holds this; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    default = Path(sysconfig.get_path("scripts")) / "mergebert"
    parser.add_argument("--command", type=Path, default=default, help="the installed mergebert command")
    return parser


def _config(size: int) -> dict[str, object]:
    """A Llama of about SIZE MB in bf16."""
    width = 1536 if size >= 400 else 512 if size >= 100 else 256
    vocabulary = VOCABULARY if size >= 400 else VOCABULARY // 8
    inner = width * 8 // 3
    a_layer = 4 * width * width + 3 * width * inner + 2 * width
    layers = max(1, round((size * 500_000 - 2 * vocabulary * width) / a_layer))
    return {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": width,
        "intermediate_size": inner,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": width // 64,
        "num_hidden_layers": layers,
        "num_key_value_heads": width // 64,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "vocab_size": vocabulary,
    }


def _shapes(config: Mapping[str, object]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, inner, words = (
        int(str(config[key])) for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    yield "model.embed_tokens.weight", (words, width)
    for i in range(int(str(config["num_hidden_layers"]))):
        layer = f"model.layers.{i}"
        yield f"{layer}.input_layernorm.weight", (width,)
        for part in ("q", "k", "v", "o"):
            yield f"{layer}.self_attn.{part}_proj.weight", (width, width)
        yield f"{layer}.post_attention_layernorm.weight", (width,)
        for part in ("gate", "up"):
            yield f"{layer}.mlp.{part}_proj.weight", (inner, width)
        yield f"{layer}.mlp.down_proj.weight", (width, inner)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (words, width)


def _write_models(folder: Path, size: int, models: int, dtype: torch.dtype = torch.bfloat16) -> None:
    """Writes base and models, unless they are there; every block of every tensor is drawn from a seed of its own."""
    config = {**_config(size * 2 // dtype.itemsize), "torch_dtype": str(dtype).removeprefix("torch.")}
    specs = {name: TensorSpec(shape, dtype) for name, shape in _shapes(config)}
    for model in range(models + 1):
        place = folder / "models" / ("base" if model == 0 else f"model{model}")
        if (place / "config.json").is_file():
            continue
        files = split_into_shards(specs, LARGEST_SHARD)
        placed = {}
        for file_name, held in zip(shard_names(len(files)), files, strict=True):
            writer = start_file(NewFile(file_name, held, {"format": "pt"}), place)
            for name, spec in held.items():
                placed[name] = file_name
                for start in range(0, spec.elements, BLOCK):
                    writer.write(name, start, _values(model, name, start, min(BLOCK, spec.elements - start)))
            writer.finish()
        if len(files) > 1:
            index = {"metadata": {}, "weight_map": placed}
            (place / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        (place / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _values(model: int, name: str, start: int, count: int) -> torch.Tensor:
    """Weights of the base, to which every model adds changes a tenth as large."""
    seed = sum(map(ord, name)) * 1_000_003 + start
    values = 0.02 * torch.randn(count, generator=torch.Generator().manual_seed(seed))
    if model:
        values += 0.002 * torch.randn(count, generator=torch.Generator().manual_seed(seed + model))
    return values


def _installed(place: Path) -> Path:
    """mergekit in a virtual environment of its own, with the torch that we have."""
    command = place / "bin" / "mergekit-yaml"
    if not command.is_file():
        venv.create(place, with_pip=True)
        pinned = torch.__version__.partition("+")[0]
        subprocess.run(
            [place / "bin" / "pip", "install", "--quiet", "mergekit", f"torch=={pinned}"], check=True
        )
    return command


def _measured(
    name: str, recipes: tuple[str, str], folder: Path, mergekit: Path, arguments: Namespace
) -> dict[str, object]:
    """One row: both programs on one recipe, in turns, and the difference of their last results."""
    threads = str(arguments.threads)
    texts = [_recipe(recipe, arguments.models, arguments.inputs) for recipe in recipes]
    outs = [folder / "mergekit-out", folder / "mergebert-out"]
    files = [folder / "models" / "mergekit.yaml", folder / "models" / "mergebert.yaml"]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    # mergekit hashes nothing and copies no tokenizer here; ours hashes inputs and outputs as it always does.
    commands = [
        [
            str(mergekit),
            str(files[0]),
            str(outs[0]),
            "--num-threads",
            threads,
            "--random-seed",
            "0",
            "--no-copy-tokenizer",
        ],
        [str(arguments.command), "fuse", str(files[1]), "-o", str(outs[1]), "--threads", threads],
    ]
    runs: list[list[Run]] = [[], []]
    _warm(folder)
    for _ in range(arguments.repetitions):
        for command, out, kept in zip(commands, outs, runs, strict=True):
            shutil.rmtree(out, ignore_errors=True)
            kept.append(_run(command, folder / "models", arguments.threads))
    theirs, ours = (_median(kept) for kept in runs)
    difference = _difference(outs[1], outs[0], folder / "models" / "base")
    return {"name": name, "ours": asdict(ours), "mergekit": asdict(theirs), "difference": asdict(difference)}


def _recipe(recipe: str, models: int, dtype: str = "bfloat16") -> str:
    entries = "\n".join(
        f"  - model: ./model{i}\n    parameters: {{weight: 1.0}}" for i in range(1, models + 1)
    )
    base = "" if recipe.startswith("merge_method: linear") else "base_model: ./base\n"
    return f"{recipe}\n{base}models:\n{entries}\ndtype: {dtype}\n"


def _warm(folder: Path) -> None:
    """Reads every input once, so that neither program finds a colder cache."""
    for path in sorted(folder.glob("models/*/*.safetensors")):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def _run(command: list[str], folder: Path, threads: int) -> Run:
    """Runs a program to its end, looking at its memory every few milliseconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    status = Path(f"/proc/{child.pid}/status")
    peak = own = 0
    while child.poll() is None:
        known = dict(line.split(":", 1) for line in _text(status).split("\n") if ":" in line)
        peak = max(peak, _kilobytes(known.get("VmHWM", "")))
        own = max(own, _kilobytes(known.get("RssAnon", "")))
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    said = child.stderr.read() if child.stderr else ""
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {child.returncode}:\n{said[-2000:]}")
    return Run(seconds, peak, own)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _kilobytes(value: str) -> int:
    return int(value.split()[0]) * 1024 if value.split() else 0


def _median(runs: list[Run]) -> Run:
    return Run(
        statistics.median(run.seconds for run in runs),
        max(r.peak for r in runs),
        max(r.peak_own for r in runs),
    )


def _difference(ours: Path, theirs: Path, base: Path) -> Difference:
    """Compares two results a run of elements at a time."""
    largest, differing, count = 0.0, 0, 0
    squares = [0.0, 0.0]
    with opened({"ours": str(ours), "theirs": str(theirs), "base": str(base)}, ours.parent) as models:
        for name, spec in models["ours"].source.specs.items():
            for start in range(0, spec.elements, BLOCK):
                stop = min(spec.elements, start + BLOCK)
                a, b, origin = (
                    models[kind].source.read(name, start, stop).float() for kind in ("ours", "theirs", "base")
                )
                gap = (a - b).abs()
                largest = max(largest, float(gap.max()))
                differing += int((gap > 0).sum())
                count += stop - start
                for i, result in enumerate((a, b)):
                    squares[i] += float((result - origin).double().square().sum())
    return Difference(largest, differing / count, ((squares[0] / count) ** 0.5, (squares[1] / count) ** 0.5))


def _table(rows: list[dict[str, object]], inputs: int) -> Iterator[str]:
    yield f"All inputs in memory would take {inputs / 1e6:.0f} MB; a third is {inputs / 3e6:.0f} MB."
    yield ""
    columns = (
        "recipe",
        "ours s",
        "mergekit s",
        "ratio",
        "ours MB (own)",
        "mergekit MB (own)",
        "largest difference",
    )
    yield f"| {' | '.join((*columns, 'differ', 'spread ours, theirs'))} |"
    yield f"|---|{'---:|' * 7}---|"
    for row in rows:
        ours, theirs, gap = Run(**row["ours"]), Run(**row["mergekit"]), Difference(**row["difference"])  # type: ignore[arg-type]
        yield (
            f"| {row['name']} | {ours.seconds:.1f} | {theirs.seconds:.1f} | {ours.seconds / theirs.seconds:.2f} "
            f"| {ours.peak / 1e6:.0f} ({ours.peak_own / 1e6:.0f}) | {theirs.peak / 1e6:.0f} ({theirs.peak_own / 1e6:.0f}) "
            f"| {gap.largest:.2g} | {gap.share:.2%} | {gap.spread[0]:.3e}, {gap.spread[1]:.3e} |"
        )


if __name__ == "__main__":
    main()
