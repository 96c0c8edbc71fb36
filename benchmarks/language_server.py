"""The language server as an editor feels it: how soon it answers, what waits for it, and what it keeps.

    python benchmarks/language_server.py

A server is started as an editor does it and warmed with one file. Then, in milliseconds: from opening a file with 20
conflicts, in a repository of its own, to diagnostics with a suggestion each (budget 300); from resolving one of them
until all others are ranked anew (budget 100). In a file of 10,000 lines and 200 conflicts: hover and code actions
asked for while it is ranked (95 % of them within 100), and from resolving one until the conflicts around it are
ranked anew (budget 100). And the memory of both processes after 1,000 files were opened and closed, beside that after
100 (budget 1.1 times).
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interleaved import Result, parser_of, scratch, tell
from sample import JAVA, Sample, _dispute, _method

FIRST, AGAIN, WHILE_BUSY, NEAR, GROWTH = 300.0, 100.0, 100.0, 100.0, 1.1
SMALL, LARGE = (20, 80), (200, 950)  # conflicts, methods
OPENED, SETTLED = 1000, 100  # files; after so many a cache may be as full as it gets
PATIENCE = 300.0
QUIET = 0.3
REFRESH = "workspace/codeLens/refresh"  # asked for whenever there are new answers

Message = dict[str, Any]
IDENTITY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
CAPABILITIES = {
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}},
    "workspace": {"workspaceEdit": {"documentChanges": True}, "codeLens": {"refreshSupport": True}},
}


class Server:
    """A language server and the editor's end of its pipes; every message is kept with the time it came."""

    def __init__(self, command: Path, environment: Mapping[str, str]) -> None:
        self.child = subprocess.Popen(
            [str(command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment)
        )
        self._heard: queue.Queue[tuple[float, Message]] = queue.Queue()
        self._count = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": CAPABILITIES})
        self.tell("initialized", {})

    def tell(self, method: str, params: Message) -> None:
        """Sends a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Message) -> float:
        """The seconds until the answer to a request."""
        self._count += 1
        start = time.perf_counter()
        self._send({"id": self._count, "method": method, "params": params})
        return self.wait(lambda message: message.get("id") == self._count and "method" not in message) - start

    def wait(self, wanted: Callable[[Message], bool]) -> float:
        """The time at which a message came that is wanted; what came before it is dropped."""
        while True:
            at, message = self._heard.get(timeout=PATIENCE)
            self._reply(message)
            if wanted(message):
                return at

    def drain(self) -> None:
        """Waits until nothing comes any more, so that what comes next was set off by what is done next."""
        while True:
            try:
                _, message = self._heard.get(timeout=QUIET)
            except queue.Empty:
                return
            self._reply(message)

    def open(self, uri: str, text: str) -> None:
        """Opens a text."""
        document = {"uri": uri, "languageId": "java", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})

    def change(self, uri: str, text: str, version: int = 2) -> None:
        """Changes a text."""
        document = {"uri": uri, "version": version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def close(self, uri: str) -> None:
        """Closes a text."""
        self.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    def settled(self) -> float:
        """The time at which the server has nothing left to do."""
        start = time.perf_counter()
        return start + self.ask("workspace/executeCommand", {"command": "mergebert.check", "arguments": [{}]})

    def memory(self) -> float:
        """The megabytes that the server and its worker hold."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
        )
        rows = [tuple(map(int, line.split())) for line in listed.stdout.strip().split("\n")]
        return sum(size for process, parent, size in rows if self.child.pid in (process, parent)) / 1024

    def stop(self) -> None:
        """Ends the server."""
        self.ask("shutdown", {})
        self.tell("exit", {})
        self.child.wait()

    def _reply(self, message: Message) -> None:
        if "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})

    def _send(self, message: Message) -> None:
        assert self.child.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.child.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.child.stdin.flush()

    def _read(self) -> None:
        assert self.child.stdout is not None
        while line := self.child.stdout.readline():
            size = 0
            while line.strip():
                name, _, value = line.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
                line = self.child.stdout.readline()
            self._heard.put((time.perf_counter(), json.loads(self.child.stdout.read(size))))


def conflicted(seed: int, conflicts: int, methods: int) -> Sample:
    """A Java file of about ten lines a method, with this many conflicts."""
    draw = random.Random(seed)
    base = [_method(draw, JAVA, at) for at in range(methods)]
    ours, theirs = ([list(lines) for lines in base] for _ in range(2))
    for at in sorted(draw.sample(range(methods), conflicts)):
        _dispute(draw, JAVA, (ours[at], theirs[at]))
    texts = ("\n".join(line for lines in version for line in lines) for version in (base, ours, theirs))
    return Sample(f"Module{seed}.java", *texts)


def merging(folder: Path, sample: Sample, environment: Mapping[str, str]) -> Path:
    """The file in a repository whose merge stopped at its conflicts."""
    folder.mkdir()

    def git(*arguments: str, codes: Sequence[int] = (0,)) -> None:
        done = subprocess.run(
            ["git", *IDENTITY, *arguments],
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            check=False,
        )
        if done.returncode not in codes:
            sys.exit(f"git {arguments[0]} ended with exit code {done.returncode}.")

    path = folder / sample.path
    git("init", "--quiet")
    for branch, text in (("base", sample.base), ("feature", sample.theirs), ("main", sample.ours)):
        git("checkout", "--quiet", *(["--orphan", branch] if branch == "base" else ["-b", branch, "base"]))
        path.write_text(text, encoding="utf-8")
        git("add", "--all")
        git("commit", "--quiet", "--message", branch)
    git("merge", "--quiet", "feature", codes=(1,))
    return path


def answered(uri: str, count: int, version: int = 1) -> Callable[[Message], bool]:
    """Whether a message holds a suggestion for each of so many conflicts of a version of a text."""

    def is_wanted(message: Message) -> bool:
        params = message.get("params", {})
        if message.get("method") != "textDocument/publishDiagnostics":
            return False
        if (params["uri"], params.get("version")) != (uri, version):
            return False
        known = [one for one in params["diagnostics"] if one.get("data", {}).get("confidence") is not None]
        return len(known) >= count

    return is_wanted


def first_resolved(text: str) -> str:
    """The text with ours in the place of a conflict in its middle."""
    start = text.index("<<<<<<<", len(text) // 2)
    middle, end = text.index("=======", start), text.index(">>>>>>>", start)
    ours = text[text.index("\n", start) + 1 : middle].partition("|||||||")[0]
    return text[:start] + ours + text[text.index("\n", end) + 1 :]


def small_file(server: Server, path: Path) -> tuple[float, float]:
    """Milliseconds to the first suggestions for every conflict of a file, and to all of them after an answer."""
    uri, text = path.as_uri(), path.read_text(encoding="utf-8")
    start = time.perf_counter()
    server.open(uri, text)
    first = server.wait(answered(uri, text.count("<<<<<<<"))) - start
    server.settled()
    server.drain()
    start = time.perf_counter()
    server.change(uri, first_resolved(text))
    again = server.wait(lambda message: message.get("method") == REFRESH) - start
    server.settled()
    server.close(uri)
    return 1000 * first, 1000 * again


def large_file(server: Server, text: str, number: int) -> tuple[list[float], float]:
    """Milliseconds of each request while a large file is ranked, and to the conflicts near an answer."""
    uri = f"untitled:Large{number}.java"
    where = {"line": text[: text.index("=======")].count("\n"), "character": 0}
    target = {"textDocument": {"uri": uri}}
    asked = {**target, "range": {"start": where, "end": where}, "context": {"diagnostics": []}}
    server.open(uri, text)
    waits = []
    for _ in range(20):
        waits.append(server.ask("textDocument/hover", {**target, "position": where}))
        waits.append(server.ask("textDocument/codeAction", asked))
        time.sleep(0.02)
    server.change(uri, text + "\n")
    server.settled()
    server.drain()
    start = time.perf_counter()
    server.change(uri, first_resolved(text + "\n"), 3)
    near = server.wait(lambda message: message.get("method") == REFRESH) - start
    server.settled()
    server.close(uri)
    return [1000 * wait for wait in waits], 1000 * near


def growth(server: Server, count: int) -> tuple[float, float]:
    """The megabytes held after the first files were opened and closed, and after all of them."""
    early = 0.0
    for at in range(count):
        text = f"// {at}\n<<<<<<< main\nint a{at} = 1;\n||||||| base\nint a{at};\n=======\nint a{at} = 2;\n>>>>>>> b\n"
        uri = f"untitled:File{at}.java"
        server.open(uri, text)
        server.settled()
        server.close(uri)
        if at + 1 == min(SETTLED, count):
            early = server.memory()
    return early, server.memory()


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was timed in milliseconds, one entry a file, and the megabytes held early and late."""

    small: list[tuple[float, float]]
    large: list[tuple[list[float], float]]
    lines: float  # of a large file
    memory: tuple[float, float]

    @property
    def waits(self) -> list[float]:
        """The milliseconds of every request while a large file was ranked."""
        return [wait for found, _ in self.large for wait in found]


def measured(arguments: argparse.Namespace, folder: Path, environment: Mapping[str, str]) -> Measurements:
    """What one server did with the small files, the large ones and many that come and go."""
    count = arguments.repetitions
    files = [merging(folder / str(seed), conflicted(seed, *SMALL), environment) for seed in range(count + 1)]
    server = Server(arguments.command, environment)
    small_file(server, files[0])  # loads the model
    small = [small_file(server, path) for path in files[1:]]
    samples = [conflicted(seed, *LARGE) for seed in range(count)]
    paths = [merging(folder / f"large{seed}", sample, environment) for seed, sample in enumerate(samples)]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    large = [large_file(server, text, number) for number, text in enumerate(texts)]
    memory = growth(server, arguments.documents)
    server.stop()
    return Measurements(small, large, statistics.median(text.count("\n") for text in texts), memory)


def results_of(found: Measurements, documents: int) -> list[Result]:
    """The figures beside their budgets."""
    count = len(found.small)
    first, again = (statistics.median(times) for times in zip(*found.small, strict=True))
    slow = statistics.quantiles(found.waits, n=20)[-1]
    near = statistics.median(time for _, time in found.large)
    early, late = found.memory
    name = f"{found.lines:.0f} lines with {LARGE[0]} conflicts"
    memory = f"memory after {documents} files opened and closed"
    return [
        Result(f"first diagnostics of {SMALL[0]} conflicts", "ms", first, None, first, FIRST, False, count),
        Result(f"{SMALL[0]} conflicts after an answer", "ms", again, None, again, AGAIN, False, count),
        Result(f"{name}, 95 % of requests while ranking", "ms", slow, None, slow, WHILE_BUSY, False, count),
        Result(f"{name}, those near an answer", "ms", near, None, near, NEAR, False, count),
        Result(memory, "MB", late, early, late / early, GROWTH, False, 1),
    ]


def main() -> None:
    """Measures and prints."""
    parser = parser_of(__doc__ or "", 5)
    parser.set_defaults(command=Path(sysconfig.get_path("scripts")) / "mergebert-lsp")
    parser.add_argument("--documents", type=int, default=OPENED, help=f"files opened and closed ({OPENED})")
    arguments = parser.parse_args()
    with scratch(arguments) as (folder, environment):
        found = measured(arguments, folder, environment)
    tell(results_of(found, arguments.documents), arguments)
    if not arguments.json:
        print(f"the slowest request while ranking took {max(found.waits):.4g} ms")


if __name__ == "__main__":
    main()
