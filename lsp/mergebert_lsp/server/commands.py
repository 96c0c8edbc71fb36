"""The commands of the server: each takes one object and answers with one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from lsprotocol.types import (
    ApplyWorkspaceEditParams,
    Location,
    MessageType,
    ShowDocumentParams,
    ShowMessageParams,
    WorkspaceEdit,
)
from pygls.exceptions import JsonRpcException

from mergebert_lsp.features.actions import ACCEPT, ACCEPT_SURE, CHECK, NEXT, PREVIOUS
from mergebert_lsp.features.edits import sure_edits, workspace_edit
from mergebert_lsp.features.navigation import next_conflict
from mergebert_lsp.server.connection import MergebertServer
from mergebert_lsp.text.document_state import DocumentState, Edit

CommandResult = dict[str, Any]

MOVED_ON = "The text has changed since; look at the conflict again and choose once more."
NOT_THERE = "There is no such conflict in this text any more."
NO_WORD = (
    "The editor did not say whether it made the edit; look at the text, and choose once more if need be."
)
LONGEST_EDIT = 30.0  # seconds in which an editor answers; after them the text can be edited again
NO_CHOICE = "This conflict has no such choice."


def register(server: MergebertServer) -> None:
    """Makes the server know its commands."""

    async def accept(*arguments: Any) -> CommandResult:
        return await _accept(server, _object(arguments))

    async def accept_sure(*arguments: Any) -> CommandResult:
        return await _accept_sure(server, _object(arguments))

    async def following(*arguments: Any) -> CommandResult | None:
        return await _navigate(server, _object(arguments), 1)

    async def previous(*arguments: Any) -> CommandResult | None:
        return await _navigate(server, _object(arguments), -1)

    async def check(*arguments: Any) -> CommandResult:
        return await _check(server)

    named = {ACCEPT: accept, ACCEPT_SURE: accept_sure, NEXT: following, PREVIOUS: previous, CHECK: check}
    for name, command in named.items():
        server.command(name)(command)


def chosen_edit(document: DocumentState | None, asked: Mapping[str, Any]) -> Edit | str:
    """The edit that was asked for, or why there is none."""
    if document is None:
        return NOT_THERE
    if asked.get("version") is not None and asked["version"] != document.version:
        return MOVED_ON
    conflict = document.find(asked.get("conflict"))
    if conflict is None:
        return NOT_THERE
    return conflict.edit(str(asked.get("choice", ""))) or NO_CHOICE


async def _accept(server: MergebertServer, asked: Mapping[str, Any]) -> CommandResult:
    document = await server.session.found(str(asked.get("uri")))
    edit = chosen_edit(document, asked)
    if document is None or isinstance(edit, str):
        return _refused(server, str(edit))
    return await _apply(server, {document: [edit]}, "Resolve a merge conflict")


async def _accept_sure(server: MergebertServer, asked: Mapping[str, Any]) -> CommandResult:
    session = server.session
    if asked.get("uri") is None:
        await session.settled(session.ask_whole())
        documents = list(session.all_documents())
    else:
        await session.settled(session.supervisor.generation)  # what is sure of itself may still be taken back
        document = session.documents.get(str(asked["uri"]))
        documents = [document] if document else []
    edits = {
        document: found
        for document in documents
        if (found := sure_edits(document)) and server.is_current(document)
    }
    if not edits:
        return _refused(server, "Nothing is sure enough to be accepted; look at the suggestions one by one.")
    return await _apply(server, edits, "Resolve what is sure")


async def _check(server: MergebertServer) -> CommandResult:
    session = server.session
    await session.settled(session.ask_whole())
    documents = list(session.all_documents())
    return {
        "files": len(documents),
        "conflicts": sum(len(document.conflicts) for document in documents),
        "sure": sum(one.is_sure for document in documents for one in document.conflicts),
    }


async def _navigate(server: MergebertServer, asked: Mapping[str, Any], step: int) -> CommandResult | None:
    line = asked.get("line")
    await server.session.found(str(asked.get("uri")))
    documents = list(server.session.all_documents())
    found = next_conflict(documents, str(asked.get("uri")), line if isinstance(line, int) else 0, step)
    if found is None:
        return None
    if server.session.client.shows_documents:
        await server.window_show_document_async(
            ShowDocumentParams(found.uri, take_focus=True, selection=found.range)
        )
    return _location_result(found)


async def _apply(
    server: MergebertServer, edits: Mapping[DocumentState, Sequence[Edit]], label: str
) -> CommandResult:
    if not server.session.client.applies_edits:
        return _refused(server, "This editor takes no edits from a server; use the code actions.")
    if any(server.session.is_spent(document) for document in edits):
        return _refused(server, MOVED_ON)
    server.session.spend(edits)
    reason: str | None = NO_WORD  # where the request is cancelled, too
    try:
        reason = await _reason_against(server, workspace_edit(edits, server.session.client), label)
    finally:
        if reason is not None:
            server.session.restore(edits)
    if reason is not None:
        return _refused(server, reason)
    return {"applied": True, "conflicts": sum(map(len, edits.values()))}


async def _reason_against(server: MergebertServer, edit: WorkspaceEdit, label: str) -> str | None:
    """Why the client did not make an edit; None where it did."""
    try:
        async with asyncio.timeout(LONGEST_EDIT):
            done = await server.workspace_apply_edit_async(ApplyWorkspaceEditParams(edit, label))
    except TimeoutError:
        return NO_WORD
    except JsonRpcException as error:
        return f"The editor could not make the edit: {error}."
    return None if done.applied else done.failure_reason or MOVED_ON


def _refused(server: MergebertServer, reason: str) -> CommandResult:
    """Says why nothing was done, to the person and to the client."""
    server.window_show_message(ShowMessageParams(MessageType.Warning, reason))
    return {"applied": False, "reason": reason}


def _location_result(found: Location) -> CommandResult:
    start = found.range.start
    return {"uri": found.uri, "line": start.line, "character": start.character}


def _object(arguments: Sequence[Any]) -> Mapping[str, Any]:
    """The one object that a command is given; a client that gives none means an empty one."""
    first = arguments[0] if arguments else {}
    if hasattr(first, "_asdict"):
        first = first._asdict()
    return first if isinstance(first, Mapping) else {}
