"""The classifier: how likely each way of resolving a conflict is, from its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mergebert.errors import ModelBundleError
from mergebert.ranking.candidate_rows import Sizes, gaps_ranks_entropies, softmax, with_none
from mergebert.ranking.columns import CONFLICT_CLASSES, PAD, Columns, conflict_class
from mergebert.ranking.onnx import OnnxSession
from mergebert.text.candidates import Candidate, Origin
from mergebert.text.patterns import PATTERNS, PRIOR, Pattern

Floats = NDArray[np.float32]
CLASSIFIER_FEATURES = ("network log", "network share", "network to best", "network rank", "network entropy")
BATCH_COLUMNS = 4096  # columns in one run of the network: bounds memory, keeps padding small

_PATTERN_INDEX = {pattern: at for at, pattern in enumerate(PATTERNS)}
PRIOR_LOG = np.log(np.array(list(PRIOR.values()), np.float32))


@dataclass(frozen=True, slots=True)
class Scores:
    """Log probabilities of one conflict: of its classes [classes], and of the nine patterns of each disputed hunk [hunks, 9]."""

    classes: Floats
    hunks: Floats


class Classifier(Protocol):
    """Scores encoded conflicts."""

    def scores(self, conflicts: Sequence[Columns]) -> list[Scores]:
        """The scores of each conflict, in order."""
        ...


class OnnxClassifier:
    """The `columns` network of a bundle, run by onnxruntime on the CPU."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self.session = OnnxSession(model, threads)

    def scores(self, conflicts: Sequence[Columns]) -> list[Scores]:
        """The scores of each conflict, in order; conflicts of like length share a run."""
        found: dict[int, Scores] = {}
        for group in length_buckets([len(columns.ids) for columns in conflicts], BATCH_COLUMNS):
            batch = [conflicts[at] for at in group]
            ids, kinds = padded(batch)
            outputs = self.session.run({"ids": ids, "kinds": kinds})
            if not _are_logits(outputs, ids.shape[:2]):
                raise self._not_a_classifier()
            classes, patterns = outputs
            for row, (at, columns) in enumerate(zip(group, batch, strict=True)):
                with np.errstate(all="ignore"):  # what is no number is refused below
                    found[at] = Scores(log_softmax(classes[row]), hunk_scores(patterns[row], columns.heads))
                if not (np.isfinite(found[at].classes).all() and np.isfinite(found[at].hunks).all()):
                    raise self._not_a_classifier()
        return [found[at] for at in range(len(conflicts))]

    def _not_a_classifier(self) -> ModelBundleError:
        return ModelBundleError(f"{self.session.model} answers with no scores; install the bundle again.")


def _are_logits(outputs: Sequence[object], shape: tuple[int, ...]) -> bool:
    """Whether a run over columns of this shape gave what the network of a bundle gives."""
    wanted = [(shape[0], len(CONFLICT_CLASSES)), (*shape, len(PATTERNS))]
    arrays = [one for one in outputs if isinstance(one, np.ndarray) and one.dtype == np.float32]
    return len(outputs) == len(arrays) and [one.shape for one in arrays] == wanted


def length_buckets(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """The indices of `lengths` in groups of like length whose padded size stays within `limit` (at least one a group)."""
    groups: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lambda at: lengths[at]):
        if groups and (len(groups[-1]) + 1) * lengths[at] <= limit:
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def padded(batch: Sequence[Columns]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`ids` and `kinds` of a batch, [batch, length, 3], the shorter ones filled with PAD and 0."""
    length = max(len(columns.ids) for columns in batch)
    ids = np.full((len(batch), length, 3), PAD, np.int64)
    kinds = np.zeros((len(batch), length, 3), np.int64)
    for row, columns in enumerate(batch):
        ids[row, : len(columns.ids)] = columns.ids
        kinds[row, : len(columns.kinds)] = columns.kinds
    return ids, kinds


def candidate_logs(scores: Scores, options: Sequence[Candidate]) -> NDArray[np.float64]:
    """The log probability of each candidate, summed over the distinct classes and patterns that make it."""
    return np.array([_option_log(scores, option) for option in options])


def _option_log(scores: Scores, option: Candidate) -> float:
    # Several line merges share one class; it counts once, as in training.
    ways = {_way(origin): origin for origin in option.origins}
    return float(np.logaddexp.reduce([_origin_log(scores, origin) for origin in ways.values()]))


def _way(origin: Origin) -> tuple[int, tuple[Pattern, ...]]:
    return conflict_class(origin), origin.patterns if origin.method == "tokens" else ()


def classifier_features(logs: NDArray[np.float64], sizes: Sizes) -> Floats:
    """The CLASSIFIER_FEATURES of the candidates of some conflicts from their log probabilities; behind those of each
    conflict stands a row of NaN for "none of these"."""
    shares = softmax(logs, sizes)
    return with_none(np.stack([logs, shares, *gaps_ranks_entropies(shares, sizes)], axis=1), sizes)


def _origin_log(scores: Scores, origin: Origin) -> float:
    log = float(scores.classes[conflict_class(origin)])
    if origin.method != "tokens":
        return log
    return log + sum(
        float(scores.hunks[at][_PATTERN_INDEX[pattern]]) for at, pattern in enumerate(origin.patterns)
    )


def hunk_scores(patterns: Floats, heads: Iterable[int]) -> Floats:
    """The log probabilities at the first column of each hunk [hunks, 9]; the prior for hunks that were cut off."""
    rows = [log_softmax(patterns[head]) if head >= 0 else PRIOR_LOG for head in heads]
    return np.stack(rows) if rows else np.zeros((0, len(PATTERNS)), np.float32)


def log_softmax(logits: Floats) -> Floats:
    """Log probabilities from logits."""
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), np.float32)
