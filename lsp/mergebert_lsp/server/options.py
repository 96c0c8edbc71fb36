"""The settings that a client sends, each checked; what is wrong is said once and the default stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mergebert_lsp.worker.messages import WorkerSettings

MOST_SUGGESTIONS = 9  # as many as there are digits


@dataclass(frozen=True, slots=True)
class EditorOptions:
    """What a person can choose in the editor; None leaves it to git config and the environment."""

    max_error: float | None = None
    bundle: str | None = None
    suggestions: int = 3
    inlay_hints: bool = True
    code_lens: bool = True
    feedback: bool = False

    @property
    def worker_settings(self) -> WorkerSettings:
        """What of it the worker has to know."""
        return WorkerSettings(self.max_error, self.bundle, self.suggestions, self.feedback)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SUGGESTIONS


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return isinstance(value, str)


_KNOWN: Mapping[str, tuple[str, Callable[[Any], bool], str]] = {
    "maxError": ("max_error", _is_share, "a share of errors from 0 to 1, such as 0.05"),
    "bundle": ("bundle", _is_path, "the path of a model bundle"),
    "suggestions": ("suggestions", _is_count, f"a number from 1 to {MOST_SUGGESTIONS}"),
    "inlayHints": ("inlay_hints", _is_switch, "true or false"),
    "codeLens": ("code_lens", _is_switch, "true or false"),
    "feedback": ("feedback", _is_switch, "true or false"),
}


def options_of(given: Any) -> tuple[EditorOptions, tuple[str, ...]]:
    """The options in `given`, an object of the client, and what is wrong with it, a sentence each."""
    settings = given.get("mergebert", given) if isinstance(given, Mapping) else {}
    if not isinstance(settings, Mapping):
        settings = {}
    found: dict[str, Any] = {}
    wrong = []
    for key, (name, is_right, wanted) in _KNOWN.items():
        value = settings.get(key)
        if value is None or value == "":
            continue
        if is_right(value):
            found[name] = value
        else:
            wrong.append(f"The setting mergebert.{key} is {value!r}: give {wanted}.")
    return EditorOptions(**found), tuple(wrong)
