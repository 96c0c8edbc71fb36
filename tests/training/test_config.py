from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from mergebert.errors import InputError
from mergebert.training.config import TrainConfig, load_config

SHIPPED = Path(__file__).parents[2] / "mergebert" / "training" / "configs" / "columns.toml"
NEEDED = 'examples = "a"\nworkspace = "b"\n'


def loaded(folder: Path, text: str) -> TrainConfig:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    assert loaded(tmp_path, NEEDED) == TrainConfig(Path("a"), Path("b"))


def test_every_setting_can_be_said(tmp_path: Path) -> None:
    def lines(values: dict[str, Any]) -> str:
        return "".join(
            f"{name} = {str(one)!r}\n" if isinstance(one, str | Path) else f"{name} = {one}\n"
            for name, one in values.items()
        )

    wanted = TrainConfig(Path("a"), Path("b"), shared=Path("c"), grades="ab")
    tables = {name: one for name, one in asdict(wanted).items() if isinstance(one, dict)}
    text = lines({name: one for name, one in asdict(wanted).items() if name not in tables})
    for name, values in tables.items():
        text += f"[{name}]\n" + lines(values)
    assert loaded(tmp_path, text) == wanted


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    assert loaded(tmp_path, NEEDED + "[network]\nepochs = 3\n").network.epochs == 3.0


def test_the_shipped_configuration_can_be_read() -> None:
    assert load_config(SHIPPED).folds == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('examples = "a"\n', "does not say `workspace`"),
        (
            NEEDED + "[model]\nwide = 3\n",
            r"sets wide, which is no setting under \[model\]; did you mean width\?",
        ),
        (NEEDED + "speed = 3\n", "sets speed, which is no setting"),
        (NEEDED + "[networks]\n", "sets networks, which is no setting; did you mean network\\?"),
        ("examples = \n", "cannot be read as a training configuration"),
        (NEEDED + 'folds = "two"\n', "wrong value: expected `int`, got `str` at `folds`; correct it"),
        (NEEDED + "folds = 2.5\n", "wrong value: expected `int`, got `float` at `folds`; correct it"),
        (NEEDED + "folds = true\n", "wrong value: expected `int`, got `bool` at `folds`; correct it"),
        (
            NEEDED + '[network]\nlearning_rate = "fast"\n',
            "expected `float`, got `str` at `network.learning_rate`",
        ),
        (NEEDED + "model = 3\n", "expected `object`, got `int` at `model`"),
        (NEEDED + 'grades = "abe"\n', "at `grades`"),
        (NEEDED + "folds = 1\n", "expected `int` >= 2 at `folds`"),
        (NEEDED + "seed = -1\n", "expected `int` >= 0 at `seed`"),
        (NEEDED + "tokenizer_files = -3\n", "expected `int` >= 1 at `tokenizer_files`"),
        (NEEDED + "repositories = -0.5\n", "expected `float` > 0.0 at `repositories`"),
        (NEEDED + "repositories = nan\n", "at `repositories`"),
        (NEEDED + "[model]\nvocabulary = -5\n", "expected `int` >= 1 at `model.vocabulary`"),
        (NEEDED + "[model]\nwidth = 100\nheads = 7\n", "width 100 is no multiple of heads 7 at `model`"),
        (NEEDED + "[network]\nepochs = -2.0\n", "expected `float` > 0.0 at `network.epochs`"),
        (NEEDED + "[ranker]\nthreads = 0\n", "expected `int` >= 1 at `ranker.threads`"),
        ('examples = 3\nworkspace = "b"\n', "at `examples`"),
    ],
)
def test_a_wrong_configuration_is_told(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as told:
        loaded(tmp_path, text)
    assert "\n" not in str(told.value) or "TOML" in str(told.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "nowhere.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "odd.toml")


def test_a_name_of_thousands_of_parts_is_not_read(tmp_path: Path) -> None:
    """Reading it takes memory with the square of their number: with 40,000 six gigabytes."""
    with pytest.raises(InputError, match="more than 20 kB"):
        loaded(tmp_path, NEEDED + "a." * 20_000 + "b = 1\n")


VALUES = (
    "inf",
    "nan",
    "-inf",
    "0",
    "-1",
    "1" + "0" * 400,
    "1e400",
    "true",
    '"x"',
    "[[1]]",
    "{a=1}",
    '"\\u0000"',
    "1979-05-27",
)
NAMES = ("examples", "shared", "folds", "grades", "model", "network.epochs", "model.width", "pretrain.start")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", NAMES)
def test_any_value_anywhere_is_read_or_refused_in_a_sentence(name: str, value: str, tmp_path: Path) -> None:
    said = {"examples": '"a"', "workspace": '"b"', name: value}
    try:
        read = loaded(tmp_path, "".join(f"{one} = {text}\n" for one, text in said.items()))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isfinite(read.network.epochs)
        assert "\0" not in str(read.examples)


def test_a_file_nested_or_going_on_without_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        loaded(tmp_path, "a = " + "[" * 10_000)
    with pytest.raises(InputError, match="cannot be read"):
        load_config(Path("/dev/zero"))
