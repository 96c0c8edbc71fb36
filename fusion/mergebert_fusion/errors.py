"""The errors of fusing, each one sentence that says what is wrong and what to do.

MergebertError
├── RecipeError        a recipe, or a value in it, that cannot be followed
├── CheckpointError    a checkpoint that is missing, damaged, or does not fit the others
└── FusionError        an output folder or an evaluation that stands in the way
"""

from mergebert.errors import MergebertError


class RecipeError(MergebertError):
    """A recipe, or a value in it, that cannot be followed."""


class CheckpointError(MergebertError):
    """A checkpoint that is missing, damaged, or does not fit the others."""


class FusionError(MergebertError):
    """An output folder or an evaluation that stands in the way."""
