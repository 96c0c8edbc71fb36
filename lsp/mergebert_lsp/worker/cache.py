"""A resolver with a cache: what a conflict says by itself is worked out once, however often it is ranked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mergebert.ranking.bundle import load_bundle
from mergebert.ranking.columns import Subwords
from mergebert.ranking.evidence import FileEvidence, FileMerge, Surroundings
from mergebert.ranking.model_input import ModelInput, Outline, model_inputs, outline
from mergebert.ranking.resolver import Resolver, ScoredConflict
from mergebert.text.languages import Language
from mergebert.text.markers import Conflict
from mergebert_lsp.worker.merges import MOST_CONFLICTS

MOST_TEXTS = 256  # whose errors are remembered: a number each
AT_ONCE = 16  # conflicts scored before anybody may call the work off

_OutlineKey = tuple[Conflict, str, Surroundings]


@dataclass(slots=True)
class _CachedConflict:
    outline: Outline
    classifier_features: NDArray[np.float32] | None = None


class CachingResolver(Resolver):
    """Ranks like any resolver; `check` is called often and may raise StaleError."""

    def __init__(self, bundle: Path | None, threads: int, check: Callable[[int, int], None]) -> None:
        super().__init__(load_bundle(bundle), threads)
        self._check = check
        self._files: OrderedDict[FileMerge, list[ScoredConflict]] = OrderedDict()
        self._outlines: OrderedDict[_OutlineKey, _CachedConflict] = OrderedDict()
        # By identity: an outline holds its columns while it is here.
        self._by_columns: dict[int, _CachedConflict] = {}
        self._done, self._all = 0, 0
        self._errors: OrderedDict[tuple[bytes, str], int | None] = OrderedDict()

    def errors_in(self, text: str, language: Language) -> int | None:
        """The syntax errors of a whole file, counted once."""
        key = (blake2s(text.encode("utf-8", "surrogatepass")).digest(), language.name)
        if key not in self._errors:
            self._check(self._done, self._all)
            self._errors[key] = super().errors_in(text, language)
        self._errors.move_to_end(key)
        while len(self._errors) > MOST_TEXTS:
            self._errors.popitem(last=False)
        return self._errors[key]

    def scored_files(self, evidences: Sequence[FileEvidence]) -> list[list[ScoredConflict]]:
        """The scored conflicts of each file, from the cache or computed now."""
        unknown = [evidence for evidence in evidences if evidence.file not in self._files]
        self._done, self._all = 0, sum(len(evidence.conflicts) for evidence in unknown)
        for evidence in unknown:
            self._files[evidence.file] = self.scored(model_inputs(evidence, self.subwords, self._outlined))
        for evidence in evidences:
            self._files.move_to_end(evidence.file)
        found = [self._files[evidence.file] for evidence in evidences]
        self._forget(sum(map(len, found)))
        return found

    def scored(self, conflicts: Sequence[ModelInput]) -> list[ScoredConflict]:
        """As of Resolver, some conflicts at a time."""
        parts = [conflicts[start : start + AT_ONCE] for start in range(0, len(conflicts), AT_ONCE)]
        return [one for part in parts for one in super(CachingResolver, self).scored(part)]

    def classifier_features(self, conflicts: Sequence[ModelInput]) -> list[NDArray[np.float32]]:
        """The classifier features of each candidate, computed once for the same columns."""
        cached = [self._by_columns[id(one.columns)] for one in conflicts]
        missing = [at for at, one in enumerate(cached) if one.classifier_features is None]
        if missing:
            self._check(self._done, self._all)
            found = super().classifier_features([conflicts[at] for at in missing])
            for at, features in zip(missing, found, strict=True):
                cached[at].classifier_features = features
            self._done += len(missing)
        return [one.classifier_features for one in cached if one.classifier_features is not None]

    def _outlined(
        self, conflict: Conflict, language: Language, around: Surroundings, subwords: Subwords
    ) -> Outline:
        self._check(self._done, self._all)
        key = (conflict, language.name, around)
        cached = self._outlines.get(key)
        if cached is None:
            cached = self._outlines[key] = _CachedConflict(outline(conflict, language, around, subwords))
            self._by_columns[id(cached.outline.columns)] = cached
        self._outlines.move_to_end(key)
        return cached.outline

    def _forget(self, used: int) -> None:
        """Lets go of what was asked longest ago, but of nothing that was asked just now."""
        most = max(MOST_CONFLICTS, used)
        held = sum(map(len, self._files.values()))
        while held > most:
            _, gone = self._files.popitem(last=False)
            held -= len(gone)
        while len(self._outlines) > most:
            _, cached = self._outlines.popitem(last=False)
            del self._by_columns[id(cached.outline.columns)]
