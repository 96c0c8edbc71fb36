from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.errors import InputError
from mergebert.settings import Settings, load_settings


def loaded(flags=None, environment=None, config=None) -> Settings:
    entries = [("global", key, value) for key, value in (config or {}).items()]
    return load_settings(flags or {}, environment or {}, entries)


def test_the_defaults() -> None:
    assert loaded() == Settings(max_error=0.05, bundle=None, timeout=10.0)


def test_a_flag_goes_over_the_environment_over_git_config() -> None:
    config = {"mergebert.maxerror": "0.3", "mergebert.timeout": "3", "mergebert.bundle": "/config"}
    environment = {"MERGEBERT_MAX_ERROR": "0.2", "MERGEBERT_BUNDLE": "/environment"}

    found = loaded({"max_error": "0.1", "bundle": None}, environment, config)

    assert found == Settings(0.1, bundle=Path("/environment"), timeout=3.0)


def test_an_empty_variable_is_no_value() -> None:
    assert loaded(environment={"MERGEBERT_MAX_ERROR": "", "MERGEBERT_BUNDLE": ""}) == Settings()


def test_a_bundle_may_lie_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert loaded(config={"mergebert.bundle": "~/bundle"}).bundle == Path("/home/someone/bundle")


@pytest.mark.parametrize("value", ["", "five", "-0.1", "1.5", "nan", "inf", "5%"])
def test_a_bad_share_of_errors_says_where_it_stands(value: str) -> None:
    with pytest.raises(InputError, match=r"--max-error is .* from 0 to 1"):
        loaded({"max_error": value})


def test_a_bad_value_in_git_config_names_its_key() -> None:
    with pytest.raises(InputError, match=r"mergebert\.maxError in git config is 'high'"):
        loaded(config={"mergebert.maxerror": "high"})


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf", "1e10", "1e-9"])
def test_a_bad_timeout(value: str) -> None:
    with pytest.raises(InputError, match=r"MERGEBERT_TIMEOUT is .* seconds from 0.001 to 86400"):
        loaded(environment={"MERGEBERT_TIMEOUT": value})


def test_git_config_is_read(repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("config", "mergebert.maxError", "0.01")
    monkeypatch.chdir(repository.path)
    monkeypatch.delenv("MERGEBERT_MAX_ERROR", raising=False)

    assert load_settings().max_error == 0.01


def test_outside_of_a_repository_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}) == Settings()


def test_a_folder_of_a_user_who_is_not_there() -> None:
    with pytest.raises(
        InputError, match=r"mergebert.bundle in git config is '~nosuchuser/x': there is no such user"
    ):
        load_settings({}, {}, [("global", "mergebert.bundle", "~nosuchuser/x")])
