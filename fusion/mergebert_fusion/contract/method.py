"""What a merge method is: a pure function over blocks, what it needs, and the paper that it is from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from torch import Tensor

from mergebert_fusion.contract.block import Block, Grain
from mergebert_fusion.contract.parameters import NoParameters

S = TypeVar("S")  # what one block adds to a survey or a step
F = TypeVar("F")  # what a survey found

MERGED = ""  # what the merged model goes by beside its artifacts


class BaseUse(Enum):
    """How a method uses the base: the model that all others were fine-tuned from."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    UNUSED = "unused"
    FIRST = "first"  # no base: a recipe's base_model is the one of the models that comes first


class Family(Enum):
    """Where a method stands in the documentation."""

    AVERAGES = "averages"
    TASK_VECTORS = "task vectors"
    MASKS = "masks and compression"
    LAYERS = "layers"
    SEQUENTIAL = "one after the other"


@dataclass(frozen=True, slots=True)
class SurveyInputs:
    """What a survey knows before it reads a tensor."""

    names: tuple[str, ...]
    elements: int  # how many scalars of one model are merged
    parameters: Any  # of the method; only the fields that hold for the whole merge (varies=False) are set


@dataclass(frozen=True, slots=True)
class Pass(Generic[S]):
    """One reading of all blocks: `measure` gives what a block adds, `combine` adds up two of these, the earlier one first."""

    measure: Callable[[Block[Any, Any, Any]], S]
    combine: Callable[[S, S], S]


# A survey yields passes, is sent the total of each, and returns what it found.
Survey: TypeAlias = Generator[Pass[Any], Any, F]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What a method declares of itself: its name, its reference, its parameters and what it needs."""

    name: str
    summary: str  # one line of `fuse list`
    reference: str  # paper and arXiv number
    family: Family
    base: BaseUse
    parameters: type = NoParameters
    model_parameters: type = NoParameters
    least_models: int = 1
    most_models: int | None = None
    data: bool = False  # whether it needs examples
    gradients: bool = False
    same_start: bool = True  # whether the models have to come from one initialisation
    aliases: tuple[str, ...] = ()  # other names in recipes, each of exactly the same method
    # Raises RecipeError where parameters of one tensor do not fit together; gets parameters, each, names.
    check: Callable[[Any, tuple[Any, ...], tuple[str, ...]], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeMethod(Method):
    """A method that merges each tensor by itself, after a survey of all tensors where it has one.

    `merge` gives the merged elements of a block; a method that can restore its models gives them under MERGED, beside
    named artifacts (bool tensors are stored as bits). `restore` gives one model's elements from the block of the base,
    what the survey found, and these artifacts.
    """

    merge: Callable[[Block[Any, Any, Any]], Tensor | Mapping[str, Tensor]]
    grain: Grain | Callable[[Any], Grain] = Grain.ELEMENT  # a function gets the parameters of the whole merge
    survey: Callable[[SurveyInputs], Survey[Any]] | None = None
    passes: int = 0  # how often at most everything is read before it is merged
    # Like a survey, but of each tensor by itself; blocks get its outcome as `local`, those of surveys too.
    local: Callable[[SurveyInputs], Survey[Any]] | None = None
    restore: Callable[[Block[Any, Any, Any], Mapping[str, Tensor], str], Tensor] | None = None
    # With `restore`: the dataclass of numbers and tuples that the survey returns.
    found_type: type | None = None


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """What one more model gives for one block: the new state, and what the block adds to the measurement."""

    state: Tensor
    measured: S


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialMethod(Method):
    """A method that merges one model after the other, and keeps a set of tensors and a few numbers in between.

    `begin` gives the numbers before the first model. Each block of a model goes through `step` (with the state of
    the same block, None for the first model) and has that one model in `models` and the numbers in `found`;
    the measurements are combined in a fixed order and `conclude` makes the next numbers of them. `finish` gives
    the merged tensor out of base, last state and last numbers.
    """

    begin: Callable[[], Any]
    step: Callable[[Block[Any, Any, Any], Tensor | None], Step[Any]]
    combine: Callable[[Any, Any], Any]
    conclude: Callable[[Any, Any], Any]
    finish: Callable[[Block[Any, Any, Any], Tensor], Tensor]
    numbers_type: type  # the dataclass of numbers, strings and tuples that `begin` and `conclude` return
    grain: Grain = Grain.TENSOR


AnyMethod: TypeAlias = MergeMethod | SequentialMethod
