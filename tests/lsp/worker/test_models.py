from __future__ import annotations

import pytest

from mergebert.errors import MergebertError
from mergebert.tiers import USUAL_BUDGETS
from mergebert_lsp.worker.models import Models


def models() -> Models:
    return Models(lambda done, total: None, tell=lambda kind: None)


def test_a_repository_chooses_no_model_but_where_a_person_allowed_it(repository) -> None:
    repository.git("config", "mergebert.bundle", "/of/the/repository")
    assert models().of(repository.path)[1] == USUAL_BUDGETS
    repository.git("config", "--global", "mergebert.repositoryBundle", "true")
    with pytest.raises(MergebertError, match="/of/the/repository"):
        models().of(repository.path)
