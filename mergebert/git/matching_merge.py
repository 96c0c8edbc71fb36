"""The line merge that a file in the work tree shows, whatever options it was made with."""

from __future__ import annotations

from mergebert.git.line_merge import line_merge
from mergebert.git.merge_options import HISTOGRAM, MYERS, MergeOptions
from mergebert.text.file_parts import OpenPart
from mergebert.text.markers import MergedFile
from mergebert.text.reconcile import reconciled
from mergebert.text.threeway import ThreeWay

# What a merge takes by itself, then what older engines and other tools take, then what people ask for with -X.
_ALGORITHMS = (HISTOGRAM, MYERS, "patience", "minimal")


def matching_line_merge(shown: MergedFile, versions: ThreeWay[str]) -> MergedFile:
    """The line merge of `versions` by the diff algorithm that found the conflicts `shown` in the file.

    That of a plain `git merge` where no algorithm accounts for all of them. Raises as `line_merge` does.
    """
    plain = line_merge(versions)
    if _accounts_for(shown, plain):
        return plain
    others = (line_merge(versions, MergeOptions(algorithm)) for algorithm in _ALGORITHMS[1:])
    return next((one for one in others if _accounts_for(shown, one)), plain)


def _accounts_for(shown: MergedFile, merged: MergedFile) -> bool:
    """Whether every conflict of the file is one of the line merge, or is made of some."""
    known = {conflict.sides for conflict in merged.conflicts}
    parts = reconciled(shown, merged)
    return all(
        conflict.sides in known for part in parts if isinstance(part, OpenPart) for conflict in part.conflicts
    )
