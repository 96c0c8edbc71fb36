"""Prints how each package is built, counted from its imports: files, folders, floors, circles and imports that run upward.

A room is a folder of a package or a file at its top. A room stands one floor above the highest room that it imports,
so a house without circles of rooms has no import that runs upward. `python tools/house.py [ROOT]` prints the figures,
`--rooms` also what each room imports, `--picture` the picture in CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGES = ("mergebert", "fusion/mergebert_fusion", "lsp/mergebert_lsp", "data/mergebert_data")

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class House:
    """One package: its modules and their imports of each other, by dotted names below the package."""

    name: str
    lines: int
    code: int  # lines that hold more than comments, docstrings and imports
    imports: Graph
    says: Mapping[str, str]  # room -> the first line of its docstring

    @property
    def rooms(self) -> Graph:
        """The imports between rooms."""
        found: dict[str, set[str]] = defaultdict(set)
        for module, targets in self.imports.items():
            found[room_of(module)] |= {room_of(target) for target in targets} - {room_of(module)}
        return {room: frozenset(targets) for room, targets in found.items()}


def room_of(module: str) -> str:
    """The room a module stands in: its folder, or itself at the top of the package."""
    return module.partition(".")[0]


def house(root: Path, package: str) -> House:
    """The package as its files are now."""
    folder = root / package
    files = {_module(path, folder): path for path in sorted(folder.rglob("*.py"))}
    texts = {module: path.read_text(encoding="utf-8") for module, path in files.items()}
    modules = {module for module, path in files.items() if path.name != "__init__.py"}
    imports = {
        module: frozenset(_targets(texts[module], folder.name, modules) - {module}) for module in modules
    }
    says = {module: _first_line(text) for module, text in texts.items() if module and "." not in module}
    lines = sum(text.count("\n") for text in texts.values())
    return House(folder.name, lines, sum(map(_code_lines, texts.values())), imports, says)


def _code_lines(text: str) -> int:
    """How many lines hold code, imports and docstrings aside."""
    left_out: set[int] = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            left_out |= set(range(node.lineno, (node.end_lineno or 0) + 1))  # type: ignore[attr-defined]
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (*skipped, tokenize.ENDMARKER):
            held |= set(range(token.start[0], token.end[0] + 1))
    return len(held - left_out)


def _is_text(node: ast.AST) -> bool:
    """Whether this is a text that stands alone, as docstrings do."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _first_line(text: str) -> str:
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _module(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _targets(text: str, package: str, modules: set[str]) -> set[str]:
    """The modules of the package that a module imports anywhere in its text."""
    return {name for name in _imported(text, package) if name in modules}


def _imported(text: str, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name.removeprefix(f"{package}.") for name in names if name.startswith(f"{package}."))


def circles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach each other, each sorted."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {frozenset({node, *(other for other in reach[node] if node in reach[other])}) for node in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in graph.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def floors(graph: Graph) -> dict[str, int]:
    """The floor of each node, 1 at the ground; nodes of a circle share one."""
    member = {node: group[0] for group in circles(graph) for node in group}
    merged: dict[str, set[str]] = defaultdict(set)
    for node, targets in graph.items():
        own = member.get(node, node)
        merged[own] |= {member.get(target, target) for target in targets} - {own}
    found: dict[str, int] = {}
    for node in TopologicalSorter(merged).static_order():
        found[node] = 1 + max((found[target] for target in merged.get(node, ())), default=0)
    return {node: found[member.get(node, node)] for node in graph}


def upward(one: House) -> list[tuple[str, str]]:
    """The imports of modules that run upward: the rarest between two rooms of a circle, until no circle is left."""
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for module, targets in sorted(one.imports.items()):
        for target in sorted(targets):
            pairs[room_of(module), room_of(target)].append((module, target))
    rooms, found = one.rooms, []
    while groups := circles(rooms):
        inside = [
            (room, other) for group in groups for room in group for other in rooms[room] if other in group
        ]
        rarest = min(inside, key=lambda pair: (len(pairs[pair]), pair))
        found += pairs[rarest]
        rooms = {**rooms, rarest[0]: rooms[rarest[0]] - {rarest[1]}}
    return found


def picture(root: Path) -> str:
    """Every package floor by floor, the highest first: each room and what it says of itself."""
    lines = []
    for package in PACKAGES:
        one = house(root, package)
        levels = floors(one.rooms)
        lines.append(f"{package}/")
        for room in sorted(levels, key=lambda room: (-levels[room], room)):
            is_folder = any(module.startswith(f"{room}.") for module in one.imports)
            name = f"{room}/" if is_folder else f"{room}.py"
            lines.append(f"{levels[room]:>3}  {name:<13} {one.says[room]}")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--rooms", action="store_true", help="list the rooms floor by floor")
    parser.add_argument("--picture", action="store_true", help="print the picture of the rooms instead")
    arguments = parser.parse_args()
    if arguments.picture:
        print(picture(arguments.root))
        return
    print(
        f"{'package':<18}{'files':>6}{'lines':>7}{'code':>7}{'rooms':>6}{'floors':>7}{'circles':>8}{'of rooms':>9}{'upward':>7}"
    )
    for package in PACKAGES:
        one = house(arguments.root, package)
        levels = floors(one.rooms)
        print(
            f"{one.name:<18}{len(one.imports):>6}{one.lines:>7}{one.code:>7}{len(levels):>6}{max(levels.values()):>7}"
            f"{len(circles(one.imports)):>8}{len(circles(one.rooms)):>9}{len(upward(one)):>7}"
        )
        if arguments.rooms:
            _print_rooms(one, levels)


def _print_rooms(one: House, levels: Mapping[str, int]) -> None:
    for room in sorted(levels, key=lambda room: (-levels[room], room)):
        files = sum(room_of(module) == room for module in one.imports)
        print(f"  {levels[room]}  {room:<14}{files:>3}  {' '.join(sorted(one.rooms[room]))}")
    for group in circles(one.imports) + circles(one.rooms):
        print(f"  circle: {' '.join(group)}")
    for module, target in upward(one):
        print(f"  upward: {module} -> {target}")


if __name__ == "__main__":
    main()
