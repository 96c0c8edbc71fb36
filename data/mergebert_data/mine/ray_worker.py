"""What Ray workers run: tasks that may run twice, and checks of the folder that all nodes share."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from mergebert import __version__
from mergebert.errors import GitError
from mergebert.git.command import git_version
from mergebert_data.mine.merge_block import BlockResult, mine_block
from mergebert_data.mine.plan import REPLAY_VERSION, VERSION, MergeBlock

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """The output folder, the same on all nodes: `token` names a file in it that proves it."""

    out: Path
    token: str

    @property
    def mark(self) -> Path:
        """The file that every node must see."""
        return self.out / f".ray-{self.token}"

    def answer(self, node: str) -> Path:
        """The file that a node writes and the computer of the command must see."""
        return self.out / f".ray-{self.token}-{node}"

    @property
    def scratch(self) -> str:
        """The prefix of the scratch folders of a run in the temporary folder of each node."""
        return f"mergebert-{blake2b(bytes(self.out), digest_size=6).hexdigest()}-"

    def unshared(self, node: str) -> str:
        """The error message for a node that has another folder there, or none."""
        return (
            f"Node {node} does not share the folder {self.out}; let OUT be on storage that every node has under "
            "this path and may write to."
        )


def checked_in(folder: SharedFolder, node: str) -> dict[str, str] | str:
    """The versions of this node, or why it cannot mine; writes its file into the folder and removes old scratch folders."""
    sweep(folder)
    try:
        if folder.mark.exists():
            folder.answer(node).touch()
            return versions()
    except OSError:
        pass  # no right to write there: not shared either
    return folder.unshared(socket.gethostname())


def versions() -> dict[str, str]:
    """The versions of all that decides how a merge is mined."""
    try:
        git = ".".join(map(str, git_version()))
    except GitError:
        git = "missing"
    return {"mergebert": __version__, "the miner's format": f"{VERSION}.{REPLAY_VERSION}", "git": git}


def mining_task(
    folder: SharedFolder, function: Callable[[_Item], _Result | str], item: _Item
) -> _Result | str:
    """The result of a function, or why this node cannot give it: nodes that join late have not been checked."""
    if not folder.mark.exists():
        return folder.unshared(socket.gethostname())
    return function(item)


def mined_block(folder: SharedFolder, block: MergeBlock) -> BlockResult:
    """The result of mining one block if it has no shard yet; git replays in a temporary folder of this node."""
    if block.shard.exists():
        return BlockResult(block.count, was_done=True)
    if not Path(block.source.objects).is_dir():
        missing = f"{block.source.git_dir} is not on node {socket.gethostname()}"
        advice = "let every node have the repositories under the same paths and mine again"
        return BlockResult(block.count, failure=f"{block.source.name}: {missing}; {advice}.")
    with tempfile.TemporaryDirectory(prefix=folder.scratch, ignore_cleanup_errors=True) as scratch:
        return mine_block(block, Path(scratch))


def sweep(folder: SharedFolder) -> None:
    """Removes the scratch folders that killed tasks have left on this node."""
    for left in Path(tempfile.gettempdir()).glob(f"{folder.scratch}*"):
        with suppress(OSError):
            shutil.rmtree(left)
