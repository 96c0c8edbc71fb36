"""The errors a user can meet, each one sentence that says what is wrong and what to do.

MergebertError
├── MarkerError        conflict markers that are torn or nested
├── ModelBundleError   a bundle that is missing, damaged or of another format
├── GitError           git refused; MissingGitError where it is not there
├── InputError         a file that cannot be merged or read (binary, wrong encoding, not there)
└── DatasetError       mined data that cannot be read
"""


class MergebertError(Exception):
    """The root of every error of ours; the command line prints it as one sentence."""


class MarkerError(MergebertError):
    """Conflict markers that do not form whole conflicts."""


class ModelBundleError(MergebertError):
    """A model bundle that is missing, damaged, or of another format."""


class GitError(MergebertError):
    """git refused, or is not installed."""


class MissingGitError(GitError):
    """git is not installed."""

    def __init__(self) -> None:
        super().__init__("git is not installed, or not on the PATH.")


class InputError(MergebertError):
    """A file given by the user that cannot be used."""


class DatasetError(MergebertError):
    """Mined data that is missing, damaged, or of another format."""
