"""The shipped bundle answers as it did: what its models read is what they were trained with, to the last digit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mergebert.ranking.bundle import load_bundle
from tests.golden.outputs import STORED, outputs

TOLERANCE = (
    1e-6  # in a confidence; the arithmetic of one machine repeats itself, that of two may round otherwise
)

Answers = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def found() -> Answers:
    return outputs()


STORED_ANSWERS: Answers = json.loads(STORED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("merge", STORED_ANSWERS)
def test_ranking_and_confidences_are_the_stored_ones(merge: str, found: Answers) -> None:
    assert len(found[merge]) == len(STORED_ANSWERS[merge])
    for now, then in zip(found[merge], STORED_ANSWERS[merge], strict=True):
        assert (now["path"], now["accepted"]) == (then["path"], then["accepted"])
        for name in ("text", "how"):
            assert [one[name] for one in now["resolutions"]] == [one[name] for one in then["resolutions"]]
        assert [one["confidence"] for one in now["resolutions"]] == pytest.approx(
            [one["confidence"] for one in then["resolutions"]], rel=0, abs=TOLERANCE
        )


def test_every_merge_and_every_measured_language_is_stored(found: Answers) -> None:
    assert found.keys() == STORED_ANSWERS.keys()
    languages = {merge.partition("/")[0] for merge in STORED_ANSWERS}
    assert languages >= set(load_bundle().manifest.languages)
