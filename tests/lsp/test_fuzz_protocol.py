"""A real server takes whatever an editor sends: it answers every request, loses no text, and ends when asked to."""

from __future__ import annotations

import io
import json
import os
import queue
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mergebert.text.markers import MarkedConflict, marked_conflicts
from mergebert_lsp.server.streams import BoundedInput

CASES = Path(__file__).parent.parent / "mergebert" / "text" / "cases_markers"
PATIENCE = 60  # seconds for one answer, on a machine that does other things too
EXPECTED = (
    "mergebert_lsp.server.protocol.",  # refusals
    "pygls.exceptions.JsonRpcInvalidParams",
)
METHOD_NOT_FOUND = -32601
STEPS = 40
COMMANDS = ("accept", "accept", "accept", "acceptSure", "next", "previous", "check")
CHOICES = (
    "1",
    "2",
    "9",
    "0",
    "-1",
    "²",
    "ours",
    "theirs",
    "both",
    "both-swapped",
    "base",
    "none",
    "mine",
    "",
)
JUNK = (
    None,
    True,
    -1,
    1e9,
    "",
    "x",
    "😀" * 3,
    [],
    [[]],
    {},
    {"uri": 7},
    {"uri": None, "line": "a"},
    {"line": -5},
)
UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class Connection:
    """An editor's end of the protocol, which answers what the server asks."""

    def __init__(self, folder: Path) -> None:
        self.errors = (folder / "stderr").open("w+b")
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mergebert_lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.texts: dict[str, tuple[int, str]] = {}
        self.encoding = "utf-16"
        self.published: list[dict[str, Any]] = []
        self.applied = 0
        self._count = 0
        self._inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            size = 0
            while line.strip():
                name, _, value = line.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
                line = self.process.stdout.readline()
            self._inbox.put(json.loads(self.process.stdout.read(size)))
        self._inbox.put(None)

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def request(self, method: str, params: Any, cancel: bool = False) -> dict[str, Any]:
        """The whole answer to a request; what the server asks meanwhile is answered."""
        self._count += 1
        self.send({"id": self._count, "method": method, "params": params})
        if cancel:
            self.notify("$/cancelRequest", {"id": self._count})
        while True:
            message = self.next_message(f"{method} {params}")
            if "method" in message:
                self._hear(message)
            elif isinstance(message["id"], int):  # what cannot be read has none
                assert message["id"] == self._count, "an answer that nobody waits for"
                return message

    def next_message(self, during: str = "") -> dict[str, Any]:
        """The next message of the server."""
        try:
            message = self._inbox.get(timeout=PATIENCE)
        except queue.Empty:
            pytest.fail(f"no answer to {during}")
        assert message is not None, f"the server ended during {during}"
        return message

    def _hear(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params")
        if method == "textDocument/publishDiagnostics":
            self.published.append(params)
        if "id" in message:
            result: Any = None
            if method == "workspace/applyEdit":
                result = {"applied": self.apply(params["edit"])}
                self.applied += result["applied"]
            elif method == "workspace/configuration":
                result = [None] * len(params["items"])
            elif method == "window/showDocument":
                result = {"success": True}
            self.send({"id": message["id"], "result": result})

    def apply(self, edit: dict[str, Any]) -> bool:
        """Whether the edit fits the texts as they are, which it then changes."""
        changed = {}
        for one in edit["documentChanges"]:
            uri, version = one["textDocument"]["uri"], one["textDocument"]["version"]
            if uri not in self.texts or self.texts[uri][0] != version:
                return False
            changed[uri] = self.edited(self.texts[uri][1], one["edits"])
        for uri, text in changed.items():
            self.change(uri, text)
        return True

    def edited(self, text: str, edits: list[dict[str, Any]]) -> str:
        """The text after edits, of which each replaces whole conflicts and nothing beside them."""
        spans = sorted(
            (self.offset(text, one["range"]["start"]), self.offset(text, one["range"]["end"]), one["newText"])
            for one in edits
        )
        whole = [(one.start, one.end) for one in marked_conflicts(text) if isinstance(one, MarkedConflict)]
        at, parts = 0, []
        for start, end, new in spans:
            assert at <= start <= end
            inside = [span for span in whole if start <= span[0] and span[1] <= end]
            assert inside and inside[0][0] == start and inside[-1][1] == end
            parts += [text[at:start], new]
            at = end
        return "".join([*parts, text[at:]])

    def offset(self, text: str, position: dict[str, int]) -> int:
        """The character at a position, which has to be one of the text."""
        encoding, size = UNITS[self.encoding]
        lines = split_lines(text)
        line = lines[position["line"]]
        before = line.encode(encoding)[: position["character"] * size].decode(encoding)
        assert len(before.encode(encoding)) == position["character"] * size
        assert not before.endswith(("\n", "\r"))
        return sum(map(len, lines[: position["line"]])) + len(before)

    def open(self, uri: str, text: str) -> None:
        self.texts[uri] = (1, text)
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, uri: str, text: str) -> None:
        version = self.texts[uri][0] + 1
        self.texts[uri] = (version, text)
        document = {"uri": uri, "version": version}
        changes = [{"text": text}]
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    def close(self, uri: str) -> None:
        del self.texts[uri]
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def start(self, encoding: str, pulls: bool, folder: Path) -> None:
        text_document: dict[str, Any] = {
            "codeAction": {
                "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}},
                "dataSupport": True,
                "resolveSupport": {"properties": ["edit"]},
            },
            **({"diagnostic": {}} if pulls else {}),
        }
        workspace = {"applyEdit": True, "configuration": True, "workspaceEdit": {"documentChanges": True}}
        answer = self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder.as_uri(),
                "capabilities": {
                    "general": {"positionEncodings": [encoding]},
                    "window": {"showDocument": {"support": True}, "workDoneProgress": True},
                    "workspace": workspace,
                    "textDocument": text_document,
                },
            },
        )
        self.encoding = answer["result"]["capabilities"].get("positionEncoding", "utf-16")
        assert self.encoding == encoding
        self.notify("initialized", {})

    def stop(self) -> str:
        """What the server wrote to standard error, once it has ended as it was asked to."""
        assert "error" not in self.request("shutdown", None)
        self.notify("exit", None)
        assert self.process.wait(timeout=PATIENCE) == 0
        self.errors.seek(0)
        return self.errors.read().decode()


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    made = Connection(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait()
    for stream in (made.process.stdin, made.process.stdout, made.errors):
        if stream is not None:
            stream.close()


def split_lines(text: str) -> list[str]:
    """The lines as the protocol counts them, with what ends them; the last one may be empty."""
    lines = [""]
    for at, letter in enumerate(text):
        lines[-1] += letter
        if letter == "\n" or (letter == "\r" and text[at + 1 : at + 2] != "\n"):
            lines.append("")
    return lines


@dataclass
class Person:
    """Somebody who does anything at random with conflicts of every style."""

    connection: Connection
    dice: random.Random
    uris: tuple[str, ...]
    answers: int = 0
    done: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Conflicts of every style, whole and torn, between text of every width."""
        cases = sorted(CASES.iterdir())
        parts = []
        for _ in range(self.dice.randint(0, 3)):
            case = (self.dice.choice(cases) / "text").read_bytes().decode()
            lines = case.splitlines(keepends=True)
            if self.dice.random() < 0.3:
                del lines[self.dice.randrange(len(lines))]
            parts += [self.dice.choice(["", "é = '😀'\n", "\r", "a\r\n", "\u2028\n"]), "".join(lines)]
        return "".join(parts)

    def range(self, text: str) -> dict[str, Any]:
        """A range that need not lie in the text."""
        lines = text.count("\n") + 3
        start = {"line": self.dice.randrange(lines), "character": self.dice.choice([0, 0, 1, 7, 1000])}
        end = {"line": start["line"] + self.dice.randrange(4), "character": self.dice.choice([0, 3, 1000])}
        return {"start": start, "end": end}

    def act(self) -> None:
        """One thing that an editor does."""
        uri = self.dice.choice(self.uris)
        if uri not in self.connection.texts:
            self.connection.open(uri, self.text())
        actions = [
            self.edit,
            self.close,
            self.ask,
            self.ask,
            self.choose,
            self.choose,
            self.command,
            self.junk,
        ]
        action = self.dice.choice(actions)
        self.done.append(action.__name__)
        action(uri)

    def edit(self, uri: str) -> None:
        text = self.connection.texts[uri][1]
        at = self.dice.randrange(len(text) + 1)
        new = self.text() if self.dice.random() < 0.5 else text[:at] + "é\n" + text[at + 5 :]
        self.connection.change(uri, new)
        if self.dice.random() < 0.3:
            self.connection.notify("textDocument/didSave", {"textDocument": {"uri": uri}})

    def close(self, uri: str) -> None:
        self.connection.close(uri)

    def ask(self, uri: str) -> None:
        document, where = {"uri": uri}, self.range(self.connection.texts[uri][1])
        method, params = self.dice.choice(
            [
                ("hover", {"position": where["start"]}),
                ("codeLens", {}),
                ("inlayHint", {"range": where}),
                ("codeAction", {"range": where, "context": {"diagnostics": []}}),
            ]
        )
        self.sure(f"textDocument/{method}", {"textDocument": document, **params}, self.dice.random() < 0.2)

    def choose(self, uri: str) -> None:
        """Takes any of the actions that are offered, as an editor does; stale ones are refused."""
        text = self.connection.texts[uri][1]
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": text.count("\n"), "character": 0}}
        params = {
            "textDocument": {"uri": uri},
            "range": whole,
            "context": {"diagnostics": [], "only": ["quickfix"]},
        }
        offered = self.sure("textDocument/codeAction", params)["result"] or []
        offered = [one for one in offered if "data" in one]
        if not offered:
            return
        action = self.dice.choice(offered)
        if self.dice.random() < 0.2:
            self.connection.change(uri, "x\n" + text)
            assert "error" in self.connection.request("codeAction/resolve", action)
            return
        edit = self.sure("codeAction/resolve", action)["result"]["edit"]
        assert self.connection.apply(edit)
        assert self.connection.texts[uri][1] != text
        self.answers += 1

    def command(self, uri: str) -> None:
        name = self.dice.choice(COMMANDS)
        version = self.connection.texts[uri][0] - self.dice.choice([0, 0, 0, 1])
        asked: Any = {
            "uri": uri,
            "version": version,
            "conflict": self.dice.choice([1, 2, 3, "a", None]),
            "choice": self.dice.choice(CHOICES),
            "line": self.dice.randrange(30),
        }
        if self.dice.random() < 0.3:
            asked = self.dice.choice(JUNK)
        self.sure("workspace/executeCommand", {"command": f"mergebert.{name}", "arguments": [asked]})

    def junk(self, uri: str) -> None:
        """What no editor should send."""
        junk = self.dice.choice(JUNK)
        connection = self.connection
        kind = self.dice.randrange(5)
        if kind == 0:
            settings = self.dice.choice(
                [junk, {"mergebert": junk}, {"mergebert": {"suggestions": junk, "maxError": junk}}]
            )
            connection.notify("workspace/didChangeConfiguration", {"settings": settings})
        elif kind == 1:
            assert connection.request("mergebert/unknown", {})["error"]["code"] == METHOD_NOT_FOUND
        elif kind == 2:
            connection.notify("mergebert/unknown", junk if isinstance(junk, dict | list) else {})
        elif kind == 3:
            answer = connection.request(
                "textDocument/hover", {"textDocument": {"uri": uri}, "position": "here"}
            )
            assert "error" in answer
        else:
            position = {"line": 0, "character": 0}
            params = {"textDocument": {"uri": "untitled:nowhere"}, "position": position}
            assert self.sure("textDocument/hover", params)["result"] is None

    def sure(self, method: str, params: Any, cancel: bool = False) -> dict[str, Any]:
        """The answer to a request that is well formed, and so no mistake of the server's."""
        answer = self.connection.request(method, params, cancel)
        assert cancel or "error" not in answer, (method, params, answer)
        return answer


@pytest.mark.parametrize(
    ("seed", "encoding", "pulls"), [(1, "utf-16", False), (2, "utf-8", True), (3, "utf-32", False)]
)
def test_an_editor_that_does_anything_is_always_answered(
    seed: int, encoding: str, pulls: bool, connection: Connection, tmp_path: Path, shipped_bundle: Path
) -> None:
    dice = random.Random(seed)
    connection.start(encoding, pulls, tmp_path)
    uris = ((tmp_path / "a b.py").as_uri(), "untitled:Untitled-1", "vscode-vfs://github/o/r/x.py")
    person = Person(connection, dice, uris)
    for _ in range(STEPS):
        person.act()
    assert person.answers > 0, person.done
    for published in connection.published:
        for one in published["diagnostics"]:
            assert 0 <= one["range"]["start"]["line"] <= one["range"]["end"]["line"]
    wrote = connection.stop()
    assert surprises(wrote) == [], wrote


def framed(body: bytes, length: int | None = None) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


def bad_frame(dice: random.Random) -> bytes:
    """What a broken editor, or a program that prints into its stream, may send between two requests."""
    body = json.dumps({"jsonrpc": "2.0", "method": "$/a", "params": {"a": "é" * dice.randrange(9)}}).encode()
    header, whole = b"Content-Length: %d\r\n" % len(body), framed(body)
    return dice.choice(
        [
            framed(
                body, dice.choice([0, len(body) + dice.randrange(-20, 200), 10**5, 10**8, 10**14, 10**30])
            ),
            whole[: dice.randrange(len(whole))],
            whole[dice.randrange(len(whole)) :],
            header * dice.randrange(4),
            header.lower() + b"Content-Type: x\r\n\r\n" + body,
            header.replace(b":", dice.choice([b"", b" :", b":-", b": +", b"::"])) + b"\r\n" + body,
            header + b"\n" + body,
            body,
            framed(dice.randbytes(dice.randrange(60))),
            dice.randbytes(dice.randrange(60)),
            framed(b"[" * dice.choice([9, 20_000])),
            framed(b"[" + body + b"," + body + b"]"),
            framed(b'{"jsonrpc": "2.0", "id": 1e999, "method": "a"}'),
            framed(b'{"jsonrpc": "2.0", "id": [], "result": {}, "error": 3}'),
            framed(b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "\\udfff"}'),
        ]
    )


@pytest.mark.parametrize("seed", range(4))
def test_no_request_waits_behind_a_bad_frame(seed: int, connection: Connection, tmp_path: Path) -> None:
    dice = random.Random(seed)
    connection.start("utf-16", False, tmp_path)
    assert connection.process.stdin is not None
    sent = []
    for _ in range(40):
        sent.append(bad_frame(dice))
        connection.process.stdin.write(sent[-1])
        assert connection.request("no/such", {})["error"]["code"] == METHOD_NOT_FOUND, sent[-2:]
    connection.stop()


class Slow(io.BytesIO):
    """A stream whose bytes come a few at a time."""

    def __init__(self, content: bytes, at_once: int) -> None:
        super().__init__(content)
        self._at_once = at_once

    def read1(self, size: int | None = -1) -> bytes:
        return super().read1(min(size or 0, self._at_once))


def bodies_of(stream: BoundedInput) -> Iterator[bytes]:
    """What pygls reads from a stream: the first length counts, and the body begins after a blank line."""
    length = 0
    while header := stream.readline():
        named = re.fullmatch(rb"Content-Length: (\d+)\r\n", header)
        length = length or int(named[1] if named else 0)
        if length and not header.strip():
            yield stream.read(length)
            length = 0


@pytest.mark.parametrize("at_once", [1, 7, 40, 1000])
def test_no_request_is_lost_however_the_bytes_come(at_once: int) -> None:
    dice = random.Random(at_once)
    requests = [b'{"request": %d}' % at for at in range(1000)]
    parts = [bad_frame(dice) + framed(request) for request in requests]
    found = bodies_of(BoundedInput(Slow(b"".join(parts), at_once)))
    assert [body for body in found if body.startswith(b'{"request"')] == requests


def test_a_batch_is_refused_request_by_request(connection: Connection, tmp_path: Path) -> None:
    connection.start("utf-16", False, tmp_path)
    assert connection.process.stdin is not None
    asked = [{"jsonrpc": "2.0", "id": f"b{at}", "method": "shutdown"} for at in range(2)]
    connection.process.stdin.write(framed(json.dumps([*asked, 3]).encode()))
    connection.process.stdin.flush()
    refused = [connection.next_message() for _ in asked]
    assert [(one["id"], one["error"]["code"]) for one in refused] == [("b0", -32600), ("b1", -32600)]
    connection.stop()


def surprises(wrote: str) -> list[str]:
    """The errors in a log that tell of a mistake of ours: neither of a client's nor of an edit that comes too late."""
    raised = re.findall(r"^Traceback .*\n(?:[ \t].*\n|\n)*(.*)", wrote, re.MULTILINE)
    return [error for error in raised if not error.startswith(EXPECTED)]
