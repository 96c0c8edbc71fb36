"""Shared fixtures: an isolated git, repositories made on the spot, and the bundle that ships."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

GIT_CONFIG = """\
[user]
\tname = Test Person
\temail = test@example.org
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
[commit]
\tgpgSign = false
[gc]
\tauto = 0
"""


@pytest.fixture(autouse=True)
def isolated_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder git sees in this test: nothing of the person or machine that runs the tests."""
    return _isolated(monkeypatch, tmp_path_factory)


@pytest.fixture(autouse=True, scope="session")
def isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for the fixtures that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        _isolated(patch, tmp_path_factory)
        yield


def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new home folder, which is the current one too: in the checkout git reads the settings of its repository."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.chdir(home)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    config = home / ".gitconfig"
    config.write_text(GIT_CONFIG, encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return home


@dataclass(frozen=True)
class Repository:
    """A git repository for one test."""

    path: Path

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What `git ARGUMENTS` answered in this repository, whatever its exit code."""
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=None if env is None else {**os.environ, **env},
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
        )

    def git(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """What `git ARGUMENTS` printed, without the last newline; the test fails when git does."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, f"git {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout.removesuffix("\n")

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Puts these files into the work tree, byte for byte."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))

    def read(self, name: str) -> bytes:
        """The bytes of a file of the work tree."""
        return (self.path / name).read_bytes()

    def commit(self, message: str, files: Mapping[str, str | bytes] | None = None) -> str:
        """The id of a new commit of everything in the work tree, after writing `files`."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def diverge(
        self,
        base: Mapping[str, str | bytes],
        ours: Mapping[str, str | bytes],
        theirs: Mapping[str, str | bytes],
    ) -> None:
        """Commits `base` and `ours` on the current branch and `theirs` on a branch of that name."""
        self.commit("base", base)
        self.git("branch", "theirs")
        self.commit("ours", ours)
        branch = self.git("rev-parse", "--abbrev-ref", "HEAD")
        self.git("checkout", "--quiet", "theirs")
        self.commit("theirs", theirs)
        self.git("checkout", "--quiet", branch)


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Repository]:
    """A function that makes an empty repository (branch `main`) of a given name."""

    def repository(name: str = "repository", *, bare: bool = False) -> Repository:
        path = tmp_path / name
        path.mkdir(parents=True)
        made = Repository(path)
        made.git("init", "--quiet", *(["--bare"] if bare else []))
        return made

    return repository


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    """One empty repository on branch `main`."""
    return make_repository()


@pytest.fixture
def conflicted_repository(repository: Repository) -> Repository:
    """A repository whose branch `theirs` conflicts with `main` in `app.py`; nothing is merged yet."""
    base = "def total(items):\n    return sum(items)\n"
    ours = "def total(items):\n    return sum(items, start=0)\n"
    theirs = "def total(values):\n    return sum(values)\n"
    repository.diverge({"app.py": base}, {"app.py": ours}, {"app.py": theirs})
    return repository


@pytest.fixture(scope="session")
def shipped_bundle() -> Path:
    """The folder of the bundle that ships; tests/test_packaging.py is what fails when it is missing."""
    from mergebert.ranking.bundle import default_bundle_path

    folder = default_bundle_path()
    if not (folder / "bundle.json").is_file():
        pytest.skip("no bundle in this checkout")
    return folder


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The top folder of the checkout."""
    return Path(__file__).resolve().parent.parent
