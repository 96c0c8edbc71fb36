"""The outcomes of the resolver and of its baselines on one merge: their resolutions compared with what people committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mergebert.example import ConflictExample, FileExample
from mergebert.ranking.evidence import FileMerge
from mergebert.ranking.resolution import AnyResolver, RankedConflict
from mergebert.text.candidates import ConflictDiff, Origin, candidates
from mergebert.text.equivalence import strictest_levels
from mergebert.text.languages import Language, language_of
from mergebert.text.lexemes import Passage, passages
from mergebert.text.markers import Conflict, MergedFile, render, resolved
from mergebert.text.syntax import error_count
from mergebert.tiers import USUAL_BUDGETS, ErrorBudgets, Tier
from mergebert.training.dataset.prepare import file_merge
from mergebert.training.evaluation.metrics import ConflictId, Outcome
from mergebert.training.evaluation.whole_files import TIERS, FileOutcome

TOOL, WITHOUT_NETWORK = "mergebert", "ranker without the network"
OURS, THEIRS, TOKENS, GIT = "always ours", "always theirs", "token merge when clean", "git"

Outcomes = Mapping[str, Sequence[Outcome]]


def ranking_tools(outcomes: Outcomes) -> list[str]:
    """The tools that rank, unlike the baselines."""
    return [tool for tool in (TOOL, WITHOUT_NETWORK) if tool in outcomes]


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """How the tools are run: with which bundles, budgets and knowledge of the merge."""

    bundle: Path | None = None
    baseline: Path | None = None
    budgets: ErrorBudgets = USUAL_BUDGETS
    one_file: bool = False
    with_history: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """One merge: its files, the conflicts that count, and how many files were read on the way to it."""

    files: tuple[FileExample, ...]
    counted: frozenset[ConflictId]
    read: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tool's resolutions of one conflict: texts, best first, and whether it would apply the best."""

    texts: tuple[str, ...]
    confidence: float = 1.0
    tier: Tier = Tier.APPLIED


@dataclass(frozen=True, slots=True)
class CaseOutcomes:
    """What all tools made of the conflicts that count, and those that rank of every file as a whole."""

    conflicts: Outcomes
    files: Mapping[str, Sequence[FileOutcome]]


def outcomes_of(case: Case, tools: Mapping[str, AnyResolver], options: EvaluationOptions) -> CaseOutcomes:
    """The outcomes of the tools and of the baselines, all over the same conflicts in the same order."""
    files = [_file_merge(example, options) for example in case.files]
    ranked = {name: _ranked(tool, files, options) for name, tool in tools.items()}
    outcomes: dict[str, list[Outcome]] = {name: [] for name in (*tools, OURS, THEIRS, TOKENS, GIT)}
    wholes: dict[str, list[FileOutcome]] = {name: [] for name in tools}
    for at, (example, file) in enumerate(zip(case.files, files, strict=True)):
        evaluator = FileEvaluator(example, file.merged)
        indices = [one.index for one in example.conflicts if conflict_id(example, one) in case.counted]
        for name, answers in ranked.items():
            proposals = _proposals(answers[at])
            outcomes[name] += evaluator.outcomes(proposals, indices)
            wholes[name].append(evaluator.whole(proposals))
        for name, baseline in baseline_proposals(file.merged.conflicts, indices, evaluator.language):
            outcomes[name] += [evaluator.outcome(index, baseline[index]) for index in indices]
    return CaseOutcomes(outcomes, wholes)


def conflict_id(example: FileExample, conflict: ConflictExample) -> ConflictId:
    """The identity of a conflict of a file."""
    return ConflictId(example.repository, example.merge, example.path, conflict.index)


def baseline_proposals(
    conflicts: Sequence[Conflict], indices: Sequence[int], language: Language
) -> Iterator[tuple[str, dict[int, Proposal]]]:
    """The proposals of each baseline for the conflicts at `indices`; git, which left them, has none."""
    yield OURS, {at: Proposal((conflicts[at].sides.ours,)) for at in indices}
    yield THEIRS, {at: Proposal((conflicts[at].sides.theirs,)) for at in indices}
    yield TOKENS, {at: token_merge(conflicts[at], language) for at in indices}
    yield GIT, {at: Proposal((), tier=Tier.SUGGESTED) for at in indices}


def token_merge(conflict: Conflict, language: Language) -> Proposal:
    """The three-way merge of the tokens where it is clean, as MergeBERT takes it; no answer where not."""
    diff = ConflictDiff(conflict, language)
    if not diff.is_small or diff.token_diff.disputed:
        return Proposal((), tier=Tier.SUGGESTED)
    clean = (one.text for one in candidates(conflict, language, diff) if Origin("tokens") in one.origins)
    text = next(clean, None)
    return Proposal((), tier=Tier.SUGGESTED) if text is None else Proposal((text,))


class FileEvaluator:
    """Compares proposals for one file with what people committed."""

    def __init__(self, example: FileExample, merged: MergedFile) -> None:
        self.example = example
        self.language = language_of(example.path)
        self.syntax = FileSyntax(merged, self.language)
        self.passages = passages(merged.parts, self.language)

    def outcomes(self, answers: Sequence[Proposal], indices: Sequence[int]) -> list[Outcome]:
        """The outcomes of a tool that answers every conflict of the file, at the conflicts that count."""
        applied = {at: answer.texts[0] for at, answer in enumerate(answers) if answer.tier is Tier.APPLIED}
        intact = self.syntax.is_intact(applied) if any(at in applied for at in indices) else None
        found = [(at, self.outcome(at, answers[at])) for at in indices]
        return [replace(one, intact=intact) if at in applied else one for at, one in found]

    def outcome(self, index: int, answer: Proposal) -> Outcome:
        """The outcome of one answer."""
        example, resolution = self.example, self.example.conflicts[index].resolution
        if resolution is None:
            raise ValueError("nobody knows what is right where the resolution was not located")
        return Outcome(
            repository=example.repository,
            merge=example.merge,
            language=example.language,
            levels=tuple(strictest_levels(answer.texts, resolution, self.passages[index])),
            confidence=answer.confidence,
            tier=answer.tier,
            parses=self.syntax.parses(index, answer.texts[0]) if answer.texts else None,
            is_cleaned=example.is_cleaned,
        )

    def whole(self, answers: Sequence[Proposal]) -> FileOutcome:
        """The outcome of the file as a whole, with the best resolution of each of its conflicts in place."""
        example = self.example
        level = None
        if all(answer.texts for answer in answers):
            best = {at: answer.texts[0] for at, answer in enumerate(answers)}
            text = render(resolved(self.syntax.merged, best))
            (level,) = strictest_levels([text], example.merged, Passage(self.language))
        return FileOutcome(
            example.repository,
            example.merge,
            max((answer.tier for answer in answers), key=TIERS.index),
            level,
            example.is_cleaned,
            example.conflicted_files,
        )


class FileSyntax:
    """The syntax errors of one file, with ours in every conflict for which no other text is given."""

    def __init__(self, merged: MergedFile, language: Language) -> None:
        self.merged = merged
        self.language = language
        self._ours = {at: conflict.sides.ours for at, conflict in enumerate(merged.conflicts)}
        self._error_counts: dict[str, int | None] = {}

    def errors(self, texts: Mapping[int, str]) -> int | None:
        """How many there are with these texts in place; None if unknown."""
        text = render(resolved(self.merged, {**self._ours, **texts}))
        if text not in self._error_counts:
            self._error_counts[text] = error_count(text, self.language)
        return self._error_counts[text]

    def parses(self, index: int, text: str) -> bool | None:
        """Whether `text` in one conflict leaves no more errors than the better side in that conflict."""
        theirs = self.merged.conflicts[index].sides.theirs
        return self._is_no_worse({index: text}, {index: theirs})

    def is_intact(self, texts: Mapping[int, str]) -> bool | None:
        """Whether all these texts together leave no more errors than the better side everywhere."""
        return self._is_no_worse(texts, self._theirs)

    @cached_property
    def _theirs(self) -> dict[int, str]:
        return {at: conflict.sides.theirs for at, conflict in enumerate(self.merged.conflicts)}

    def _is_no_worse(self, texts: Mapping[int, str], theirs: Mapping[int, str]) -> bool | None:
        found = self.errors(texts)
        if not found:
            return None if found is None else True
        limits = (self.errors({}), self.errors(theirs))
        return None if None in limits else found <= min(limit for limit in limits if limit is not None)


def _file_merge(example: FileExample, options: EvaluationOptions) -> FileMerge:
    file = file_merge(example)
    return file if options.with_history else replace(file, context=None, history=None)


def _ranked(
    tool: AnyResolver, files: Sequence[FileMerge], options: EvaluationOptions
) -> list[list[RankedConflict]]:
    """The conflicts of every file: of all files asked at once, or of each file alone."""
    calls = [[file] for file in files] if options.one_file else [files]
    return [answers for call in calls for answers in tool.rank(call, options.budgets)]


def _proposals(ranked: Sequence[RankedConflict]) -> list[Proposal]:
    found = []
    for one in ranked:
        texts = tuple(resolution.text for resolution in one.resolutions)
        confidence = one.resolutions[0].confidence if texts else 0.0
        found.append(Proposal(texts, confidence, one.tier if texts else Tier.SUGGESTED))
    return found
