from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergebert_lsp.server.options import EditorOptions, options_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_every_setting_is_taken_over() -> None:
    given_ = {
        "maxError": 0.1,
        "bundle": "/a",
        "suggestions": 5,
        "inlayHints": False,
        "codeLens": False,
        "feedback": True,
    }
    assert options_of(given_) == (EditorOptions(0.1, "/a", 5, False, False, True), ())


def test_the_section_may_be_given_with_its_name() -> None:
    assert options_of({"mergebert": {"suggestions": 1}})[0].suggestions == 1


@pytest.mark.parametrize("given_", [None, [], "x", 7, {}, {"mergebert": None}, {"mergebert": [1]}])
def test_no_settings_are_the_defaults(given_: Any) -> None:
    assert options_of(given_) == (EditorOptions(), ())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("maxError", -0.1),
        ("maxError", "a"),
        ("maxError", True),
        ("suggestions", 0),
        ("suggestions", 10),
        ("suggestions", True),
        ("inlayHints", 1),
        ("bundle", 3),
    ],
)
def test_a_wrong_value_is_named_and_the_default_stands(key: str, value: Any) -> None:
    options, [wrong] = options_of({key: value})
    assert options == EditorOptions()
    assert f"mergebert.{key} is {value!r}" in wrong


@given(
    json_values,
    st.dictionaries(st.sampled_from(["maxError", "suggestions", "bundle", "feedback"]), json_values),
)
def test_whatever_a_client_sends_there_are_options(whole: Any, settings: dict[str, Any]) -> None:
    for one in (whole, settings, {"mergebert": settings}):
        options, wrong = options_of(one)
        assert 1 <= options.suggestions <= 9
        assert all(sentence.startswith("The setting mergebert.") for sentence in wrong)


def test_what_the_worker_has_to_know_goes_with_the_question() -> None:
    settings = EditorOptions(0.2, "b", 4, feedback=True).worker_settings
    assert (settings.max_error, settings.bundle, settings.suggestions, settings.feedback) == (
        0.2,
        "b",
        4,
        True,
    )
