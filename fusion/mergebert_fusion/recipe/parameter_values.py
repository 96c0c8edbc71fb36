"""Parameter values that differ by tensor: a scalar, a gradient over the layers, or values chosen by name.

The shapes are mergekit's: a list of numbers is a gradient (its first number holds for the first layer and what
comes before it, its last for the last layer and what follows); a list of {filter, value} gives the value of the
first filter that is part of the tensor's name, and an entry without a filter is for all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from mergebert_fusion.contract.block import TensorPlace
from mergebert_fusion.contract.method import Method
from mergebert_fusion.contract.parameters import constant, name_of, settings_of, typed
from mergebert_fusion.errors import RecipeError

P = TypeVar("P")
RawParameters: TypeAlias = Mapping[str, object]  # parameters as written, in any of the shapes above

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class ParameterValues:
    """The parameters of a merge as written: for the whole merge, and for each model in order."""

    method: Method
    whole: RawParameters
    each: tuple[RawParameters, ...]
    names: tuple[str, ...]

    @property
    def constant(self) -> Any:
        """The parameters of the method that hold for the whole merge."""
        return constant(self.method.parameters, self.whole)

    def at(self, place: TensorPlace) -> tuple[Any, tuple[Any, ...]]:
        """The parameters of the method and of every model as they hold for one tensor."""
        own: Any = _typed_at(self.method.parameters, [self.whole], place)
        each: tuple[Any, ...] = tuple(
            _typed_at(self.method.model_parameters, [given, self.whole], place) for given in self.each
        )
        if self.method.check is not None:
            self.method.check(own, each, self.names)
        return own, each

    def refuse_unknown(self) -> None:
        """Raises RecipeError for a name that neither the method nor its models know, or a value that may not vary."""
        of_model = (self.method.model_parameters,)
        of_merge = (self.method.parameters, *of_model)
        for given, kinds in [(self.whole, of_merge), *((given, of_model) for given in self.each)]:
            for written, value in given.items():
                meant = [(kind, name) for kind in kinds if (name := name_of(kind, written)) is not None]
                if not meant:
                    raise RecipeError(
                        f"{self.method.name} has no parameter {written!r} here; {_listed(kinds)}."
                    )
                if isinstance(value, list | tuple) and not any(settings_of(k)[n].varies for k, n in meant):
                    raise RecipeError(f"{written} holds for the whole merge: give one value, not a list.")


def value_at(value: object, place: TensorPlace) -> object:
    """The value that a scalar, a gradient or filters give one tensor; _ABSENT where no filter fits."""
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise RecipeError("An empty list is no value: give a number, a gradient or filters.")
    if all(isinstance(step, int | float) and not isinstance(step, bool) for step in value):
        return _gradient(value, place.depth)
    for entry in value:
        if not isinstance(entry, Mapping) or not {"value"} <= set(entry) <= {"value", "filter"}:
            raise RecipeError(f"{entry!r} is neither a number of a gradient nor a filter with its value.")
        wanted = entry.get("filter")
        if wanted is None or wanted == "*" or str(wanted) in place.name:
            return value_at(entry["value"], place)
    return _ABSENT


def _gradient(steps: Sequence[float], depth: float) -> float:
    position = depth * (len(steps) - 1)
    lower = min(int(position), len(steps) - 1)
    upper = min(lower + 1, len(steps) - 1)
    share = position - lower
    return (1 - share) * steps[lower] + share * steps[upper]


def _typed_at(parameters: type[P], levels: Sequence[RawParameters], place: TensorPlace) -> P:
    """The dataclass for one tensor: each field from the first level that gives it a value there."""
    chosen: dict[str, object] = {}
    for level in levels:
        for written, value in level.items():
            name = name_of(parameters, written)
            if name is not None and name not in chosen:
                here = value_at(value, place)
                if here is not _ABSENT:
                    chosen[name] = here
    return typed(parameters, chosen)


def _listed(kinds: Sequence[type]) -> str:
    names = [name for kind in kinds for name in settings_of(kind)]
    return f"the parameters are: {', '.join(names)}" if names else "it has none"
