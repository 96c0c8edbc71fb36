"""Subword ids of tokens, each token worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mergebert.errors import ModelBundleError

CACHE_LIMIT = 200_000  # tokens; about 20 MB


class SubwordTokenizer:
    """Splits lexer tokens by a tokenizer.json; remembers what it has split."""

    def __init__(self, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # a panic in the library's Rust is no Exception
            raise ModelBundleError(f"{tokenizer} cannot be loaded; install the bundle again.") from error
        self._cache: dict[str, Sequence[int]] = {}

    def __call__(self, token: str) -> Sequence[int]:
        """The subword ids of one token."""
        found = self._cache.get(token)
        if found is None:
            if len(self._cache) >= CACHE_LIMIT:
                self._cache.clear()
            # Lone surrogates stand for bytes that are no UTF-8; the tokenizer takes only valid text.
            clean = token[:200].encode("utf-8", "replace").decode()
            found = self._cache[token] = self._tokenizer.encode(clean, add_special_tokens=False).ids
        return found
