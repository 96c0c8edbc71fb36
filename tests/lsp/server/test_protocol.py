"""What no editor should send: each request is answered, the server lives on, and ends with its input."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsprotocol.types import METHOD_TO_TYPES, ErrorCodes

from mergebert_lsp.server.handlers import MergebertServer, server
from mergebert_lsp.server.streams import LARGEST_MESSAGE, LONGEST_HEADER, BoundedInput
from mergebert_lsp.text.document_state import DocumentState
from mergebert_lsp.text.uris import uri_of
from tests.lsp.editor import COMMAND, PACKAGES

INITIALIZE = {"processId": None, "rootUri": None, "capabilities": {}}
CONFLICT = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=5) | st.just("file:///a.py"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
methods = st.sampled_from(
    [method for method in METHOD_TO_TYPES if method not in ("exit", "shutdown", "initialize")]
)


class Wire:
    """Takes what a server sends."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        pass

    def take(self) -> list[dict[str, Any]]:
        """The messages since the last time."""
        found = messages_of(self.sent)
        self.sent = b""
        return found


def messages_of(sent: bytes) -> list[dict[str, Any]]:
    found = []
    while sent:
        head, _, rest = sent.partition(b"\r\n\r\n")
        size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        found.append(json.loads(rest[:size]))
        sent = rest[size:]
    return found


def framed(message: Any) -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def request(number: Any, method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def made(wire: Wire) -> Iterator[MergebertServer]:
    """A server without a loop: whatever would start a worker fails, and is an error like any other."""
    one = server()
    one.protocol.set_writer(wire)
    yield one
    one.session.close()


def feed(one: MergebertServer, message: Any) -> None:
    """Hands a message over as the loop does, which survives any Exception."""
    try:
        parsed = json.loads(json.dumps(message), object_hook=one.protocol.structure_message)
        one.protocol.handle_message(parsed)
    except Exception as error:  # noqa: BLE001 - that is what the loop does
        one.report_server_error(error, type(error))


def test_nothing_is_done_before_initialize(made: MergebertServer, wire: Wire) -> None:
    position = {"textDocument": {"uri": "a"}, "position": {"line": 0, "character": 0}}
    feed(made, request(1, "textDocument/hover", position))
    feed(made, request("2", "shutdown", None))
    document = {"uri": "a", "languageId": "x", "version": 1, "text": CONFLICT}
    feed(made, {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": document}})
    found = wire.take()
    assert [(one["id"], one["error"]["code"]) for one in found] == [
        (1, ErrorCodes.ServerNotInitialized),
        ("2", ErrorCodes.ServerNotInitialized),
    ]
    assert made.session.documents == {}


def test_a_file_that_became_a_pipe_is_not_waited_for(made: MergebertServer, tmp_path: Path) -> None:
    text, pipe = tmp_path / "text", tmp_path / "pipe"
    text.write_text(CONFLICT)
    os.mkfifo(pipe)
    documents = [DocumentState(uri_of(str(path)), None, CONFLICT, "utf-16") for path in (text, pipe)]
    assert list(map(made.is_current, documents)) == [True, False]


def test_a_second_initialize_is_refused(made: MergebertServer, wire: Wire) -> None:
    feed(made, request(1, "initialize", INITIALIZE))
    feed(made, request(2, "initialize", INITIALIZE))
    first, second = wire.take()
    assert "capabilities" in first["result"]
    assert second["error"]["code"] == ErrorCodes.InvalidRequest


def test_nothing_is_done_after_shutdown(made: MergebertServer, wire: Wire) -> None:
    feed(made, request(1, "initialize", INITIALIZE))
    feed(made, request(2, "shutdown", None))
    feed(made, request(3, "textDocument/codeLens", {"textDocument": {"uri": "a"}}))
    *_, last = wire.take()
    assert (last["id"], last["error"]["code"]) == (3, ErrorCodes.InvalidRequest)


@pytest.mark.parametrize("is_shut_down", [False, True])
def test_an_answer_that_nobody_waits_for_any_more_is_passed_over(
    is_shut_down: bool, made: MergebertServer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    feed(made, request(1, "initialize", INITIALIZE))
    waiting = made.protocol.send_request("workspace/codeLens/refresh", None)
    asked = wire.take()[-1]["id"]
    if is_shut_down:
        feed(made, request(2, "shutdown", None))
        wire.take()
    waiting.cancel()
    feed(made, {"jsonrpc": "2.0", "id": asked, "result": None})
    assert wire.take() == []
    assert not caplog.records


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (request(1, "textDocument/hover", {"textDocument": 3}), ErrorCodes.InvalidParams),
        (request(1, "textDocument/hover", None), ErrorCodes.InvalidParams),
        ({"id": 1, "method": "textDocument/hover"}, ErrorCodes.InvalidRequest),
        ({"jsonrpc": "1.0", "id": 1, "method": "textDocument/hover", "params": {}}, None),
        (request(1, "no/such/method", {}), ErrorCodes.MethodNotFound),
        (request(1, "workspace/executeCommand", {"command": "nothing"}), ErrorCodes.InvalidParams),
    ],
)
def test_a_request_that_cannot_be_read_is_answered(
    message: Any, code: ErrorCodes | None, made: MergebertServer, wire: Wire
) -> None:
    feed(made, request(0, "initialize", INITIALIZE))
    wire.take()
    feed(made, message)
    [found] = [one for one in wire.take() if "id" in one]
    assert found["id"] == 1
    assert code is None or found["error"]["code"] == code


@pytest.mark.parametrize("message", [[], [request(1, "shutdown", None)], 3, "x", None, {}, {"id": 1}])
def test_what_is_no_message_is_passed_over(message: Any, made: MergebertServer, wire: Wire) -> None:
    feed(made, message)
    feed(made, request(7, "initialize", INITIALIZE))
    assert "capabilities" in wire.take()[-1]["result"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(method=methods, params=json_values)
def test_whatever_is_sent_every_request_has_one_answer(
    method: str, params: Any, made: MergebertServer, wire: Wire
) -> None:
    if made.protocol._workspace is None:
        feed(made, request(0, "initialize", INITIALIZE))
    wire.take()
    feed(made, {"jsonrpc": "2.0", "method": method, "params": params})
    wire.take()
    feed(made, request(5, method, params))
    answers = [one for one in wire.take() if one.get("id") == 5 and "method" not in one]
    assert len(answers) <= 1
    if method.startswith(("textDocument/hover", "textDocument/codeLens", "textDocument/inlayHint")):
        assert len(answers) == 1


@given(
    text=st.text(st.sampled_from("<>|=+%\n ab\r😀"), max_size=120),
    line=st.integers(0, 9),
    character=st.integers(0, 9),
)
@settings(deadline=None)
def test_every_feature_answers_for_every_text(text: str, line: int, character: int) -> None:
    from lsprotocol.types import Position

    from mergebert_lsp.features.actions import code_actions
    from mergebert_lsp.features.diagnostics import diagnostics
    from mergebert_lsp.features.hints import hints
    from mergebert_lsp.features.hover import hover
    from mergebert_lsp.features.lenses import lenses
    from tests.lsp.documents import ABLE, document

    one = document(text.replace("<", "<<<<<<<").replace(">", ">>>>>>>").replace("=", "======="))
    at = one.positions.offset(Position(line, character))
    assert len(diagnostics(one, ABLE, is_ranked=True)) == len(one.conflicts) + len(one.torn)
    assert bool(code_actions(one, at, at, ABLE, [])) == bool(one.at(at, at))
    assert (hover(one, at, ABLE, is_ranked=True) is not None) == bool(one.at(at, at))
    assert hints(one, 0, len(one.text)) == []
    assert bool(lenses(one)) == bool(one.conflicts)


def test_pieces_too_large_for_memory_are_skipped() -> None:
    too_large = b"Content-Length: %d\r\n" % (LARGEST_MESSAGE + 1)
    bounded = BoundedInput(
        io.BytesIO(too_large + b"x" * (2 * LONGEST_HEADER) + b"Content-Length: 5\r\n\r\n12345")
    )
    lines = [bounded.readline() for _ in range(5)]
    assert max(map(len, lines)) == LONGEST_HEADER
    assert [line for line in lines if line.startswith(b"Content-Length")] == [b"Content-Length: 5\r\n"]
    assert bounded.read(5) == b"12345"


@given(
    before=st.binary(max_size=60) | st.integers(0, 2 * LONGEST_HEADER).map(lambda size: b"x" * size),
    name=st.sampled_from([b"Content-Length: ", b"content-length:", b"CONTENT-LENGTH:  "]),
)
def test_a_frame_starts_wherever_a_header_names_its_length(before: bytes, name: bytes) -> None:
    bounded = BoundedInput(io.BytesIO(before + name + b'7\r\n\r\n{"a":1}'))
    while (line := bounded.readline()) != b"Content-Length: 7\r\n":
        assert line, "the frame was missed"
    assert bounded.readline() == b"\r\n"
    assert bounded.read(7) == b'{"a":1}'
    assert bounded.readline() == b""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    with (tmp_path / "stderr").open("wb") as errors:
        one = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        with one:
            yield one
            one.kill()


GARBAGE = (
    b"\x00\xff\xfe\n\r\n\r\n",
    b"Content-Length: x\r\n\r\n",
    b"Content-Length: 0\r\n\r\n",
    b"Content-Length: -5\r\n\r\n",
    b"A: " + b"x" * 100_000 + b"\r\n",
    framed(b"{"),
    framed(b"\xff\xfe{}"),
    framed(b"[" * 20_000),
    framed(b'{"jsonrpc": "2.0", "method": 7}'),
    framed(b'{"jsonrpc": "2.0", "id": {}, "method": "initialize", "params": {}}'),
    framed(b'{"jsonrpc": "2.0", "id": 9, "result": 1}'),
    framed(b'{"jsonrpc": "2.0", "id": 9, "error": "x"}'),
)


def test_garbage_on_the_wire_does_not_end_the_server(process: subprocess.Popen[bytes]) -> None:
    end = framed(request(2, "shutdown", None)) + framed({"jsonrpc": "2.0", "method": "exit"})
    sent = b"".join(GARBAGE) + framed(request(1, "initialize", INITIALIZE)) + b"".join(GARBAGE) + end
    output, _ = process.communicate(sent, timeout=60)
    found = messages_of(output)
    assert [one for one in found if one.get("id") == 1 and "capabilities" in one.get("result", {})]
    assert [one for one in found if one.get("id") == 2 and one["result"] is None]
    assert len([one for one in found if one.get("method") == "window/showMessage"]) <= 1
    assert process.returncode == 0


@pytest.mark.parametrize(
    "bad",
    [
        b'Content-Length: 5\r\n\r\n{"jsonrpc": "2.0", "method": "$/a"}',
        b'Content-Length: 60\r\n\r\n{"jsonrpc": "2.0", "method": "$/a"}',
        b'Content-Length: 99999999999\r\n\r\n{"jsonrpc": "2.0", "method": "$/a"}',
        b'Content-Length: 90\r\n\r\n{"jsonrpc": "2.',
        b"Content-Length: 90\r\n",
        b"npm warn something\x00\xff",
    ],
)
def test_no_request_is_lost_behind_a_bad_frame(bad: bytes, process: subprocess.Popen[bytes]) -> None:
    end = framed(request(3, "shutdown", None)) + framed({"jsonrpc": "2.0", "method": "exit"})
    first = framed(request(1, "initialize", INITIALIZE))
    output, _ = process.communicate(first + bad + framed(request(2, "no/such", {})) + end, timeout=60)
    found = messages_of(output)
    assert [one["id"] for one in found if one.get("id")] == [1, 2, 3]
    assert process.returncode == 0


def test_what_is_no_json_is_answered_as_json_rpc_wants(process: subprocess.Popen[bytes]) -> None:
    output, _ = process.communicate(framed(b"{"), timeout=60)
    [found] = messages_of(output)
    assert (found["id"], found["error"]["code"]) == (None, ErrorCodes.ParseError)


@pytest.mark.parametrize(
    "sent", [b"", framed(request(1, "initialize", INITIALIZE)), b"Content-Length: 500\r\n\r\n{"]
)
def test_the_server_ends_with_its_input(sent: bytes, process: subprocess.Popen[bytes]) -> None:
    process.communicate(sent, timeout=60)
    assert process.returncode is not None


def test_exit_without_shutdown_is_told_by_the_exit_code(process: subprocess.Popen[bytes]) -> None:
    process.communicate(framed({"jsonrpc": "2.0", "method": "exit"}), timeout=60)
    assert process.returncode == 1


def test_the_version_is_told() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(
        [*COMMAND, "--version"], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith("mergebert-lsp ")


@pytest.mark.parametrize(
    "start",
    ["import mergebert_lsp.server.handlers as s; s.server()", "import mergebert_lsp.worker.process"],
    ids=["server", "worker"],
)
def test_neither_server_nor_worker_starts_with_what_only_a_model_needs(start: str) -> None:
    program = f"import sys\n{start}\nprint(*sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "onnxruntime", "tokenizers", "torch", "tree_sitter"}
