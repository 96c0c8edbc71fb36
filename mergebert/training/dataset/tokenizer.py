"""The subword vocabulary: byte-level BPE over the tokens of our own lexers, trained on mined code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from mergebert.ranking.columns import SPECIAL_TOKENS
from mergebert.text.languages import by_name
from mergebert.text.tokens import is_space, tokenize


def trained_tokenizer(texts: Iterable[tuple[str, str]], vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer of `vocabulary` entries learnt from (language name, text) pairs; no token is unknown to it."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS[-1]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=24,
    )
    tokenizer.train_from_iterator(_words(texts), trainer)
    return tokenizer


def save(tokenizer: Tokenizer, path: Path) -> None:
    """Writes tokenizer.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def _words(texts: Iterable[tuple[str, str]]) -> Iterator[list[str]]:
    for name, text in texts:
        yield [
            token.encode("utf-8", "replace").decode()
            for token in tokenize(text, by_name(name))
            if not is_space(token)
        ]
