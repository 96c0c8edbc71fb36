"""A recipe: what to merge and how, read from YAML in mergekit's shape, every error pointing at its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mergebert_fusion.contract.method import AnyMethod, BaseUse
from mergebert_fusion.contract.parameters import checked, name_of, settings_of
from mergebert_fusion.errors import RecipeError
from mergebert_fusion.io.safetensors import OUTPUT_DTYPES
from mergebert_fusion.methods.registry import method_named
from mergebert_fusion.recipe.parameter_values import RawParameters
from mergebert_fusion.recipe.policy import RESERVED, Policy
from mergebert_fusion.recipe.yaml_document import Document, YamlPath, document, text_in

# mergekit's settings that only say how it should go about it; they change no number here.
WITHOUT_EFFECT = ("int8_mask",)
_KEYS = (
    *(
        "architecture",
        "base_model",
        "dtype",
        "merge_method",
        "models",
        "out_dtype",
        "parameters",
        "policy",
        "seed",
    ),
    *("slices", "tokenizer", "tokenizer_source"),
)
NOT_IN_NAMES = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of a recipe, or a run of its layers."""

    name: str
    path: str
    parameters: RawParameters
    layers: tuple[int, int] | None = None  # from, up to


@dataclass(frozen=True, slots=True)
class Slice:
    """Models that are merged with each other; the layers of the next slice come after theirs."""

    models: tuple[ModelEntry, ...]
    parameters: RawParameters


@dataclass(frozen=True)
class Recipe:
    """Everything a recipe says, checked as far as it can be without looking at a checkpoint."""

    text: str
    file: Path
    method: AnyMethod
    slices: tuple[Slice, ...]
    base: str | None  # the path
    dtype: str | None  # of the output; None keeps that of the inputs
    tokenizer: str | None
    architecture: str | None
    policy: Policy
    seed: int
    notes: tuple[str, ...]

    @property
    def checkpoints(self) -> dict[str, str]:
        """Every model that has to be opened: path by name."""
        return {entry.name: entry.path for slice_ in self.slices for entry in slice_.models}


def load_recipe(file: Path) -> Recipe:
    """The recipe in a file."""
    return recipe_in(text_in(file), file)


def recipe_in(text: str, file: Path) -> Recipe:
    """The recipe in a text; `file` is where its relative paths start and how errors call it."""
    return _Reader(document(text, str(file)), text, file).recipe()


@dataclass(frozen=True)
class _Reader:
    """Reads a document into a recipe."""

    doc: Document
    text: str
    file: Path

    def recipe(self) -> Recipe:
        value = self.mapping((), self.doc.value)
        self.doc.refuse_unknown((), value, _KEYS)
        if ("models" in value) == ("slices" in value):
            raise self.doc.error((), "give either models or slices, to say what is merged.")
        named = self.required_text(
            ("merge_method",), value.get("merge_method"), "the name of a method, see `mergebert fuse list`"
        )
        try:
            method = method_named(named)
        except RecipeError as error:
            raise self.doc.error(("merge_method",), str(error)) from error
        base = None if value.get("base_model") is None else self.path(("base_model",), value["base_model"])
        notes: list[str] = []
        whole = self.parameters(("parameters",), value.get("parameters"), method, notes, of_model=False)
        slices = tuple(self.slices(value, method, base, whole, notes))
        self.refuse_names(slices)
        return Recipe(
            text=self.text,
            file=self.file,
            method=method,
            slices=slices,
            base=base,
            dtype=self.dtype(value),
            tokenizer=self.tokenizer(value),
            architecture=None if value.get("architecture") is None else str(value["architecture"]),
            policy=self.policy(value.get("policy")),
            seed=self.seed(value.get("seed", 0)),
            notes=tuple(dict.fromkeys(notes)),
        )

    def slices(
        self,
        value: Mapping[str, Any],
        method: AnyMethod,
        base: str | None,
        whole: RawParameters,
        notes: list[str],
    ) -> Iterator[Slice]:
        if "models" in value:
            entries = self.entries(("models",), value["models"], method, notes, with_layers=False)
            yield Slice(self.without_base(("models",), entries, method, base), whole)
            return
        for i, slice_ in enumerate(self.items(("slices",), value["slices"])):
            at: YamlPath = ("slices", i)
            slice_ = self.mapping(at, slice_)
            self.doc.refuse_unknown(at, slice_, ("sources", "parameters"))
            own = self.parameters(
                (*at, "parameters"), slice_.get("parameters"), method, notes, of_model=False
            )
            sources = (*at, "sources")
            entries = self.entries(sources, slice_.get("sources"), method, notes, with_layers=True)
            yield Slice(self.without_base(sources, entries, method, base), _over(whole, own))

    def entries(
        self, at: YamlPath, value: Any, method: AnyMethod, notes: list[str], *, with_layers: bool
    ) -> tuple[ModelEntry, ...]:
        keys = ("model", "name", "parameters", *(("layer_range",) if with_layers else ()))
        found = []
        for i, item in enumerate(self.items(at, value)):
            here = (*at, i)
            entry = self.mapping(here, item)
            self.doc.refuse_unknown(here, entry, keys)
            path = self.path((*here, "model"), entry.get("model"))
            name = entry.get("name") or NOT_IN_NAMES.sub(
                "-", Path(path.split("+")[-1]).name.removesuffix(".safetensors")
            )
            if not isinstance(name, str) or NOT_IN_NAMES.search(name) or name.startswith("."):
                raise self.doc.error(
                    (*here, "name"), f"{name!r} is no name: use letters, digits, dots, - and _."
                )
            own = self.parameters(
                (*here, "parameters"), entry.get("parameters"), method, notes, of_model=True
            )
            layers = self.layers((*here, "layer_range"), entry.get("layer_range")) if with_layers else None
            found.append(ModelEntry(name, path, own, layers))
        return tuple(found)

    def without_base(
        self, at: YamlPath, entries: tuple[ModelEntry, ...], method: AnyMethod, base: str | None
    ) -> tuple[ModelEntry, ...]:
        """The models apart from the base, or with the base first, as the method wants them."""
        if method.base is BaseUse.FIRST and base is not None:
            first = tuple(entry for entry in entries if Path(entry.path) == Path(base))
            if not first:
                raise self.doc.error(
                    ("base_model",), f"{method.name} starts from one of its models: name one of them here."
                )
            entries = (*first, *(entry for entry in entries if entry not in first))
        elif method.base in (BaseUse.REQUIRED, BaseUse.OPTIONAL) and base is not None:
            entries = tuple(entry for entry in entries if Path(entry.path) != Path(base))
        if method.base is BaseUse.REQUIRED and base is None:
            raise self.doc.error(
                (), f"{method.name} needs the model that all others come from: give base_model."
            )
        least, most = method.least_models, method.most_models
        if len(entries) < least or (most is not None and len(entries) > most):
            wanted = (
                f"exactly {least}"
                if least == most
                else f"at least {least}"
                if most is None
                else f"{least} to {most}"
            )
            raise self.doc.error(
                at, f"{method.name} takes {wanted} models besides its base, and {len(entries)} are given."
            )
        return entries

    def parameters(
        self, at: YamlPath, value: Any, method: AnyMethod, notes: list[str], *, of_model: bool
    ) -> RawParameters:
        """The parameters written at a path, each leaf checked, without those that change nothing."""
        given = {} if value is None else self.mapping(at, value)
        kinds = (method.model_parameters,) if of_model else (method.parameters, method.model_parameters)
        kept = {}
        for written, setting in given.items():
            here = (*at, written)
            if written in WITHOUT_EFFECT:
                notes.append(f"{written} changes no result here and is not needed.")
                continue
            fields_meant = [(kind, name) for kind in kinds if (name := name_of(kind, written)) is not None]
            if not fields_meant:
                names = ", ".join(name for kind in kinds for name in settings_of(kind)) or "none"
                where = "a model" if of_model else "the merge"
                raise self.doc.error(
                    here, f"{method.name} has no parameter {written!r} of {where}; there is: {names}."
                )
            for kind, name in fields_meant:
                self.check_leaves(here, setting, kind, name)
            kept[written] = setting
        return kept

    def check_leaves(self, at: YamlPath, value: Any, kind: type, name: str) -> None:
        """Checks every number of a gradient and every value behind a filter by itself."""
        if isinstance(value, list):
            if not settings_of(kind)[name].varies:
                raise self.doc.error(at, f"{at[-1]} holds for the whole merge: give one value, not a list.")
            if not value:
                raise self.doc.error(at, "an empty list is no value: give a number, a gradient or filters.")
            for i, item in enumerate(value):
                self.check_leaves((*at, i), item, kind, name)
        elif isinstance(value, dict):
            if not {"value"} <= set(value) <= {"value", "filter"}:
                raise self.doc.error(at, "a filter is written {filter: PART OF A NAME, value: ...}.")
            self.check_leaves((*at, "value"), value["value"], kind, name)
        else:
            try:
                checked(kind, name, value)
            except RecipeError as error:
                raise self.doc.error(at, str(error)) from error

    def layers(self, at: YamlPath, value: Any) -> tuple[int, int]:
        if not isinstance(value, list) or len(value) != 2 or not all(type(item) is int for item in value):
            raise self.doc.error(at, "layer_range is written [FROM, UP TO], for example [0, 12].")
        if not 0 <= value[0] < value[1]:
            raise self.doc.error(
                at, f"layer_range {value} holds no layer: the second number has to be larger."
            )
        return value[0], value[1]

    def policy(self, value: Any) -> Policy:
        given = {} if value is None else self.mapping(("policy",), value)
        self.doc.refuse_unknown(("policy",), given, tuple(field.name for field in fields(Policy)))
        choices = {key: self.required_text(("policy", key), said, "a word") for key, said in given.items()}
        try:
            return Policy(**choices)
        except RecipeError as error:
            raise self.doc.error(("policy",), str(error)) from error

    def dtype(self, value: Mapping[str, Any]) -> str | None:
        for key in ("out_dtype", "dtype"):
            if value.get(key) is not None:
                if value[key] not in list(OUTPUT_DTYPES):  # whatever stands there may have no hash
                    raise self.doc.error(
                        (key,), f"{value[key]!r} is no type; there are {', '.join(OUTPUT_DTYPES)}."
                    )
                return str(value[key])
        return None

    def tokenizer(self, value: Mapping[str, Any]) -> str | None:
        settings = value.get("tokenizer")
        if settings is None:
            source = value.get("tokenizer_source")
            return None if source is None else self.path(("tokenizer_source",), source)
        self.doc.refuse_unknown(("tokenizer",), self.mapping(("tokenizer",), settings), ("source",))
        return self.path(("tokenizer", "source"), settings.get("source"))

    def seed(self, value: Any) -> int:
        if type(value) is not int:
            raise self.doc.error(("seed",), f"seed is {value!r}, but has to be a whole number.")
        return value

    def refuse_names(self, slices: tuple[Slice, ...]) -> None:
        """Raises where two models go by one name, or one by a choice of the policy."""
        paths: dict[str, str] = {}
        for slice_ in slices:
            for i, entry in enumerate(slice_.models):
                earlier = [other.path for other in slice_.models[:i] if other.name == entry.name]
                earlier += [path for name, path in paths.items() if name == entry.name and path != entry.path]
                if earlier:
                    both = " and ".join(dict.fromkeys((earlier[0], entry.path)))
                    raise self.doc.error(
                        (), f"{both} would twice be called {entry.name}: give one a `name:`."
                    )
                paths[entry.name] = entry.path
                if entry.name in RESERVED:
                    raise self.doc.error(
                        (), f"{entry.path} cannot be called {entry.name}: give it another `name:`."
                    )

    def mapping(self, at: YamlPath, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.doc.error(at, f"{_shown(at)} has to be names with values, like `name: value`.")
        return value

    def items(self, at: YamlPath, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise self.doc.error(at, f"{_shown(at)} has to be a list of at least one entry.")
        return value

    def required_text(self, at: YamlPath, value: Any, wanted: str) -> str:
        if not isinstance(value, str) or not value:
            raise self.doc.error(at, f"{_shown(at)} has to be {wanted}.")
        return value

    def path(self, at: YamlPath, value: Any) -> str:
        """A model: mergekit's `MODEL+ADAPTER`, or the same as names with values."""
        if isinstance(value, dict):
            self.doc.refuse_unknown(at, value, ("model", "lora"))
            model = self.path((*at, "model"), value.get("model"))
            return f"{model}+{self.path((*at, 'lora'), value['lora'])}" if "lora" in value else model
        return self.required_text(at, value, "the path of a checkpoint")


def _over(whole: RawParameters, own: RawParameters) -> RawParameters:
    """The parameters of a slice over those of the whole recipe, which still hold where no filter of the slice fits."""
    joined = {**whole, **own}
    for name in whole.keys() & own.keys():
        value = own[name]
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            joined[name] = [*value, {"value": whole[name]}]
    return joined


def _shown(at: YamlPath) -> str:
    return ".".join(str(key) for key in at) or "a recipe"
