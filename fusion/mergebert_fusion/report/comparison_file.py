"""What `mergebert fuse compare` compares: the file that says so, and one recipe a candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mergebert_fusion.contract.method import AnyMethod, BaseUse
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.methods.registry import METHODS, method_named
from mergebert_fusion.recipe.reading import NOT_IN_NAMES, recipe_in
from mergebert_fusion.recipe.yaml_document import Document, document, text_in

_SHARED = ("architecture", "dtype", "policy", "seed")  # go into every recipe as they are
_KEYS = (*_SHARED, "also", "base_model", "candidates", "command", "costs", "evaluate", "models")
_CANDIDATE = ("label", "merge_method", "models", "of", "parameters")


@dataclass(frozen=True, slots=True)
class MergeCandidate:
    """One way of merging some of the experts."""

    label: str
    method: str
    tasks: tuple[str, ...]  # of the experts that it merges, on which it is scored
    recipe: str  # the text


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidates, the experts they are held against, and how a checkpoint is scored."""

    file: Path
    candidates: tuple[MergeCandidate, ...]
    left_out: Mapping[str, str]  # method to why it cannot be compared
    experts: Mapping[str, str]  # task to the path of the model that was fine-tuned for it
    base: str | None
    evaluate: str | None  # MODULE:FUNCTION or FILE.py:FUNCTION
    command: str | None
    costs: bool = True  # whether table and picture show time and memory, which are of this machine


def load_comparison(file: Path) -> Comparison:
    """The comparison that a file describes, every candidate's recipe checked."""
    doc = document(text_in(file), str(file))
    _refuse_shape(doc)
    value, experts = doc.value, _experts(doc)
    left_out: dict[str, str] = {}
    given = _given(doc, "candidates", experts)
    every = _every(doc, experts, left_out) if "candidates" not in value else ()
    candidates = (*given, *every, *_given(doc, "also", experts))
    labels = [candidate.label for candidate in candidates]
    for candidate in candidates:
        if labels.count(candidate.label) > 1:
            raise doc.error(
                (), f"two candidates are called {candidate.label!r}: give each a label of its own."
            )
        recipe_in(candidate.recipe, file.with_name(f"{candidate.label}.yaml"))
    base, evaluate, command = (value.get(key) for key in ("base_model", "evaluate", "command"))
    return Comparison(
        file, candidates, left_out, experts, base, evaluate, command, costs=value.get("costs", True)
    )


def _refuse_shape(doc: Document) -> None:
    """Raises where a comparison is not built as it has to be."""
    value = doc.value
    if not isinstance(value, dict):
        raise doc.error((), "a comparison has to be names with values.")
    doc.refuse_unknown((), value, _KEYS)
    if ("evaluate" in value) == ("command" in value):
        raise doc.error(
            (), "give either evaluate (MODULE:FUNCTION) or command, to say how a checkpoint is scored."
        )
    if not isinstance(value.get("costs", True), bool):
        raise doc.error(("costs",), f"costs is {value['costs']!r}, but has to be true or false.")
    for key in ("base_model", "command", "evaluate"):
        if key in value and not isinstance(value[key], str):
            raise doc.error(
                (key,), f"{key} is {value[key]!r}, but has to be text: put it in quotation marks."
            )


def _experts(doc: Document) -> dict[str, str]:
    models = doc.value.get("models")
    if not isinstance(models, list) or not models:
        raise doc.error(("models",), "models has to be a list of at least one expert.")
    experts = {}
    for i, entry in enumerate(models):
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("model"), str)
            or set(entry) - {"model", "name"}
        ):
            raise doc.error(("models", i), "an expert is written {model: PATH, name: TASK}.")
        experts[str(entry.get("name") or Path(entry["model"].split("+")[-1]).name)] = entry["model"]
    return experts


def _given(doc: Document, key: str, experts: Mapping[str, str]) -> Iterator[MergeCandidate]:
    """The candidates that the file lists under a key."""
    listed = doc.value.get(key) or []
    if not isinstance(listed, list):
        raise doc.error((key,), f"{key} has to be a list of candidates.")
    for i, entry in enumerate(listed):
        if not isinstance(entry, dict) or not isinstance(entry.get("merge_method"), str):
            raise doc.error(
                (key, i), "a candidate is written {merge_method: NAME, parameters: {...}, label: NAME}."
            )
        doc.refuse_unknown((key, i), entry, _CANDIDATE)
        if not isinstance(entry.get("models") or {}, dict):
            raise doc.error((key, i, "models"), "models has to be tasks with their parameters.")
        tasks = entry.get("of", list(experts))
        if not isinstance(tasks, list) or not tasks or not all(task in list(experts) for task in tasks):
            raise doc.error((key, i, "of"), f"of has to be a list of some of these: {', '.join(experts)}.")
        label = NOT_IN_NAMES.sub("-", str(entry.get("label", entry["merge_method"])))
        try:
            yield _candidate(doc, label, method_named(entry["merge_method"]), tasks, entry)
        except RecipeError as error:
            raise doc.error((key, i), str(error)) from error


def _every(doc: Document, experts: Mapping[str, str], left_out: dict[str, str]) -> Iterator[MergeCandidate]:
    """Every method that can merge these experts as it comes; why not goes into `left_out`."""
    for name, method in METHODS.items():
        reason = _obstacle(method, len(experts), doc.value.get("base_model") is not None)
        if reason is None:
            yield _candidate(doc, name, method, list(experts), {})
        else:
            left_out[name] = reason


def _obstacle(method: AnyMethod, experts: int, has_base: bool) -> str | None:
    """Why a method cannot merge so many experts; None when it can."""
    if method.most_models is not None and experts > method.most_models:
        return f"takes at most {method.most_models}"
    if experts < method.least_models:
        return f"needs at least {method.least_models}"
    if method.base is BaseUse.REQUIRED and not has_base:
        return "needs base_model"
    names = tuple(map(str, range(experts)))
    try:
        if method.check is not None:
            method.check(method.parameters(), (method.model_parameters(),) * experts, names)
    except RecipeError as error:
        return f"needs parameters: {error}"
    return None


def _candidate(
    doc: Document, label: str, method: AnyMethod, tasks: Sequence[str], entry: Mapping[str, Any]
) -> MergeCandidate:
    """A candidate with a recipe that merges it by itself."""
    experts = {task: path for task, path in _experts(doc).items() if task in tasks}
    base = doc.value.get("base_model")
    own = entry.get("models") or {}
    recipe: dict[str, Any] = {"merge_method": method.name}
    if base is not None and method.base is not BaseUse.FIRST:
        recipe["base_model"] = base
    recipe["models"] = [
        {"model": path, "name": task, **({"parameters": own[task]} if task in own else {})}
        for task, path in experts.items()
    ]
    if entry.get("parameters"):
        recipe["parameters"] = entry["parameters"]
    recipe |= {key: doc.value[key] for key in _SHARED if key in doc.value}
    return MergeCandidate(
        label, method.name, tuple(experts), yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    )
