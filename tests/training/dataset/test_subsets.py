from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert.errors import DatasetError
from mergebert.training.dataset.mined import main_languages
from mergebert.training.dataset.subsets import subset
from tests.training.tiny_run import FILES, TABLE

LANGUAGES = {f"o/{language}{at}": language for language in ("go", "java", "rust") for at in range(8)}


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5), st.integers(0, 20))
def test_a_smaller_share_is_part_of_every_larger_one(shares: list[float], seed: int) -> None:
    found = [set(subset(LANGUAGES, share, seed)) for share in sorted(shares)]
    assert all(one <= other for one, other in pairwise(found))


@pytest.mark.parametrize(("share", "count"), [(1 / 8, 1), (1 / 4, 2), (0.3, 3), (1.0, 8)])
def test_every_language_gives_its_share(share: float, count: int) -> None:
    found = subset(LANGUAGES, share, seed=1)
    assert [sum(LANGUAGES[name] == language for name in found) for language in ("go", "java", "rust")] == [
        count
    ] * 3


def test_forks_stay_together_and_the_seed_draws() -> None:
    forks = LANGUAGES | {f"fork/{name.partition('/')[2].upper()}": one for name, one in LANGUAGES.items()}
    found = subset(forks, 0.5, seed=0)
    assert len(found) == 2 * len(subset(LANGUAGES, 0.5, seed=0))
    assert {name.partition("/")[2].lower() for name in found if name.startswith("fork")} == {
        name.partition("/")[2] for name in found if name.startswith("o/")
    }
    assert len({tuple(subset(LANGUAGES, 0.25, seed)) for seed in range(8)}) > 1
    assert subset(dict(reversed(LANGUAGES.items())), 0.25, 0) == subset(LANGUAGES, 0.25, 0)


def test_the_language_of_a_repository_is_that_of_most_of_its_files(finished_run: Path) -> None:
    found = main_languages(finished_run.parent / "mined")
    assert found.keys() == {name for names in TABLE.values() for name in names}
    assert set(found.values()) == {
        "python"
    }  # every fifth file is of each language, the clean ones are all Python
    assert FILES < 10
    with pytest.raises(DatasetError, match="mergebert mine"):
        main_languages(finished_run.parent / "nowhere")
