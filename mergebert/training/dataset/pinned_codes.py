"""The codes that the arrays of a workspace were made with: what is trained and exported later must mean the same."""

from __future__ import annotations

from mergebert.errors import DatasetError
from mergebert.ranking.codes import Codes, codes, foreign_code
from mergebert.strict_json import json_in, write_json
from mergebert.training.workspace import Workspace


def pinned_codes(space: Workspace) -> Codes:
    """The codes of a workspace, those of this version where nothing is prepared yet.

    Raises DatasetError where this version means something else by a number, or nobody wrote down what was meant.
    """
    path = space.shared / "codes.json"
    if not path.exists():
        if (space.shared / "prepared").exists():
            raise DatasetError(
                f"{space.shared} does not say which codes it was prepared with; use a new one."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, codes())
    found: Codes = json_in(path)
    foreign = foreign_code(found)
    if foreign is not None:
        raise DatasetError(
            f"{space.shared} was prepared with other {foreign} than this version of mergebert has; use a new one."
        )
    return found
