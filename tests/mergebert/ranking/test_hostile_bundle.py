"""Bundles whose sha256 are right and whose content is nonsense: every one is refused in a sentence, in time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from mergebert.cli import main
from mergebert.errors import ModelBundleError
from mergebert.ranking.bundle import FIRST, MANIFEST, MODEL, RANKER, TOKENIZER, _digest
from mergebert.ranking.columns import CONFLICT_CLASSES
from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolver import Resolver
from mergebert.ranking.supervised import SupervisedResolver
from mergebert.text.markers import parse
from mergebert.text.patterns import PATTERNS
from tests.mergebert.tiny_bundle import write_bundle

CONFLICT = "<<<<<<< a\nx = 1\n||||||| b\nx = 0\n=======\nx = 2 + y\n>>>>>>> c\n"
FILES = (FIRST, RANKER, MODEL, TOKENIZER)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(
        tmp_path_factory.mktemp("tiny"), {"network share": 9.0}, classes={"lines:theirs": 6.0}
    )


@pytest.fixture
def bundle(tiny: Path, tmp_path: Path) -> Path:
    """A bundle of a network and rankers that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "bundle"))


def sign(bundle: Path) -> None:
    """Makes the sha256 of every file right again."""
    facts = json.loads((bundle / MANIFEST).read_bytes())
    facts["files"] = {name: _digest(bundle, name) for name in facts["files"]}
    (bundle / MANIFEST).write_text(json.dumps(facts))


def is_usable(bundle: Path) -> bool:
    """Whether the bundle ranks a conflict; the only way to fail is ModelBundleError."""
    try:
        resolver = Resolver.load(bundle)
        [[ranked]] = resolver.rank([FileMerge("a.py", parse(CONFLICT))])
    except ModelBundleError as error:
        assert str(error).count("\n") == 0
        return False
    assert all(0 <= one.confidence <= 1 for one in ranked.resolutions)
    return True


def test_the_bundle_is_usable_until_it_is_spoilt(bundle: Path) -> None:
    assert is_usable(bundle)
    sign(bundle)
    assert is_usable(bundle)


@pytest.mark.parametrize("name", FILES)
@quick
@given(data=st.data())
def test_bytes_of_a_file(name: str, data: st.DataObject, tiny: Path, tmp_path_factory: Any) -> None:
    bundle = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("spoilt") / "bundle"))
    content = bytearray((bundle / name).read_bytes())
    at = data.draw(st.integers(0, len(content)) | st.integers(0, min(len(content), 400)))
    cut = data.draw(st.integers(0, 20) | st.just(len(content)))
    content[at : at + cut] = data.draw(st.binary(max_size=20))
    (bundle / name).write_bytes(content)
    sign(bundle)
    is_usable(bundle)
    shutil.rmtree(bundle.parent)


@quick
@given(data=st.data())
def test_fields_of_the_manifest(data: st.DataObject, tiny: Path, tmp_path_factory: Any) -> None:
    bundle = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("spoilt") / "bundle"))
    facts = json.loads((bundle / MANIFEST).read_bytes())
    spoil(facts, data)
    (bundle / MANIFEST).write_text(json.dumps(facts))
    is_usable(bundle)
    assert main(["model", "info", str(bundle)]) in (0, 2)
    shutil.rmtree(bundle.parent)


@pytest.mark.parametrize("prefix", ["00", "\0"])
def test_a_tokenizer_that_panics(prefix: str, bundle: Path) -> None:
    """No exception of Python's comes of that in the library."""
    facts = json.loads((bundle / TOKENIZER).read_bytes())
    facts["model"]["continuing_subword_prefix"] = prefix
    (bundle / TOKENIZER).write_text(json.dumps(facts))
    sign(bundle)
    is_usable(bundle)


@quick
@given(data=st.data())
def test_fields_of_the_tokenizer(data: st.DataObject, tiny: Path, tmp_path_factory: Any) -> None:
    bundle = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("spoilt") / "bundle"))
    facts = json.loads((bundle / TOKENIZER).read_bytes())
    spoil(facts, data)
    (bundle / TOKENIZER).write_text(json.dumps(facts))
    sign(bundle)
    is_usable(bundle)
    shutil.rmtree(bundle.parent)


def spoil(facts: Any, data: st.DataObject) -> None:
    """Puts any value somewhere into nested lists and dictionaries."""
    while True:
        keys = list(facts) if isinstance(facts, dict) else list(range(len(facts)))
        key = data.draw(st.sampled_from(keys))
        inner = facts[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            facts[key] = data.draw(JSON)
            return
        facts = inner


@quick
@given(data=st.data())
def test_arrays_of_the_trees(data: st.DataObject, tiny: Path, tmp_path_factory: Any) -> None:
    bundle = Path(shutil.copytree(tiny, tmp_path_factory.mktemp("spoilt") / "bundle"))
    file = bundle / data.draw(st.sampled_from([FIRST, RANKER]))
    arrays = load_file(file)
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name].copy()
    values = (
        [0, 1, -1, 127, 10**6, -(10**6)] if array.dtype.kind in "iu" else [0, np.nan, np.inf, -np.inf, 3e38]
    )
    at = data.draw(st.integers(0, len(array) - 1))
    with np.errstate(all="ignore"):
        value = np.array(data.draw(st.sampled_from(values)), np.float64).astype(array.dtype)
        array[at : at + data.draw(st.sampled_from([1, len(array)]))] = value
        shapes = [array, array[:-1], array[:0], array[:, None], array.astype(np.float16)]
    shape = data.draw(st.sampled_from(shapes))
    save_file(arrays | {name: np.ascontiguousarray(shape)}, file)
    sign(bundle)
    is_usable(bundle)
    shutil.rmtree(bundle.parent)


@pytest.mark.parametrize("name", [FIRST, RANKER])
@pytest.mark.parametrize("byte", [0x7F, 0xFF, 0x4F])
@pytest.mark.parametrize("array", ["leaves", "thresholds"])
def test_trees_of_one_byte(array: str, byte: int, name: str, bundle: Path, conflicted: Path) -> None:
    """As numbers 3.4e38, NaN and 3.5e9: two of them add up to no number."""
    arrays = load_file(bundle / name)
    arrays[array] = np.frombuffer(bytes([byte]) * arrays[array].nbytes, np.float32)
    save_file(arrays, bundle / name)
    sign(bundle)
    is_refused = array == "leaves" or byte == 0xFF
    assert is_usable(bundle) is not is_refused
    for command in ("model verify", "suggest --json a.py"):
        code, out, err = run_apart(command)
        assert code == (2 if is_refused else 0)
        assert ("holds no trees" in err) is is_refused
        if "--json" in command and not is_refused:
            json.loads(out, parse_constant=pytest.fail)


def write_model(bundle: Path, nodes: list[Any], constants: dict[str, Any], **outputs: list[Any]) -> None:
    """A network of these nodes, signed, whose `classes` and `patterns` are what `outputs` say, else zeros."""
    zeros = {"classes": [len(CONFLICT_CLASSES)], "patterns": [len(PATTERNS)]}
    known = {output for node in nodes for output in node.output}
    before = [
        helper.make_node("Add", ["ids", "kinds"], ["both"]),
        helper.make_node("Cast", ["both"], ["columns"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["columns", "axes"], ["sums"], keepdims=0),
    ]
    for name, source in (("classes", "sums"), ("patterns", "columns")):
        constants[f"{name} weights"] = np.zeros((3, *zeros[name]), np.float32)
        if name not in known:
            before.append(helper.make_node("MatMul", [source, f"{name} weights"], [name]))
    constants["axes"] = np.array([1], np.int64)
    graph = helper.make_graph(
        [*before, *nodes],
        "hostile",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, [None, None, 3])
            for name in ("ids", "kinds")
        ],
        [
            helper.make_tensor_value_info("classes", TensorProto.FLOAT, outputs.get("classes", [None, None])),
            helper.make_tensor_value_info("patterns", TensorProto.FLOAT, [None, None, None]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (bundle / MODEL).write_bytes(model.SerializeToString())
    sign(bundle)


def write_endless(bundle: Path) -> None:
    """A network whose loop never ends."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go on"]),
            helper.make_node("Identity", ["carried"], ["carried on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried on", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("MatMul", ["sums", "classes weights"], ["start"]),
        helper.make_node("Loop", ["", "yes", "start"], ["classes"], body=body),
    ]
    write_model(bundle, nodes, {"yes": np.array(True)})


def write_large(bundle: Path) -> None:
    """A network that wants eight gigabytes, filled."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0),
        helper.make_node("MatMul", ["sums", "classes weights"], ["start"]),
        helper.make_node("Add", ["start", "most"], ["classes"]),
    ]
    write_model(bundle, nodes, {"shape": np.array([2_000_000_000], np.int64)})


@pytest.fixture
def conflicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Path) -> Path:
    """A file with a conflict, in a setting where the bundle is the one in use."""
    monkeypatch.setenv("MERGEBERT_BUNDLE", str(bundle))
    monkeypatch.setenv("MERGEBERT_TIMEOUT", "0.7")
    (tmp_path / "a.py").write_text(CONFLICT)
    rows = [{"id": 1, "path": "a.py", "base": "x = 0\n", "ours": "x = 1\n", "theirs": "x = 2\n"}]
    (tmp_path / "rows").write_text("\n".join(map(json.dumps, rows * 2)))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "a.py"


ROOT = Path(__file__).resolve().parents[3]
COMMANDS = ("suggest a.py", "solve a.py", "model verify", "suggest --json --batch rows")


# A process that starts another counts what that took, and one that was forked from the tests what these took.
PEAK = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def run_apart(command: str) -> tuple[int, str, str]:
    """Exit code and output of a command line, in a process of its own that stays below 1.5 GB with all it starts."""
    watcher = [sys.executable, "-c", PEAK]
    done = subprocess.run(
        [*watcher, sys.executable, "-m", "mergebert", *command.split()],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
    )
    *out, kilobytes = done.stdout.splitlines(keepends=True)
    assert int(kilobytes) < 1_500_000
    return done.returncode, "".join(out), done.stderr


@pytest.mark.usefixtures("conflicted")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("write", "said"), [(write_endless, "took longer than"), (write_large, "more memory")]
)
def test_a_network_takes_neither_all_time_nor_all_memory(
    write: Callable[[Path], None], said: str, command: str, bundle: Path
) -> None:
    write(bundle)
    start = time.monotonic()
    code, out, err = run_apart(command)
    assert said in out + err
    assert code == (0 if "--batch" in command else 2)
    if not code:
        assert all(said in json.loads(line)["error"] for line in out.splitlines())
    else:
        assert err.count("\n") == 1
    assert time.monotonic() - start < 60


@pytest.mark.usefixtures("conflicted")
@pytest.mark.parametrize("write", [write_endless, write_large])
def test_the_driver_keeps_the_merge_of_git(write: Callable[[Path], None], bundle: Path) -> None:
    write(bundle)
    for name in ("base", "ours", "theirs"):
        Path(name).write_text(f"{name}\n")
    code, _, err = run_apart("merge base ours theirs -o out")
    assert code == 1
    assert "git's own conflicts are left" in err


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38], ids=lambda value: str(value))
def test_scores_that_are_no_numbers(value: float, bundle: Path) -> None:
    classes = np.zeros(len(CONFLICT_CLASSES), np.float32)
    classes[0], classes[1:] = value, -value
    nodes = [
        helper.make_node("MatMul", ["sums", "classes weights"], ["start"]),
        helper.make_node("Add", ["start", "bias"], ["classes"]),
    ]
    write_model(bundle, nodes, {"bias": classes})
    assert not is_usable(bundle)


@pytest.mark.parametrize("width", [1, len(CONFLICT_CLASSES) - 1, len(CONFLICT_CLASSES) + 1])
def test_scores_of_another_shape(width: int, bundle: Path) -> None:
    node = helper.make_node("MatMul", ["sums", "other"], ["classes"])
    write_model(bundle, [node], {"other": np.zeros((3, width), np.float32)})
    assert not is_usable(bundle)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large", "link to nothing"])
def test_a_file_that_is_none(name: str, kind: str, bundle: Path) -> None:
    file = bundle / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "folder":
        file.mkdir()
    elif kind == "large":
        with file.open("wb") as sparse:
            sparse.truncate(5_000_000_000)
    else:
        file.symlink_to("nowhere")
    assert not is_usable(bundle)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "\0", "a\nb", "\udc80", "x" * 5000])
def test_names_of_files_that_are_none(name: str, bundle: Path) -> None:
    facts = json.loads((bundle / MANIFEST).read_bytes())
    facts["files"][name] = "0" * 64
    (bundle / MANIFEST).write_text(json.dumps(facts))
    assert not is_usable(bundle)


def test_a_manifest_nested_without_end(bundle: Path) -> None:
    (bundle / MANIFEST).write_text('{"format":' + "[" * 200_000)
    assert not is_usable(bundle)


def test_a_supervised_resolver_answers_as_one_that_is_not(bundle: Path) -> None:
    file = FileMerge("a.py", parse(CONFLICT))
    supervised = SupervisedResolver(bundle, 30)
    for answers in ({}, {(0, 0): "x = 1\n"}):
        assert supervised.rank([file], answers=answers) == Resolver.load(bundle).rank([file], answers=answers)


def test_a_process_that_died_is_started_again_and_not_for_ever(bundle: Path) -> None:
    file = FileMerge("a.py", parse(CONFLICT))
    supervised = SupervisedResolver(bundle, 30)
    for _ in range(3):
        os.kill(supervised._process.pid or 0, signal.SIGTERM)
        with pytest.raises(ModelBundleError, match="crash \\(signal 15\\)"):
            supervised.rank([file])
        if supervised._failures < 3:
            assert supervised.rank([file])
    with pytest.raises(ModelBundleError, match="failed 3 times"):
        supervised.rank([file])
