"""The model and the error budget of each merge: what the editor sets, over what git's configuration says there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mergebert.errors import MergebertError
from mergebert.git.config import config_entries
from mergebert.ranking.limits import THREADS
from mergebert.settings import MERGEBERT_CONFIG, Settings, load_settings
from mergebert.tiers import ErrorBudgets
from mergebert_lsp.worker.messages import WorkerSettings

if TYPE_CHECKING:
    from mergebert_lsp.worker.cache import CachingResolver

CacheKey = TypeVar("CacheKey")
Cached = TypeVar("Cached")


class Models:
    """Resolvers by their bundle and settings by their work tree, each read once for the same settings.

    `tell` is called with `loading` before a bundle is loaded and with `ready` after that.
    """

    def __init__(self, check: Callable[[int, int], None], tell: Callable[[str], None]) -> None:
        self._check = check
        self._tell = tell
        self._chosen = WorkerSettings()
        self._settings: dict[Path | None, Settings | MergebertError] = {}
        self._resolvers: dict[Path | None, CachingResolver | MergebertError] = {}

    def configure(self, chosen: WorkerSettings) -> None:
        """Takes over what the editor sets; what git says is asked anew."""
        if chosen.bundle != self._chosen.bundle:
            self._resolvers.clear()
        self._resolvers = {
            path: one for path, one in self._resolvers.items() if not isinstance(one, Exception)
        }
        self._settings.clear()
        self._chosen = chosen

    def of(self, root: Path | None) -> tuple[CachingResolver, ErrorBudgets]:
        """The resolver and the error budgets in a work tree, or outside of any.

        Raises what went wrong, and raises it again instead of trying again with the same settings.
        """
        settings = _cached(self._settings, root, lambda: self._read(root))
        resolver = _cached(self._resolvers, settings.bundle, lambda: self._load(settings.bundle))
        return resolver, settings.budgets

    def _read(self, root: Path | None) -> Settings:
        bundle, max_error = self._chosen.bundle, self._chosen.max_error
        flags = {"bundle": bundle or None, "max_error": None if max_error is None else str(max_error)}
        return load_settings(flags, entries=config_entries(MERGEBERT_CONFIG, root or "."))

    def _load(self, bundle: Path | None) -> CachingResolver:
        self._tell("loading")
        try:
            from mergebert_lsp.worker.cache import CachingResolver  # numpy and more: git's facts come sooner

            return CachingResolver(bundle, THREADS, self._check)
        finally:
            self._tell("ready")


def _cached(
    held: dict[CacheKey, Cached | MergebertError], key: CacheKey, make: Callable[[], Cached]
) -> Cached:
    """What is held under the key, made where nothing is yet; an error that is held is raised."""
    if key not in held:
        try:
            held[key] = make()
        except MergebertError as error:
            held[key] = error
    found = held[key]
    if isinstance(found, MergebertError):
        raise found.with_traceback(None)  # or each time would add to what it holds on to
    return found
