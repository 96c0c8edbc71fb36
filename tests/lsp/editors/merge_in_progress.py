"""A merge that stopped at conflicts, and the language server of this checkout as an editor finds it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mergebert.cli import main
from tests.conftest import Repository

ROOT = Path(__file__).resolve().parent.parent.parent.parent
EDITORS = ROOT / "lsp" / "editors"
HERE = Path(__file__).resolve().parent

Step = tuple[int, str, int]  # a line, what is done there, and how many conflicts are left then

BASE = """\
def total(items):
    return sum(items)


def count(box):
    return len(box)


def label(item):
    return item.name
"""
OURS = """\
def total(items):
    return sum(items, start=0)


def count(box):
    return len(box)


def label(item):
    return item.name.title()
"""
THEIRS = """\
def total(values):
    return sum(values)


def count(box):
    return len(box)


def label(item):
    return item.name.strip()
"""
# What stands in the file once the first conflict is THEIRS and the second one OURS.
FIRST_THEIRS = """\
def total(values):
    return sum(values)


def count(box):
    return len(box)


def label(item):
    return item.name.title()
"""


CONFLICT = re.compile(r"^<{7} .*?^>{7} [^\n]*\n", re.DOTALL | re.MULTILINE)

# The worker is a process of its own and finds the checkout by PYTHONPATH.
_SERVER = """\
#!{python} -P
import os, sys
sys.path[:0] = {paths!r}
os.environ["PYTHONPATH"] = os.pathsep.join({paths!r})
from mergebert_lsp.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Merge:
    """A repository in the middle of a merge of `theirs` into `main`, and one file in conflict."""

    repository: Repository
    file: Path

    @property
    def text(self) -> str:
        """The file as it stands, line endings untouched."""
        return self.file.read_bytes().decode("utf-8")


def coming_merge(repository: Repository, ending: str = "\n") -> Merge:
    """A repository on `main` that will conflict twice in one file when `theirs` is merged."""
    base, ours, theirs = ({"app.py": text.replace("\n", ending)} for text in (BASE, OURS, THEIRS))
    repository.diverge(base, ours, theirs)
    return Merge(repository, repository.path / "app.py")


def stopped_merge(repository: Repository, ending: str = "\n") -> Merge:
    """A real `git merge` that stopped at two conflicts of one file."""
    merge = coming_merge(repository, ending)
    done = repository.run("merge", "theirs")
    assert done.returncode == 1, f"the merge did not stop: {done.stdout}{done.stderr}"
    assert merge.text.count("<<<<<<< HEAD") == 2
    return merge


def suggested(merge: Merge, count: int) -> str:
    """The file with its first `count` conflicts as `mergebert suggest` ranks them, the others untouched."""
    out = io.StringIO()
    with contextlib.chdir(merge.repository.path), contextlib.redirect_stdout(out):
        assert main(["suggest", merge.file.name, "--json"]) == 0
    text = merge.text
    for conflict in json.loads(out.getvalue())["conflicts"][:count]:
        best = conflict["candidates"][0]["text"]
        text = CONFLICT.sub(best.replace("\\", r"\\"), text, count=1)
    return text


def server_on_path(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a `mergebert-lsp` of this checkout first on its search path."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "mergebert-lsp"
    script.write_text(_SERVER.format(python=sys.executable, paths=[str(ROOT), str(ROOT / "lsp")]), "utf-8")
    script.chmod(0o755)
    return {**environment, "PATH": f"{folder}:{environment['PATH']}"}
