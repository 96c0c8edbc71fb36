"""The line merge that a file in the work tree shows, whatever options it was made with."""

from __future__ import annotations

from dataclasses import dataclass

from mergebert.git.line_merge import line_merge
from mergebert.git.merge_options import MYERS, MergeOptions
from mergebert.text.file_parts import OpenPart, Part
from mergebert.text.markers import MergedFile
from mergebert.text.reconcile import reconciled
from mergebert.text.threeway import ThreeWay

# What older engines and other tools take, then what people ask for with -X.
_OTHER_ALGORITHMS = (MYERS, "patience", "minimal")


@dataclass(frozen=True, slots=True)
class MatchingMerge:
    """A line merge, and the parts of the file that shows it."""

    line_merge: MergedFile
    parts: tuple[Part, ...]

    @property
    def accounts_for_all(self) -> bool:
        """Whether every conflict of the file is one of the line merge, or is made of some."""
        known = {conflict.sides for conflict in self.line_merge.conflicts}
        return all(
            conflict.sides in known
            for part in self.parts
            if isinstance(part, OpenPart)
            for conflict in part.conflicts
        )


def matching_merge(shown: MergedFile, versions: ThreeWay[str]) -> MatchingMerge:
    """The line merge of `versions` by the diff algorithm that found the conflicts `shown` in the file.

    That of a plain `git merge` where no algorithm accounts for all of them. Raises as `line_merge` does.
    """
    plain = _matched(shown, line_merge(versions))
    if plain.accounts_for_all:
        return plain
    others = (
        _matched(shown, line_merge(versions, MergeOptions(algorithm))) for algorithm in _OTHER_ALGORITHMS
    )
    return next((one for one in others if one.accounts_for_all), plain)


def _matched(shown: MergedFile, merged: MergedFile) -> MatchingMerge:
    return MatchingMerge(merged, reconciled(shown, merged))
