"""What a merge method lets a recipe set: frozen dataclasses whose fields say what they are and what they may be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args, get_type_hints

from mergebert_fusion.errors import RecipeError

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter: its meaning, its bounds, its other names, whether it may differ by tensor."""

    says: str
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    alias: tuple[str, ...] = ()
    varies: bool = True


@dataclass(frozen=True, slots=True)
class NoParameters:
    """The parameters of a method that has none."""


def setting(
    default: Any,
    says: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
    alias: tuple[str, ...] = (),
    varies: bool = True,
) -> Any:
    """A dataclass field for one parameter; `varies=False` refuses values that differ by tensor."""
    declared = Setting(says, at_least, at_most, choices, alias, varies)
    return field(default=default, metadata={"setting": declared})


def settings_of(parameters: type) -> Mapping[str, Setting]:
    """Every parameter of a dataclass by its name."""
    return {f.name: f.metadata["setting"] for f in dataclasses.fields(parameters)}


def name_of(parameters: type, written: str) -> str | None:
    """The field that a recipe means by a name or an alias; None when there is none."""
    for name, declared in settings_of(parameters).items():
        if written == name or written in declared.alias:
            return name
    return None


def typed(parameters: type[P], values: Mapping[str, object]) -> P:
    """The dataclass with these values; raises RecipeError for an unknown name or a value of the wrong type or size."""
    kinds = _kinds(parameters)
    given = {}
    for written, value in values.items():
        name = name_of(parameters, written)
        if name is None:
            names = ", ".join(settings_of(parameters)) or "none"
            raise RecipeError(f"There is no parameter {written!r} here; the parameters are: {names}.")
        given[name] = _checked(name, value, kinds[name], settings_of(parameters)[name])
    return parameters(**given)


def constant(parameters: type[P], values: Mapping[str, object]) -> P:
    """The dataclass with the values that hold for the whole merge; what may differ by tensor keeps its default."""
    held = {}
    for written, value in values.items():
        name = name_of(parameters, written)
        if name is not None and not settings_of(parameters)[name].varies:
            held[written] = value
    return typed(parameters, held)


def _kinds(parameters: type) -> Mapping[str, tuple[type, ...]]:
    """The types a field accepts: an annotation `float | None` accepts both."""
    hints = get_type_hints(parameters)
    return {f.name: get_args(hints[f.name]) or (hints[f.name],) for f in dataclasses.fields(parameters)}


def checked(parameters: type, name: str, value: object) -> object:
    """A value for one field; raises RecipeError where its type, bounds or choices refuse it."""
    return _checked(name, value, _kinds(parameters)[name], settings_of(parameters)[name])


def _checked(name: str, value: object, kinds: tuple[type, ...], allowed: Setting) -> object:
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise RecipeError(f"{name} is {value!r}, but has to be {_wanted(kinds, allowed)}.")
    if allowed.choices and value is not None and value not in allowed.choices:
        raise RecipeError(f"{name} is {value!r}, but has to be {_wanted(kinds, allowed)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"{name} is {value!r}, but has to be a finite number.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if allowed.at_least is not None and value < allowed.at_least:
            raise RecipeError(f"{name} is {value}, but has to be at least {allowed.at_least}.")
        if allowed.at_most is not None and value > allowed.at_most:
            raise RecipeError(f"{name} is {value}, but has to be at most {allowed.at_most}.")
    return value


_KIND_NAMES: Mapping[type, str] = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "text",
    type(None): "nothing",
}


def _wanted(kinds: tuple[type, ...], allowed: Setting) -> str:
    """What a value may be, for an error."""
    if allowed.choices:
        return f"one of: {', '.join(allowed.choices)}"
    return " or ".join(_KIND_NAMES[kind] for kind in kinds)
