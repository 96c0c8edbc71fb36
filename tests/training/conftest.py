"""Hypothesis without a clock: a busy machine is no failure. And one training run that several files look at."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.training.synthetic import write_mined
from tests.training.tiny_run import CONFIG, FILES, TABLE, train

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a finished run in miniature."""
    folder = tmp_path_factory.mktemp("run")
    write_mined(folder / "mined", TABLE, FILES)
    path = folder / "tiny.toml"
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    train(path)
    return path
