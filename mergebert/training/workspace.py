"""Where the files of a training run lie: each kind in a folder of its own, so that no two repositories share a file.

codes.json              what the numbers in all other files stand for
tokenizer.json          subwords
prepared/*.npz          examples as arrays, one file a repository
clean/*.npz             windows of cleanly merged files as arrays, one file a repository
pretrained/             checkpoints and logs of the encoder pretrained on unlabelled merges
network-<fold>/         checkpoints and logs of the classifier
logits/*.npz            the classifier's scores of repositories it did not learn from
ranker/                 trees, calibration and figures, with and without the classifier
curve/, grades/         what the two experiments make
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mergebert.repository_names import file_name
from mergebert.training.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths of a run; tokenizer, arrays and pretrained encoder may be those of another run that it shares."""

    config: TrainConfig

    @property
    def shared(self) -> Path:
        """The folder with what may be shared."""
        return self.config.shared or self.config.workspace

    @property
    def tokenizer(self) -> Path:
        """The subword vocabulary."""
        return self.shared / "tokenizer.json"

    @property
    def pretrained(self) -> Path:
        """The folder of the pretrained encoder."""
        return self.shared / "pretrained"

    def prepared(self, repository: str) -> Path:
        """The arrays of a repository."""
        return self.shared / "prepared" / f"{file_name(repository)}.npz"

    def clean(self, repository: str) -> Path:
        """The windows of a repository's cleanly merged files."""
        return self.shared / "clean" / f"{file_name(repository)}.npz"

    def network(self, fold: int) -> Path:
        """The folder of the classifier of a fold."""
        return self.config.workspace / f"network-{fold}"

    def logits(self, repository: str) -> Path:
        """The classifier's scores of a repository."""
        return self.config.workspace / "logits" / f"{file_name(repository)}.npz"

    @property
    def ranker(self) -> Path:
        """The folder of trees and calibration."""
        return self.config.workspace / "ranker"

    def first_pass(self, repository: str) -> Path:
        """The probabilities of the first pass for a repository."""
        return self.ranker / "first" / f"{file_name(repository)}.npz"

    @property
    def curve(self) -> Path:
        """The folder of the learning curve."""
        return self.config.workspace / "curve"

    def tested(self, repository: str) -> Path:
        """The arrays of a test repository, which only the learning curve reads."""
        return self.curve / "test" / f"{file_name(repository)}.npz"

    @property
    def grades(self) -> Path:
        """The folder of the comparison of grades."""
        return self.config.workspace / "grades"
