"""The `mergebert` command: a table of commands, each imported only when it is typed.

`merge` is called by git once a conflicted file, so the way to it imports nothing but the driver.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself costs milliseconds
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
    from typing import TextIO

# name: (module[:command], what it does, example). A module holds `add_arguments(parser)` and `run(arguments)`
# that gives the exit code; one that serves several commands is followed by a colon and the command, and
# holds `add_<command>_arguments` and `run_<command>`.
COMMANDS = {
    "merge": (
        "mergebert.driver.merge",
        "merge three versions of one file; what git calls as merge driver",
        "mergebert merge base.py ours.py theirs.py -o merged.py -p src/app.py",
    ),
    "solve": (
        "mergebert.commands.solve",
        "resolve the conflicts it is sure of in files that hold conflict markers",
        "mergebert solve -i src/app.py src/view.py",
    ),
    "suggest": (
        "mergebert.commands.suggest",
        "show ranked resolutions of each conflict and change nothing",
        "mergebert suggest -k 5 src/app.py",
    ),
    "install": (
        "mergebert.commands.install:install",
        "register the merge driver and the mergetool with git",
        "mergebert install --global",
    ),
    "uninstall": (
        "mergebert.commands.install:uninstall",
        "take back what install registered",
        "mergebert uninstall --global",
    ),
    "doctor": (
        "mergebert.commands.doctor",
        "check that git finds and runs the driver",
        "mergebert doctor",
    ),
    "review": (
        "mergebert.commands.review",
        "show what the driver did, and undo it",
        "mergebert review",
    ),
    "languages": (
        "mergebert.commands.languages",
        "list the languages known by file name",
        "mergebert languages --gitattributes >> .gitattributes",
    ),
    "model": (
        "mergebert.commands.model",
        "describe or verify the model bundle",
        "mergebert model verify",
    ),
    "mine": (
        "mergebert_data.commands.mine",
        "replay the merges of local repositories into examples",
        "mergebert mine ../project -o out/mined",
    ),
    "dataset": (
        "mergebert_data.commands.dataset",
        "count, split, clean, read, publish and rebuild mined examples",
        "mergebert dataset stats out/mined",
    ),
    "train": (
        "mergebert.training.cli:train",
        "train the classifier and the ranker",
        "mergebert train training.toml",
    ),
    "evaluate": (
        "mergebert.training.cli:evaluate",
        "measure a bundle on a dataset, beside its baselines",
        "mergebert evaluate out/dataset",
    ),
    "export": (
        "mergebert.training.cli:export",
        "write a bundle from a training run, after proving it equal",
        "mergebert export training.toml -o out/bundle",
    ),
    "fuse": (
        "mergebert_fusion.cli",
        "merge the weights of several checkpoints into one model",
        "mergebert fuse recipe.yaml -o out/fused",
    ),
}

# The extra that brings what a command imports beyond the package's own requirements.
EXTRAS = {
    "mine": "data",
    "dataset": "data",
    "train": "train",
    "evaluate": "train",
    "export": "train",
    "fuse": "fuse",
}

INTERRUPTED, BROKEN_PIPE, UNUSABLE = 130, 141, 2


def main(argv: list[str] | None = None) -> int:
    """The exit code of the command line `argv` (the program's own when None)."""
    arguments = sys.argv[1:] if argv is None else argv
    _fill_closed_streams()
    if sys.stdout is None and arguments[:1] != ["merge"]:
        return _refuse(
            "mergebert", "standard output is closed; open it, with >/dev/null where nobody reads it."
        )
    try:
        return _flushed(_dispatch(arguments))
    except KeyboardInterrupt:
        return _flushed(INTERRUPTED)
    except BrokenPipeError:
        return _flushed(BROKEN_PIPE)
    except OSError as error:  # of a command's own files it has spoken itself
        return _flushed(_refuse("mergebert", f"standard output: {error.strerror}."))


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["merge"]:
        from mergebert.driver import merge as driver

        return driver.main(arguments[1:])
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if arguments else UNUSABLE
    if arguments[0] in ("-V", "--version"):
        from mergebert import __version__

        print(f"mergebert {__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        return _refuse("mergebert", f"there is no command {arguments[0]!r}{_nearest(arguments[0])}.")
    return _run(arguments[0], arguments[1:])


def _run(name: str, arguments: list[str]) -> int:
    """The exit code of one command; every error a user can cause is one sentence."""
    from mergebert.errors import MergebertError
    from mergebert.terminal import one_line  # noqa: F401 - where no file can be opened any more it is too late

    try:
        if {"GIT_DIR", "GIT_PREFIX", "GIT_WORK_TREE"} & os.environ.keys():
            from mergebert.git.inherited import settle_inherited

            settle_inherited()
        add_arguments, run = _functions(COMMANDS[name][0])
        parser = _parser(name)
        add_arguments(parser)
        # File content may hold what the terminal's encoding cannot say; that must not end a command.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        return run(parser.parse_args(arguments))
    except SystemExit as stop:  # argparse ends --help and its own errors this way
        return stop.code if isinstance(stop.code, int) else UNUSABLE if stop.code else 0
    except MergebertError as error:
        return _refuse(f"mergebert {name}", str(error))
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("mergebert"):
            raise
        if missing and isinstance(error, ModuleNotFoundError):
            return _refuse(f"mergebert {name} needs {missing}", f"pip install '{_requirement(name)}'")
        return _refuse(f"mergebert {name}", f"a library cannot be loaded: {_origin(error)}")
    except BrokenPipeError:
        raise
    except OSError as error:
        code = _refuse(f"mergebert {name}", _sentence(error))
        _unprintable(sys.stdout)  # where that was what failed it has been said
        return code
    except MemoryError:
        return _refuse(f"mergebert {name}", "there is not enough memory for this.")


def _functions(home: str) -> "tuple[Callable[[ArgumentParser], None], Callable[[Namespace], int]]":
    """The two functions behind a table entry; this is where a command's module is imported."""
    import importlib

    module, _, command = home.partition(":")
    names = (f"add_{command}_arguments", f"run_{command}") if command else ("add_arguments", "run")
    loaded = importlib.import_module(module)
    return getattr(loaded, names[0]), getattr(loaded, names[1])


def _parser(name: str) -> "ArgumentParser":
    import argparse

    _, summary, example = COMMANDS[name]
    return argparse.ArgumentParser(
        prog=f"mergebert {name}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _overview() -> str:
    rows = "\n".join(f"  {name:<10} {summary}" for name, (_, summary, _) in COMMANDS.items())
    return (
        "usage: mergebert COMMAND [OPTIONS]\n\n"
        "Resolves git merge conflicts offline, and leaves alone what it is not sure of.\n\n"
        f"commands:\n{rows}\n\n"
        "`mergebert COMMAND --help` explains one command; `mergebert --version` prints the version.\n\n"
        f"example:\n  {COMMANDS['solve'][2]}"
    )


def _nearest(typed: str) -> str:
    import difflib

    near = difflib.get_close_matches(typed, COMMANDS, n=1)
    return f"; did you mean {near[0]!r}?" if near else "; `mergebert --help` lists them"


def _requirement(name: str) -> str:
    return f"mergebert[{EXTRAS[name]}]" if name in EXTRAS else "mergebert"


def _origin(error: BaseException) -> str:
    """The first line of what went wrong first: libraries pass on a failure to load with pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0].removesuffix(".") + "."


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None and isinstance(error, FileNotFoundError):
        return "the current folder was deleted; go to another one."
    return f"{error.filename}: {reason}." if error.filename is not None else f"{reason}."


def _refuse(who: str, why: str) -> int:
    from contextlib import suppress

    from mergebert.terminal import one_line

    with suppress(OSError):  # nobody listens
        print(one_line(f"{who}: {why}"), file=sys.stderr)
    return UNUSABLE


def _fill_closed_streams() -> None:
    """Opens what the caller closed, or the next file opened would be taken for standard output; it takes no writes."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _flushed(code: int) -> int:
    """The exit code once all is printed: that of an unusable output where it takes no more."""
    failure = _unprintable(sys.stdout)
    if failure is not None:
        is_unread = isinstance(failure, BrokenPipeError)
        code = BROKEN_PIPE if is_unread else _refuse("mergebert", f"standard output: {failure.strerror}.")
    _unprintable(sys.stderr)
    return code


def _unprintable(stream: "TextIO | None") -> OSError | None:
    """Why a stream does not take what is buffered for it, which is forgotten then; None where it does."""
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        _forget(stream)
        return error
    return None


def _forget(stream: "TextIO") -> None:
    """Sends what is still buffered for a stream that takes nothing to nowhere: Python would complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
