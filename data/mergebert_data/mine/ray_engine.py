"""The Ray engine: repositories and blocks of merges as tasks of a Ray cluster, given or started for the run.

A node is a computer of the cluster, a worker one of its processes, as in Ray. A task may run twice, even on two nodes: a
shard is written whole or not at all, and a block that has one is done. So a lost worker or node costs the blocks that it
was mining, and no row is lost or kept twice.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stdout
from functools import partial
from io import TextIOBase
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from mergebert import __version__
from mergebert.errors import DatasetError
from mergebert_data.mine.engine import Engine
from mergebert_data.mine.merge_block import BlockResult
from mergebert_data.mine.plan import MergeBlock
from mergebert_data.mine.ray_worker import (
    SharedFolder,
    checked_in,
    mined_block,
    mining_task,
    sweep,
    versions,
)

# Ray reads these when it is imported. By itself it would try again for ever where memory runs out, and let every other
# process go before the workers of a cluster that is started here.
os.environ.update(RAY_task_oom_retries="4", RAY_worker_niceness="0", RAY_USAGE_STATS_ENABLED="0")

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

RETRIES = 4  # of a task whose worker died; what kills five workers one after the other is no accident
TASKS_PER_CPU = 2  # submitted: one that runs, one that waits, so that memory is flat in the number of blocks
TASKS_PER_WORKER = 64  # as in the local engine: what a library leaks goes with its process
NODE_SECONDS = 60.0  # for a node to answer; a first worker on it imports the miner
ENDING_SECONDS = 30.0  # for tasks that are killed to be gone
SWEEPING_SECONDS = 3.0  # for nodes to clear away scratch; one that has died may yet be taken for alive
CONNECTING_SECONDS = 10.0
STORE_BYTES = 80 << 20  # the smallest store Ray takes; results are a few numbers
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 200  # characters of a notice of Ray that are printed
ADVICE = f"install mergebert[data,ray] {__version__} and the same git on every node"

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Notices(TextIOBase):
    """Standard output while Ray runs: Ray prints long notices there, but programs read our statistics there. The first
    sentence of each notice goes to standard error."""

    def write(self, text: str) -> int:
        """Prints the first sentence, and the second if it says that Ray tries again."""
        sentences = _COLOUR.sub("", text).strip().partition("\n")[0].split(". ")
        notice = sentences[: 2 if "retried" in "".join(sentences[1:2]) else 1]
        if any(notice):
            print(f"{'. '.join(notice)[:_LONGEST].rstrip('.')}.", file=sys.stderr)
        return len(text)


class Cluster:
    """The tasks of a run on the cluster that Ray is connected to; few are submitted at a time."""

    def __init__(self, folder: SharedFolder) -> None:
        self._folder = folder
        self._running: dict[ray.ObjectRef[Any], tuple[int, Any]] = {}

    @property
    def cpus(self) -> int:
        """The CPUs of the cluster; they come and go with its nodes."""
        return int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]

    def each(
        self, function: Callable[[_Item], _Result | str], items: Sequence[_Item]
    ) -> Iterator[_Result | str]:
        """The result of a function for each item, in order, a task each; a sentence in place of one that failed."""
        results = {number: result for number, _, result in self._tasks(function, items)}
        return (results[number] for number in range(len(items)))

    def mined_blocks(self, blocks: Iterable[MergeBlock]) -> Iterator[BlockResult]:
        """The results of blocks, a task each, as they come."""
        for _, block, result in self._tasks(partial(mined_block, self._folder), blocks):
            if isinstance(result, BlockResult):
                yield result
            else:
                yield BlockResult(block.count, failure=f"{block.source.name}: {result}")

    def stop(self) -> None:
        """Ends what is still running and clears away what killed tasks have left behind on the nodes."""
        for reference in self._running:
            ray.cancel(reference, force=True)
        if self._running:
            ray.wait(list(self._running), num_returns=len(self._running), timeout=ENDING_SECONDS)
            self._running.clear()
        swept = [_on_node(node, sweep, self._folder) for node in _nodes()]
        if swept:
            ray.wait(swept, num_returns=len(swept), timeout=SWEEPING_SECONDS)

    def _tasks(
        self, function: Callable[[_Item], _Result | str], items: Iterable[_Item]
    ) -> Iterator[tuple[int, _Item, _Result | str]]:
        """Each item with its number and result, as they come."""
        remote: Any = ray.remote(num_cpus=1, max_retries=RETRIES, max_calls=TASKS_PER_WORKER)(mining_task)
        remote = remote.options(name="mergebert mine")
        waiting = iter(enumerate(items))
        while True:
            most = TASKS_PER_CPU * max(1, self.cpus)
            for number, item in islice(waiting, max(0, most - len(self._running))):
                self._running[remote.remote(self._folder, function, item)] = number, item
            if not self._running:
                return
            ray.wait(list(self._running), num_returns=1)
            ready, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
            for reference in ready:
                yield *self._running.pop(reference), _result(reference)


@contextmanager
def ray_engine(out: Path, jobs: int, address: str | None = None) -> Iterator[Engine]:
    """The engine of a cluster that can write into a folder: the one at an address, or one of `jobs` CPUs made for it."""
    with redirect_stdout(Notices()), _connected(jobs, address), _marked(out) as folder:
        cluster = Cluster(folder)
        _check_nodes(folder)
        try:
            yield Engine(cluster.each, cluster.mined_blocks, cluster.cpus)
        finally:
            cluster.stop()


@contextmanager
def _connected(jobs: int, address: str | None) -> Iterator[None]:
    """Connects to Ray or starts it, and disconnects or ends it with the block."""
    # Ray puts the current folder first on the path its workers import from. Here that may be a repository with a
    # git.py of its own, so Ray is started from an empty folder of ours. (A socket's path is short: not in $TMPDIR.)
    short = "/tmp" if os.path.isdir("/tmp") else None
    with tempfile.TemporaryDirectory(prefix="mergebert-ray-", dir=short, ignore_cleanup_errors=True) as own:
        options = _local_options(jobs, own) if address is None else {"address": _checked(address)}
        try:
            with chdir(own):
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (OSError, RuntimeError, ValueError, RayError) as error:
            where = f"Ray at {address} does not let us in" if address else "Ray cannot be started here"
            advice = (
                "run this on a node of the cluster, with RAY_AUTH_MODE=token if it asks for a token"
                if address
                else "use --engine local"
            )
            raise DatasetError(f"{where} ({_first_sentence(error)}); {advice}.") from error
        try:
            yield
        finally:
            ray.shutdown()


def _local_options(jobs: int, own: str) -> dict[str, Any]:
    # Ray listens on every network: whoever has no token is refused.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    return {
        "address": "local",
        "num_cpus": jobs,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_temp_dir": own,
    }


def _checked(address: str) -> str:
    """The address, or DatasetError where nothing listens; Ray itself would try for minutes."""
    if address == "auto":
        return address
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise DatasetError(
            f"--address {address} is no HOST:PORT; give that of the head node, or auto on a node."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise DatasetError(
            f"No Ray cluster answers at {address} ({error}); start its head there (ray start --head) or mend --address."
        ) from error
    return address


@contextmanager
def _marked(out: Path) -> Iterator[SharedFolder]:
    """The output folder, with a file in it that nodes look for until the block ends; removes scratch folders then."""
    folder = SharedFolder(out.resolve(), secrets.token_hex(8))
    folder.out.mkdir(parents=True, exist_ok=True)
    _unmark(folder)
    folder.mark.touch()
    try:
        yield folder
    finally:
        sweep(folder)
        _unmark(folder)


def _unmark(folder: SharedFolder) -> None:
    for mark in folder.out.glob(".ray-*"):
        mark.unlink(missing_ok=True)


def _check_nodes(folder: SharedFolder) -> None:
    """Raises DatasetError where a node does not share the folder, or would not mine as this computer does."""
    nodes = _nodes()
    if not nodes:
        raise DatasetError(
            "The Ray cluster has no CPUs to mine with; start a worker (ray start --address ...)."
        )
    answers = {node: _on_node(node, checked_in, folder, node) for node in nodes}
    ready, _ = ray.wait(list(answers.values()), num_returns=len(answers), timeout=NODE_SECONDS)
    asked, lost = 0, ""
    for node, answer in answers.items():
        name = nodes[node]
        if answer not in ready:
            raise DatasetError(f"Node {name} gives no answer; take it out of the cluster or start it again.")
        try:
            reason = objection(name, ray.get(answer))
        except RayTaskError as error:
            raise DatasetError(f"Node {name} cannot run the miner ({_cause(error)}); {ADVICE}.") from error
        except RayError as error:
            lost = f"{name}: {_first_sentence(error)}"
            continue  # a node that has just died gets no work
        if reason is None and not folder.answer(node).exists():
            reason = folder.unshared(name)
        if reason is not None:
            raise DatasetError(reason)
        asked += 1
    if not asked:
        raise DatasetError(
            f"No node of the Ray cluster lives to answer ({lost}); run the same command again."
        )


def objection(name: str, theirs: Mapping[str, str] | str) -> str | None:
    """Why a node may not mine, given its versions or what it answered instead; None if it may."""
    if isinstance(theirs, str):
        return theirs
    for what, version in versions().items():
        if theirs.get(what) != version:
            return f"Node {name} has {what} {theirs.get(what)}, this computer {version}; {ADVICE}."
    return None


def _nodes() -> dict[str, str]:
    """The names of the nodes that can run tasks, by their ids."""
    return {
        node["NodeID"]: f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["Resources"].get("CPU")
    }


def _on_node(node: str, function: Callable[..., Any], *arguments: object) -> ray.ObjectRef[Any]:
    """A task on one node, submitted even if its CPUs are busy."""
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    remote: Any = ray.remote(num_cpus=0, max_retries=1)(function)
    reference: ray.ObjectRef[Any] = remote.options(scheduling_strategy=strategy).remote(*arguments)
    return reference


def _result(reference: ray.ObjectRef[Any]) -> Any:
    """The result of a task, or why there is none."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        return _cause(error)
    except RayError as error:
        return (
            f"given up after {RETRIES + 1} workers died of it, or with their nodes ({_first_sentence(error)})"
        )


def _cause(error: RayTaskError) -> str:
    return f"{type(error.cause).__name__}: {' '.join(str(error.cause).split())[-200:]}"


def _first_sentence(said: object) -> str:
    return str(said).strip().partition("\n")[0].partition(". ")[0][:_LONGEST]
