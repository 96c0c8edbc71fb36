"""Plans and methods as text for people."""

from __future__ import annotations

import dataclasses
import inspect
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mergebert_fusion.contract.method import AnyMethod, BaseUse, MergeMethod
from mergebert_fusion.contract.parameters import settings_of
from mergebert_fusion.engine.plan import Plan, shown_size
from mergebert_fusion.methods.registry import METHODS


def described_plan(plan: Plan) -> Iterator[str]:
    """What a plan would do, a line at a time."""
    recipe, method = plan.recipe, plan.recipe.method
    yield f"method        {method.name}: {method.summary}"
    for name, model in plan.models.items():
        yield f"model         {name}: {model.path}"
    if plan.base is not None:
        yield f"base          {plan.base.path}"
    yield f"architecture  {plan.architecture.name}"
    first = plan.merges[0]
    own, each = first.parameters_at[first.places[0].name]
    for label, parameters in [("parameters", own), *zip(first.names, each, strict=True)]:
        shown = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(parameters).items())
        if shown:
            yield f"{label:<13} {shown}  (as they hold for {first.places[0].name})"
    counts = Counter(decision.treatment.value for decision in plan.decisions)
    for treatment, count in counts.items():
        yield f"tensors       {count} {treatment}"
    yield f"reads         {shown_size(plan.bytes_read)}, {plan.passes} times at most"
    yield f"writes        {shown_size(plan.bytes_written)} in {len(plan.shards)} file(s), {recipe.dtype or 'types as they are'}"
    yield f"memory        about {shown_size(plan.memory)} beside the program, {plan.options.threads} thread(s)"
    yield from (f"note          {note}" for note in plan.notes)


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """A plan for programs: every tensor with what becomes of it."""
    return {
        "method": plan.recipe.method.name,
        "architecture": plan.architecture.name,
        "models": {name: model.path for name, model in plan.models.items()},
        "base": None if plan.base is None else plan.base.path,
        "passes": plan.passes,
        "bytes_read": plan.bytes_read,
        "bytes_written": plan.bytes_written,
        "memory": plan.memory,
        "files": [shard.file.name for shard in plan.shards],
        "tensors": [
            {
                "name": decision.place.name,
                "shape": list(decision.place.shape),
                "group": decision.place.group.value,
                "layer": decision.place.layer,
                "treatment": decision.treatment.value,
                "why": decision.why,
            }
            for decision in plan.decisions
        ],
        "notes": list(plan.notes),
    }


def method_table() -> Iterator[str]:
    """Every method with what it needs, a line each."""
    yield f"{'method':<22} {'base':<9} {'models':<7} {'data':<5} {'gradients':<10} {'one start':<10} summary"
    for name, method in METHODS.items():
        models = _count(method)
        yield (
            f"{name:<22} {method.base.value:<9} {models:<7} {_yes(method.data):<5} {_yes(method.gradients):<10} "
            f"{_yes(method.same_start):<10} {method.summary}"
        )


def method_as_json(method: AnyMethod) -> dict[str, Any]:
    """A method for programs."""
    return {
        "name": method.name,
        "aliases": list(method.aliases),
        "summary": method.summary,
        "source": method.reference,
        "family": method.family.value,
        "base": method.base.value,
        "least_models": method.least_models,
        "most_models": method.most_models,
        "data": method.data,
        "gradients": method.gradients,
        "same_start": method.same_start,
        "restores": isinstance(method, MergeMethod) and method.restore is not None,
        "parameters": dict(_parameters(method.parameters)),
        "model_parameters": dict(_parameters(method.model_parameters)),
    }


def explained(method: AnyMethod) -> Iterator[str]:
    """Everything there is to know of a method before using it, a line at a time."""
    yield f"{method.name}: {method.summary}"
    if method.aliases:
        yield f"also called {', '.join(method.aliases)}"
    yield f"source: {method.reference}"
    yield f"needs: {'; '.join(_needs(method))}"
    if isinstance(method, MergeMethod):
        yield f"reads: every input {1 + method.passes} time(s)"
    else:
        yield "reads: every model once, one after the other; the state in the output folder takes further models later"
    if isinstance(method, MergeMethod) and method.restore is not None:
        yield "keeps what restores each model: `mergebert fuse restore FOLDER MODEL -o OUT`"
    yield from ("", *_module_text(method).split("\n"))
    yield from _explained_parameters("parameters", method.parameters)
    yield from _explained_parameters("parameters of a model", method.model_parameters)


def _needs(method: AnyMethod) -> Iterator[str]:
    """What a method has to be given."""
    yield f"{_count(method)} models"
    yield {
        BaseUse.REQUIRED: "base_model, which all models were fine-tuned from",
        BaseUse.OPTIONAL: "base_model may be given",
        BaseUse.UNUSED: "no base_model",
        BaseUse.FIRST: "no base; base_model says which of the models comes first",
    }[method.base]
    if method.data:
        yield "data"
    if method.gradients:
        yield "gradients"


def _explained_parameters(title: str, kind: type) -> Iterator[str]:
    """The parameters of a dataclass under a title, a line each; nothing where it has none."""
    rows = list(_parameters(kind))
    if rows:
        yield from ("", f"{title}:")
    for name, parameter in rows:
        yield f"  {name} = {parameter['default']}{_bounds(parameter)}: {parameter['says']}"


def _parameters(kind: type) -> Iterator[tuple[str, dict[str, Any]]]:
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    for name, declared in settings_of(kind).items():
        yield name, {"default": defaults[name], **dataclasses.asdict(declared)}


def _bounds(parameter: dict[str, Any]) -> str:
    said = [", ".join(parameter["choices"])] if parameter["choices"] else []
    said += [f"from {parameter['at_least']}"] if parameter["at_least"] is not None else []
    said += [f"up to {parameter['at_most']}"] if parameter["at_most"] is not None else []
    said += [f"also {', '.join(parameter['alias'])}"] if parameter["alias"] else []
    said += [] if parameter["varies"] else ["one value for the whole merge"]
    return f" ({'; '.join(said)})" if said else ""


def _module_text(method: AnyMethod) -> str:
    """The docstring of the file that a method is written in: its equation and what to know of it."""
    function = method.merge if isinstance(method, MergeMethod) else method.step
    module = inspect.getmodule(function)
    return inspect.cleandoc((module.__doc__ if module else None) or "")


def _count(method: AnyMethod) -> str:
    if method.least_models == method.most_models:
        return str(method.least_models)
    return (
        f"{method.least_models}+"
        if method.most_models is None
        else f"{method.least_models}-{method.most_models}"
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
