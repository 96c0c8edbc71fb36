"""The house rules that a machine can check, over every module that ships."""

from __future__ import annotations

import ast
import runpy
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    ROOT / "mergebert",
    ROOT / "data" / "mergebert_data",
    ROOT / "fusion" / "mergebert_fusion",
    ROOT / "lsp" / "mergebert_lsp",
)
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
LONGEST_FUNCTION = 60
LONGEST_FILE = 500
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
PROCESS_CALLS = {"os.system", "os.popen", "os.execv", "os.spawnv"}
# git is started in one place; the other one opens the editor of the person who answers.
MAY_START_PROCESSES = {
    ROOT / "mergebert" / "git" / "command.py",
    ROOT / "mergebert" / "commands" / "interactive.py",
}
# The driver falls back to git's own result, the worker of the server answers with the problem, and a panic in the
# library of the tokenizer, which is no Exception, becomes an error of ours.
MAY_CATCH_ALL = {
    ROOT / "mergebert" / "driver" / "merge.py",
    ROOT / "mergebert" / "ranking" / "subwords.py",
    ROOT / "lsp" / "mergebert_lsp" / "worker" / "process.py",
}
# What a person's editor has left, what the system tells, and what the process itself has written.
MAY_READ_WHOLE = {
    ROOT / "mergebert" / "commands" / "interactive.py",
    ROOT / "fusion" / "mergebert_fusion" / "report" / "measure.py",
    ROOT / "data" / "mergebert_data" / "mine" / "replay_store.py",
}
# Configurations and headers for other programs, some of which write infinities.
MAY_WRITE_JSON = {
    ROOT / "mergebert" / "strict_json.py",
    ROOT / "fusion" / "mergebert_fusion" / "io" / "files.py",
    ROOT / "fusion" / "mergebert_fusion" / "io" / "safetensors.py",
    ROOT / "data" / "mergebert_data" / "mine" / "replay_store.py",
}

everywhere = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def imported(path: Path) -> set[str]:
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def core_modules() -> set[str]:
    """The run-time core as import-linter lists it: modules of mergebert, and packages below it as one."""
    files = {f"mergebert.{path.stem}" for path in (ROOT / "mergebert").glob("*.py")}
    packages = {f"mergebert.{path.parent.name}" for path in (ROOT / "mergebert").glob("*/__init__.py")}
    return (files | packages) - {"mergebert.__init__", "mergebert.training"}


@everywhere
def test_functions_are_short(path: Path) -> None:
    functions = (n for n in nodes(path) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = {f.name: (f.end_lineno or 0) - f.lineno + 1 for f in functions}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@everywhere
def test_files_are_short_and_have_a_telling_name(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").split("\n")) <= LONGEST_FILE
    names = path.relative_to(ROOT).with_suffix("").parts
    assert not EMPTY_WORDS & {word for name in names for word in name.split("_")}


@everywhere
def test_lines_are_cut_at_line_feeds_only(path: Path) -> None:
    called = {node.attr for node in nodes(path) if isinstance(node, ast.Attribute)}
    assert "splitlines" not in called, "splitlines() cuts at more than a line feed: use split('\\n')"


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether a handler stops any error at all; one that cleans up and raises again does not."""
    types = [] if handler.type is None else list(ast.walk(handler.type))
    names = {node.id for node in types if isinstance(node, ast.Name)}
    last = handler.body[-1]
    raises_again = isinstance(last, ast.Raise) and last.exc is None
    return not raises_again and (handler.type is None or bool(names & {"Exception", "BaseException"}))


@everywhere
def test_few_modules_catch_everything(path: Path) -> None:
    handlers = [node for node in nodes(path) if isinstance(node, ast.ExceptHandler)]
    assert path in MAY_CATCH_ALL or not any(map(catches_everything, handlers))


@everywhere
def test_only_one_module_starts_processes(path: Path) -> None:
    calls = {ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)}
    if path.is_relative_to(ROOT / "mergebert") and path not in MAY_START_PROCESSES:
        assert "subprocess" not in imported(path), "git is run by mergebert/git/command.py alone"
        assert not calls & PROCESS_CALLS


@everywhere
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    calls = {ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)}
    assert not imported(path) & {"pickle", "marshal", "shelve", "dill", "joblib"}
    assert not calls & {"eval", "exec"}


def called(path: Path) -> set[str]:
    """The names behind the last dot of every call."""
    return {
        node.func.attr
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


@everywhere
def test_files_are_read_whole_in_one_way(path: Path) -> None:
    assert path in MAY_READ_WHOLE or not called(path) & {"read_bytes", "read_text"}, (
        "use mergebert.regular_files"
    )


@everywhere
def test_json_is_written_in_one_way(path: Path) -> None:
    assert path in MAY_WRITE_JSON or not called(path) & {"dumps", "dump"}, "use mergebert.strict_json"


@pytest.fixture(scope="module")
def plan() -> dict[str, Any]:
    """What tools/house.py defines."""
    return runpy.run_path(str(ROOT / "tools" / "house.py"))


def built(plan: dict[str, Any], imports: Mapping[str, str]) -> Any:
    """A package of these modules, each with the modules that it imports."""
    graph = {module: frozenset(targets.split()) for module, targets in imports.items()}
    return plan["House"]("package", 0, 0, graph, {})


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_import_makes_a_circle_or_runs_upward(package: Path, plan: dict[str, Any]) -> None:
    one = plan["house"](ROOT, package.relative_to(ROOT).as_posix())
    assert plan["circles"](one.imports) == plan["circles"](one.rooms) == plan["upward"](one) == []


def test_a_circle_of_rooms_through_different_modules_is_found(plan: dict[str, Any]) -> None:
    circle = {"a.x": "b.x b.y", "a.y": "b.x", "b.x": "c.x", "b.y": "c.x", "c.x": "", "c.y": "a.y", "d": "a.x"}
    one = built(plan, circle)
    assert (plan["circles"](one.imports), plan["circles"](one.rooms)) == ([], [["a", "b", "c"]])
    assert plan["upward"](one) == [("c.y", "a.y")]
    assert plan["floors"](one.rooms) == {"a": 1, "b": 1, "c": 1, "d": 2}


def test_of_two_rooms_that_import_each_other_the_rarer_imports_run_upward(plan: dict[str, Any]) -> None:
    one = built(plan, {"a.x": "b.x b.y", "b.x": "", "b.y": "", "b.z": "a.x"})
    assert plan["circles"](one.rooms) == [["a", "b"]]
    assert plan["upward"](one) == [("b.z", "a.x")]


def test_import_contracts_list_the_whole_core() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    listed = {contract["name"]: set(contract.get("source_modules", ())) for contract in contracts}
    assert listed["The run-time core never imports what only training or mining needs"] == core_modules()
    started = listed["onnxruntime is started in mergebert.ranking.onnx only"]
    assert started == core_modules() - {"mergebert.ranking.onnx"}


def test_the_ignore_file_never_hides_a_package() -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split("\n")
    hidden = {line.strip("/") for line in lines if not line.startswith("#")}
    assert not hidden & {"data", "mergebert", "mergebert_data", "bundle", "*.onnx", "*.json"}
