"""Settings: flags over environment over git config over defaults, each value checked where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mergebert.errors import InputError
from mergebert.git.config import config_entries, values_in_force
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from mergebert.git.config import ConfigEntry

# Seconds; long enough for a cold start on a busy laptop, short enough for a merge of many files.
TIMEOUT = 10.0
SHORTEST, LONGEST = 0.001, 86_400  # a timer of less never rings, one of many years at once

_ENVIRONMENT = {
    "max_error": "MERGEBERT_MAX_ERROR",
    "draft_error": "MERGEBERT_DRAFT_ERROR",
    "bundle": "MERGEBERT_BUNDLE",
    "timeout": "MERGEBERT_TIMEOUT",
}
_GIT_CONFIG = {
    "max_error": "mergebert.maxError",
    "draft_error": "mergebert.draftError",
    "bundle": "mergebert.bundle",
    "timeout": "mergebert.timeout",
}
MERGEBERT_CONFIG = r"mergebert\."  # where they stand in git config, as a regular expression
_BUNDLE = "mergebert.bundle"
_OF_REPOSITORY = frozenset({"local", "worktree"})  # scopes of git config
_CONSENT = "mergebert.repositoryBundle"  # in a person's own git config: repositories may name a bundle
_KEYS = {key.lower(): key for key in (*_GIT_CONFIG.values(), _CONSENT)}
_YES = frozenset({"true", "yes", "on", "1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person can choose about resolving."""

    max_error: float = USUAL_BUDGETS.applied
    draft_error: float = USUAL_BUDGETS.draft
    bundle: Path | None = None  # None: the one that ships
    timeout: float = TIMEOUT

    @property
    def budgets(self) -> ErrorBudgets:
        """The shares of what is applied and of what is drafted that may be wrong."""
        return ErrorBudgets(self.max_error, self.draft_error)


def load_settings(
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] = os.environ,
    entries: Sequence[ConfigEntry] | None = None,
) -> Settings:
    """The settings in force.

    `flags` are keyed by field name; `entries` are those of git config, asked for in this folder where none are given.
    """
    config = _trusted(config_entries(MERGEBERT_CONFIG) if entries is None else entries)
    found = {name: _first(name, flags or {}, environment, config) for name in _ENVIRONMENT}
    bundle = found["bundle"]
    return Settings(
        max_error=_share(found["max_error"], USUAL_BUDGETS.applied),
        draft_error=_share(found["draft_error"], USUAL_BUDGETS.draft),
        bundle=_folder(*bundle) if bundle else None,
        timeout=_timeout(found["timeout"]),
    )


def nearest_settings(keys: Iterable[str]) -> dict[str, str]:
    """Those of the lower-case keys of git config that are no setting, each with the setting most like it; empty where
    none is."""
    from difflib import get_close_matches

    names = {key.partition(".")[2]: key for key in _KEYS}  # what all begin with likens none
    unknown = [key for key in keys if key not in _KEYS]
    near = {key: get_close_matches(key.partition(".")[2], names, 1) for key in unknown}
    return {key: _KEYS[names[found[0]]] if found else "" for key, found in near.items()}


def add_settings_arguments(parser: ArgumentParser) -> None:
    """Adds the flags that `settings_of` reads."""
    parser.add_argument(
        "--max-error",
        metavar="E",
        help=f"share of wrong resolutions you accept among those applied (0 to 1, default {USUAL_BUDGETS.applied})",
    )
    parser.add_argument(
        "--draft-error",
        metavar="E",
        help=f"share of wrong resolutions you accept among drafts (0 to 1, default {USUAL_BUDGETS.draft})",
    )
    parser.add_argument(
        "--bundle", metavar="FOLDER", help="model bundle to use instead of the one that ships"
    )


def settings_of(arguments: object) -> Settings:
    """The settings in force under parsed command-line arguments."""
    return load_settings({name: getattr(arguments, name, None) for name in _ENVIRONMENT})


def _first(
    name: str, flags: Mapping[str, str | None], environment: Mapping[str, str], config: Mapping[str, str]
) -> tuple[str, str] | None:
    """The value that wins and where it stands, for the error message."""
    flag = flags.get(name)
    if flag is not None:
        return flag, "--" + name.replace("_", "-")
    variable, key = _ENVIRONMENT[name], _GIT_CONFIG[name]
    if environment.get(variable):  # an empty variable is the shell's way to unset one
        return environment[variable], variable
    if config.get(key.lower()):
        return config[key.lower()], f"{key} in git config"
    return None


def _share(found: tuple[str, str] | None, usual: float) -> float:
    if found is None:
        return usual
    value = _number(found[0])
    if value is None or not 0 <= value <= 1:
        raise InputError(
            f"{found[1]} is {found[0]!r}: give the share of errors you accept, from 0 to 1, such as 0.05."
        )
    return value


def _folder(text: str, where: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{where} is {text!r}: there is no such user; give the path of a folder.") from error


def _timeout(found: tuple[str, str] | None) -> float:
    if found is None:
        return TIMEOUT
    value = _number(found[0])
    if value is None or not SHORTEST <= value <= LONGEST:
        raise InputError(
            f"{found[1]} is {found[0]!r}: give a number of seconds from {SHORTEST} to {LONGEST}, such as 10."
        )
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _trusted(entries: Sequence[ConfigEntry]) -> Mapping[str, str]:
    """The values in force. A repository chooses the model only where a person allowed that to all of theirs."""
    of_person = values_in_force(entry for entry in entries if entry[0] not in _OF_REPOSITORY)
    in_force = values_in_force(entries)
    if of_person.get(_CONSENT.lower(), "").lower() in _YES:
        return in_force
    return {**in_force, _BUNDLE: of_person.get(_BUNDLE, "")}
