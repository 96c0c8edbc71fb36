"""Makes a repository whose two branches conflict, merges them with mergebert, and shows what happened.

The three versions of that repository lie in demo/repository/{base,ours,theirs}: a file added there takes
part in the merge. Run it with the Python of an environment that has mergebert installed (`make demo` does).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS = HERE / "repository"
OUT = HERE.parent / "out" / "demo"
SHOP = OUT / "shop"
MERGEBERT = str(Path(sysconfig.get_path("scripts")) / "mergebert")


@dataclass(frozen=True)
class Outcome:
    """One conflict, the resolution mergebert ranks first, and whether it was sure enough to apply it."""

    path: str
    sides: dict[str, str]
    best: str
    confidence: float
    pattern: str
    accepted: bool


def environment() -> dict[str, str]:
    """The environment of every command here: nobody's own git settings take part or are changed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MERGEBERT"))}
    home = {"HOME": str(OUT / "home"), "XDG_CONFIG_HOME": str(OUT / "home" / ".config")}
    data = {"XDG_DATA_HOME": str(OUT / "home" / ".data"), "XDG_STATE_HOME": str(OUT / "home" / ".state")}
    return {**clean, **home, **data, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}


def run(*command: str) -> str:
    """What the command printed on standard output; the demo ends where it fails."""
    done = _started(command, subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def show_run(*command: str) -> None:
    """Prints a command as typed and all that it prints, whatever its exit code."""
    print("\n$ " + " ".join([Path(command[0]).name, *command[1:]]))
    print(_started(command, subprocess.STDOUT).stdout, end="")


def _started(command: tuple[str, ...], stderr: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=SHOP,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        check=False,
    )


def commit(version: str, message: str, written: str) -> None:
    """Puts one of the three versions into the work tree and commits it, as written at this time."""
    # copyfile, because the dates of the originals would hide a change of equal length from git
    shutil.copytree(VERSIONS / version, SHOP, copy_function=shutil.copyfile, dirs_exist_ok=True)
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", message, f"--date={written}")


def make_repository() -> None:
    """An empty folder becomes a repository with a branch `feature` that conflicts with `main`."""
    shutil.rmtree(OUT, ignore_errors=True)
    SHOP.mkdir(parents=True)
    (OUT / "home").mkdir()
    run("git", "init", "--quiet")
    run("git", "symbolic-ref", "HEAD", "refs/heads/main")
    run("git", "config", "user.name", "Demo")
    run("git", "config", "user.email", "demo@example.org")
    commit("base", "A small shop", "9 days ago")
    run("git", "branch", "feature")
    commit("ours", "Work on main", "2 days ago")
    run("git", "checkout", "--quiet", "feature")
    commit("theirs", "Work on the feature", "1 day ago")
    run("git", "checkout", "--quiet", "main")


def outcomes() -> list[Outcome]:
    """What became of each conflict: what `mergebert review` says was applied, and the best that `suggest` has for the rest."""
    found = []
    for entry in json.loads(run(MERGEBERT, "review", "--json")):
        for change in entry["changes"]:
            best = (change["after"], change["confidence"], change["pattern"])
            found.append(Outcome(entry["path"], change["sides"], *best, accepted=True))
    for path in run("git", "diff", "--name-only", "--diff-filter=U").splitlines():
        for conflict in json.loads(run(MERGEBERT, "suggest", "--json", path))["conflicts"]:
            best = conflict["candidates"][0]
            facts = (best["text"], best["confidence"], best["pattern"])
            found.append(Outcome(path, conflict, *facts, accepted=False))
    return sorted(found, key=lambda one: one.path)


def indented(text: str) -> str:
    """The text as a quotation."""
    return (
        "".join(f"    | {line}\n" for line in text.removesuffix("\n").split("\n"))
        if text
        else "    | (nothing)\n"
    )


def show(outcome: Outcome) -> None:
    """Prints one conflict before and after."""
    verdict = "applied" if outcome.accepted else "left as an ordinary git conflict"
    print(f"\n=== {outcome.path}: {verdict} ===")
    for side in ("ours", "base", "theirs"):
        print(f"  before, {side}:\n{indented(outcome.sides[side])}", end="")
    after = "after" if outcome.accepted else "best suggestion"
    print(f"  {after}, confidence {outcome.confidence:.0%}, pattern {outcome.pattern}:")
    print(indented(outcome.best), end="")


def check(found: list[Outcome]) -> None:
    """Ends the demo with a sentence where the work tree disagrees with what was announced."""
    for outcome in found:
        text = (SHOP / outcome.path).read_text(encoding="utf-8")
        if outcome.accepted and outcome.best not in text:
            sys.exit(f"{outcome.path} does not hold the resolution that mergebert announced.")
        if not outcome.accepted and "<<<<<<< " not in text:
            sys.exit(f"{outcome.path} lost the conflict that mergebert meant to leave.")
    if not any(outcome.accepted for outcome in found):
        sys.exit("The bundle was not sure enough of any conflict of the demo.")


def main() -> None:
    """The whole demo."""
    make_repository()
    print(f"A repository whose branches conflict: {os.path.relpath(SHOP)}")
    show_run(MERGEBERT, "install", "--local")
    # One in ten may be wrong, instead of the cautious default: a demo should have something to show.
    show_run("git", "config", "mergebert.maxError", "0.1")
    show_run("git", "merge", "feature")
    found = outcomes()
    check(found)
    for outcome in found:
        show(outcome)
    for path in dict.fromkeys(outcome.path for outcome in found if not outcome.accepted):
        show_run(MERGEBERT, "suggest", path)
    applied = sum(outcome.accepted for outcome in found)
    print(f"\n{applied} of {len(found)} conflicts resolved; look around in {os.path.relpath(SHOP)}")


if __name__ == "__main__":
    main()
