from __future__ import annotations

import pytest

from mergebert_lsp.text.document_state import DocumentState
from tests.lsp.documents import DIFF3, TWO_WAY, document, suggested

SURE = suggested(TWO_WAY, ("b\n", 0.97), ("a\n", 0.02), is_sure=True)
UNSURE = suggested(DIFF3, ("", 0.4))


@pytest.fixture
def both() -> DocumentState:
    """A text with a conflict that has a sure suggestion, and one that has another."""
    return document(f"x\n{TWO_WAY}y\n{DIFF3}z\n", [SURE, UNSURE])
