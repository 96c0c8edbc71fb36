"""Every command and subcommand there is, found from the parsers themselves, and a folder in which each has work to do."""

from __future__ import annotations

import json
from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mergebert import cli
from mergebert_fusion.cli import WORDS
from tests.conftest import Repository
from tests.data.commands.test_mine import conflicting_merges
from tests.data.mined_rows import file_of, mined_folder, numbered
from tests.fusion.models import run_recipe, write_family
from tests.training.tiny_bundle import write_tiny_bundle

MARKED = "a\n<<<<<<< HEAD\nx = 1\n||||||| base\nx = 0\n=======\nx = 2 + y\n>>>>>>> topic\n"
RECIPE = "merge_method: average\nmodels: [{model: a}, {model: b}]\n"
EMR = "merge_method: emr\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"
COMPARISON = """\
base_model: base
models: [{model: a}, {model: b}]
candidates: [{merge_method: average}]
evaluate: score.py:score
"""

# What a person would type in the folder that `filled` fills. Every command has to stand here.
TYPED = {
    "merge": "merge base.py ours.py theirs.py -o merged -p a.py",
    "solve": "solve a.py",
    "suggest": "suggest a.py",
    "install": "install --global",
    "uninstall": "uninstall --global",
    "doctor": "doctor",
    "review": "review",
    "languages": "languages",
    "model info": "model info",
    "model verify": "model verify bundle",
    "mine": "mine owner+name -o out/again -j 1",
    "dataset stats": "dataset stats mined",
    "dataset split": "dataset split mined",
    "dataset dedupe": "dataset dedupe mined",
    "dataset sample": "dataset sample mined -n 3",
    "dataset export": "dataset export mined -o out/exported --no-pictures",
    "dataset card": "dataset card mined -o out/card --no-pictures",
    "dataset manifest": "dataset manifest mined -o manifest.jsonl",
    "dataset rebuild": "dataset rebuild manifest.parquet -r owner+name -o out/rebuilt -j 1",
    "train": "train training.toml --stage tokenizer",
    "evaluate": "evaluate mined --bundle bundle -j 1 --json figures.json",
    "export": "export training.toml -o out/bundle",
    "fuse": "fuse recipe.yaml -o out/fused",
    "fuse list": "fuse list",
    "fuse explain": "fuse explain ties",
    "fuse compare": "fuse compare compare.yaml -o out/compared",
    "fuse restore": "fuse restore emr b -o out/restored",
}


@cache
def parsers() -> dict[str, ArgumentParser]:
    """The parser of every command and subcommand but `merge`, which parses by itself, by what is typed."""
    return {name: parser for command in cli.COMMANDS for name, parser in _parsers(command)}


def _parsers(command: str) -> Iterator[tuple[str, ArgumentParser]]:
    if command == "merge":
        return
    parser = cli._parser(command)
    cli._functions(cli.COMMANDS[command][0])[0](parser)
    inner = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not inner:
        yield command, parser
    for action in inner:
        yield from ((f"{command} {name}", one) for name, one in action.choices.items())
    if command == "fuse":
        yield from ((f"{command} {word}", parser) for word in WORDS)


def options(name: str) -> list[Action]:
    """The options of a command that take a value."""
    parser = parsers().get(name)
    return [one for one in parser._actions if one.option_strings and one.nargs != 0] if parser else []


def filled(folder: Path) -> Path:
    """The folder, with everything in it that `TYPED` names."""
    for name, text in (
        ("base.py", "x = 0\n"),
        ("ours.py", "x = 1\n"),
        ("theirs.py", "x = 2 + y\n"),
        ("a.py", MARKED),
    ):
        (folder / name).write_text(text)
    (folder / "out").mkdir()
    repository = Repository(folder / "owner+name")
    repository.path.mkdir()
    repository.git("init", "--quiet")
    conflicting_merges(repository, 1)
    write_tiny_bundle(folder / "bundle")
    repositories = ("own/train", "own/development", "own/test")
    files = [file_of(name, [numbered(at)], merge=at) for at, name in enumerate(repositories)]
    mined_folder(folder / "mined", files, {name: name.partition("/")[2] for name in repositories})
    assert (
        cli.main(["dataset", "manifest", str(folder / "mined"), "-o", str(folder / "manifest.parquet")]) == 0
    )
    write_family(folder, 2)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "compare.yaml").write_text(COMPARISON)
    (folder / "score.py").write_text("def score(folder, task):\n    return 0.5\n")
    run_recipe(EMR, folder, folder / "emr")
    texts = {"examples": str(folder / "mined"), "workspace": str(folder / "work")}
    lines = [f"{name} = {json.dumps(text)}\n" for name, text in texts.items()]
    (folder / "training.toml").write_text("".join(lines))
    return folder
