"""`mergebert install` and `mergebert uninstall`: the merge driver registered with git, and that taken back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mergebert.driver.registration import install, scope_of, uninstall


def add_install_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert install`."""
    _add_scope(parser)


def add_uninstall_arguments(parser: ArgumentParser) -> None:
    """The arguments of `mergebert uninstall`."""
    _add_scope(parser)


def run_install(arguments: Namespace) -> int:
    """The exit code of `mergebert install`."""
    scope = scope_of(arguments.scope, Path.cwd())
    install(scope)
    where = "all your repositories" if scope.is_global else f"the repository {scope.folder}"
    print(f"git now merges with mergebert in {where}; `mergebert doctor` checks it, `uninstall` ends it.")
    return 0


def run_uninstall(arguments: Namespace) -> int:
    """The exit code of `mergebert uninstall`."""
    scope = scope_of(arguments.scope, Path.cwd())
    where = "all your repositories" if scope.is_global else f"the repository {scope.folder}"
    found = uninstall(scope)
    print(
        f"git no longer merges with mergebert in {where}."
        if found
        else f"mergebert was not installed in {where}."
    )
    return 0


def _add_scope(parser: ArgumentParser) -> None:
    scope = parser.add_mutually_exclusive_group()
    for flag, where in (
        ("--global", "for all your repositories"),
        ("--local", "for the repository you are in"),
    ):
        scope.add_argument(flag, dest="scope", action="store_const", const=flag, help=where)
