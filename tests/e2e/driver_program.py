"""The real `mergebert` with a model a test can foresee: a console script that differs in one module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_SCRIPT = """\
#!{python} -P
import sys
sys.path.insert(0, {root!r})
import os, signal, time, types
from mergebert.ranking.resolution import RankedConflict, Resolution
from mergebert.tiers import Tier

fake = types.ModuleType("mergebert.ranking.resolver")

class Resolver:
    @classmethod
    def load(cls, bundle=None, threads=1):
        {behaviour}
        return cls()

    def rank(self, files, budgets=None, answers=None, wanted=None):
        return [[self.ranked(conflict) for conflict in file.merged.conflicts] for file in files]

    def ranked(self, conflict):
        text = conflict.sides.theirs
        tier = Tier.SUGGESTED if "unsure" in text else Tier.APPLIED
        return RankedConflict(conflict, (Resolution(text, "b", "lines", 0.97),), tier)

fake.Resolver = Resolver
sys.modules["mergebert.ranking.resolver"] = fake
from mergebert.cli import main
sys.exit(main())
"""


def driver_program(folder: Path, behaviour: str = "pass") -> Path:
    """A `mergebert` that takes theirs unless that says "unsure"; `behaviour` runs as its model loads."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "mergebert"
    script.write_text(
        _SCRIPT.format(python=sys.executable, root=str(ROOT), behaviour=behaviour), encoding="utf-8"
    )
    script.chmod(0o755)
    return script


def plain_program(folder: Path) -> Path:
    """The `mergebert` of this checkout as a console script."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "mergebert"
    lines = f"#!{sys.executable} -P\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
    script.write_text(f"{lines}from mergebert.cli import main\nsys.exit(main())\n", encoding="utf-8")
    script.chmod(0o755)
    return script


def line_merge(
    versions: tuple[bytes, bytes, bytes],
    folder: Path,
    *options: str,
    labels: tuple[str, str, str] = ("base", "ours", "theirs"),
) -> tuple[int, bytes]:
    """The oracle: what `git merge-file` makes of base, ours and theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(("base", "ours", "theirs"), versions, strict=True):
        (folder / name).write_bytes(content)
    names = ["-L", labels[1], "-L", labels[0], "-L", labels[2]]
    done = subprocess.run(
        ["git", "merge-file", "-p", "-q", *options, *names, "ours", "base", "theirs"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout
