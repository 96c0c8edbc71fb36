"""The command `mergebert-lsp`: speaks the language server protocol on the standard streams."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from io import BufferedIOBase
from typing import cast

from mergebert import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of `mergebert-lsp`: 1 where the client went away without a `shutdown`."""
    parser = argparse.ArgumentParser(prog="mergebert-lsp", description=__doc__)
    parser.add_argument("--log", metavar="FILE", help="write what happens to FILE")
    parser.add_argument("--stdio", action="store_true", help="the only way to talk there is, and the default")
    parser.add_argument("--version", action="version", version=f"mergebert-lsp {__version__}")
    asked = parser.parse_args(arguments)
    try:
        from mergebert_lsp.server.handlers import server
        from mergebert_lsp.server.life import UnblockedError, end_with_signals
        from mergebert_lsp.server.streams import BoundedInput, UnheardOutput
    except ImportError as error:
        print(f"mergebert-lsp needs {error.name}: pip install 'mergebert[lsp]'", file=sys.stderr)
        return 2
    if os.name == "posix":
        sys.stderr = UnblockedError()
    try:
        handler = logging.FileHandler(asked.log) if asked.log else logging.StreamHandler()
    except OSError as error:
        print(f"{asked.log} cannot be written: {error.strerror}; name another file.", file=sys.stderr)
        return 2
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if asked.log else logging.WARNING)
    made = server()
    end_with_signals(made.session.close)
    stdin = BoundedInput(cast(BufferedIOBase, sys.stdin.buffer))
    asyncio.run(made.serve(stdin, UnheardOutput(sys.stdout.buffer)))
    return 0 if made.protocol.was_shut_down else 1
