"""What the subcommands of `mergebert dataset` share: the facts of a mined folder, progress over its files, and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mergebert.strict_json import json_text
from mergebert_data.commands.progress import progress, waiting
from mergebert_data.dataset.repositories import RepositoryFacts, facts_on_disk, read_facts, write_facts
from mergebert_data.dataset.store import opened


@contextmanager
def file_progress(out: Path) -> Iterator[Callable[[int], object]]:
    """A progress bar over the files of a mined folder."""
    with opened(out) as file:
        total = file.metadata.num_rows
    with progress("files", total) as advance:
        yield advance


def updated_facts(out: Path, repositories: Sequence[Path]) -> dict[str, RepositoryFacts]:
    """The facts that a mined folder keeps of its repositories, after reading those of the ones given."""
    facts = read_facts(out)
    if repositories:
        with waiting("asking the repositories"):
            facts |= facts_on_disk(repositories)
        write_facts(out, facts)
    return facts


def print_json(value: Any) -> None:
    """Prints a value for programs."""
    print(json_text(value, indent=1))
