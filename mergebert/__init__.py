"""Resolves git merge conflicts offline, and leaves alone what it is not sure of."""

import os

__version__ = "0.1.0"

# onnxruntime reports home unless it is told not to before it is loaded: it writes into the caches and temporary
# files of the user and looks up names on the network. Here, because this runs before every module of ours.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Where each public name lives: imported when asked for, because `mergebert merge` must start in milliseconds.
_HOMES = {
    "Conflict": "mergebert.text.markers",
    "FileMerge": "mergebert.ranking.evidence",
    "MergebertError": "mergebert.errors",
    "MergedFile": "mergebert.text.markers",
    "Resolver": "mergebert.ranking.resolver",
    "ThreeWay": "mergebert.text.threeway",
    "parse": "mergebert.text.markers",
    "render": "mergebert.text.markers",
}

__all__ = [  # noqa: PLE0604, RUF100
    "Conflict",
    "FileMerge",
    "MergebertError",
    "MergedFile",
    "Resolver",
    "ThreeWay",
    "__version__",
    "parse",
    "render",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mergebert' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
