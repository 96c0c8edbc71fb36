"""A real server with a bundle made to harm: the conflicts are shown, the reason is said, the machine keeps its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mergebert.ranking.limits import MEMORY
from tests.lsp.editor import Editor, editor
from tests.lsp.server.test_handlers import TEXT, URI, children_of
from tests.mergebert.ranking.test_hostile_bundle import write_large
from tests.mergebert.tiny_bundle import write_bundle

pytestmark = pytest.mark.asyncio


def limits_of(one: Editor) -> list[str]:
    """The limits of the worker, a line each."""
    [worker] = children_of(one)
    return Path(f"/proc/{worker}/limits").read_text(encoding="utf-8").split("\n")


async def test_a_model_that_wants_all_memory_gets_none_of_it(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, {"network share": 9.0}, classes={"lines:theirs": 6.0})
    write_large(bundle)
    async with editor(options={"bundle": str(bundle)}) as one:
        one.open(URI, "x = 1\n")
        one.change(URI, TEXT)
        await one.settled(conflicts=3)
        one.change(URI, TEXT + "# more\n")
        await one.settled(conflicts=3)
        [limit] = [line.split()[3] for line in limits_of(one) if line.startswith("Max data size")]

    [said] = one.messages
    assert "more memory" in said
    assert MEMORY <= int(limit) < 2 * MEMORY
