"""YAML as plain values, with the line of each: safe to load whoever wrote it, and every error can point at its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from mergebert.regular_files import bytes_in
from mergebert_fusion.errors import RecipeError

YamlPath: TypeAlias = tuple[str | int, ...]  # of keys and positions, from the top

# Anchors can make a small file expand without end.
_MOST_VALUES = 10_000
_DEEPEST = 50
_LONGEST = (
    30 * _MOST_VALUES
)  # bytes; parsing takes five hundred times as much memory, and a minute for a million
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "map", "null", "seq", "str")}


class _Loader(yaml.SafeLoader):
    """The safe loader, which also reads 1e-3 as a number, as YAML 1.2 and people do, and no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True)
class Document:
    """The values of a YAML text and where they stand."""

    file: str
    value: Any
    lines: Mapping[YamlPath, int]

    def error(self, path: YamlPath, message: str) -> RecipeError:
        """An error that points at the line of the value at a path, or of what it stands in."""
        while path not in self.lines and path:
            path = path[:-1]
        return RecipeError(f"{self.file}:{self.lines.get(path, 1)}: {message}")

    def refuse_unknown(self, path: YamlPath, value: Iterable[str], allowed: Sequence[str]) -> None:
        """Raises RecipeError for a key of the mapping at a path that is not allowed there."""
        for key in value:
            if key not in allowed:
                raise self.error((*path, key), f"{key!r} is not known here; there is: {', '.join(allowed)}.")


def text_in(file: Path) -> str:
    """The text of a file that a person wrote."""
    try:
        return bytes_in(file, _LONGEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file} is no UTF-8 text: save it as UTF-8.") from error


def document(text: str, file: str) -> Document:
    """The document in a text; `file` is how errors call it."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1 if mark else 1}"
        raise RecipeError(f"{where}: this is no YAML: {error.problem or error.context}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{file}: this is no YAML: {' '.join(str(error).split())}.") from error
    if root is None:
        raise RecipeError(f"{file}:1: the file is empty; it has to name merge_method and models.")
    lines: dict[YamlPath, int] = {}
    return Document(file, _value(root, (), lines, file, iter(range(_MOST_VALUES))), lines)


def _value(
    node: yaml.Node, path: YamlPath, lines: dict[YamlPath, int], file: str, budget: Iterator[int]
) -> Any:
    line = node.start_mark.line + 1
    if next(budget, None) is None:
        raise RecipeError(
            f"{file}:{line}: the file expands to more than {_MOST_VALUES} values; write it out plainly."
        )
    if node.tag not in _PLAIN or len(path) > _DEEPEST:
        raise RecipeError(
            f"{file}:{line}: this is no plain value; write text, numbers, lists and names with values."
        )
    lines.setdefault(path, line)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, i), lines, file, budget) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return dict(_entries(node, path, lines, file, budget))
    try:
        return _Loader("").construct_object(node)
    except (ValueError, yaml.YAMLError) as error:
        raise RecipeError(
            f"{file}:{line}: {node.value!r} is not of the type that it is marked as."
        ) from error


def _entries(
    node: yaml.MappingNode, path: YamlPath, lines: dict[YamlPath, int], file: str, budget: Iterator[int]
) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise RecipeError(f"{file}:{line}: a name has to be a plain word.")
        if key.value in seen:
            raise RecipeError(f"{file}:{line}: {key.value} is given twice; keep one.")
        seen.add(key.value)
        lines[(*path, key.value)] = line
        yield key.value, _value(value, (*path, key.value), lines, file, budget)
