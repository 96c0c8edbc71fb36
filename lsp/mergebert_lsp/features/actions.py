"""Code actions: the suggestions and whole versions of the conflicts at the cursor, and where to go next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lsprotocol.types import CodeAction, Command, Diagnostic

from mergebert_lsp.features.capabilities import Client
from mergebert_lsp.features.edits import sure_edits, workspace_edit
from mergebert_lsp.features.wording import labels_of, suggestion_title
from mergebert_lsp.text.choices import CHOICES
from mergebert_lsp.text.document_state import DocumentConflict, DocumentState

KIND = "quickfix.mergebert"
ACCEPT, ACCEPT_SURE = "mergebert.accept", "mergebert.acceptSure"
NEXT, PREVIOUS, CHECK = "mergebert.next", "mergebert.previous", "mergebert.check"


def is_wanted(only: Sequence[str] | None) -> bool:
    """Whether a client that asks for these kinds, or for any, wants ours."""
    return only is None or any(_holds(kind, KIND) for kind in only)


def code_actions(
    document: DocumentState, start: int, end: int, client: Client, reported: Sequence[Diagnostic]
) -> list[CodeAction | Command]:
    """The actions for the characters from `start` to `end`; edits are worked out later where the client asks again."""
    found: list[CodeAction | Command] = []
    for conflict in document.at(start, end):
        own = [one for one in reported if _is_of(one, conflict)]
        for choice, title in choices(conflict).items():
            found.append(_action(document, conflict, choice, title, client, own))
    if found:
        found += [_as_action(command, client) for command in _around(document, start)]
    return found


def choices(conflict: DocumentConflict) -> dict[str, str]:
    """What may be chosen for a conflict, with its titles, best first."""
    ranks = range(1, len(conflict.suggestions) + 1)
    found = {str(rank): suggestion_title(conflict, rank) for rank in ranks}
    labels = labels_of(conflict)
    return found | {
        side: one.title(labels) for side, one in CHOICES.items() if conflict.edit(side) is not None
    }


def resolved(action: CodeAction, document: DocumentState, client: Client) -> CodeAction | None:
    """The action with its edit; None where the text has moved on since."""
    data = _mapping(action.data)
    conflict = document.find(data.get("conflict")) if data.get("version") == document.version else None
    edit = conflict.edit(str(data.get("choice"))) if conflict else None
    if edit is None:
        return None
    action.edit = workspace_edit({document: [edit]}, client)
    return action


def _action(
    document: DocumentState,
    conflict: DocumentConflict,
    choice: str,
    title: str,
    client: Client,
    reported: list[Diagnostic],
) -> CodeAction | Command:
    data = {"uri": document.uri, "version": document.version, "conflict": conflict.id, "choice": choice}
    command = Command(title, ACCEPT, arguments=[data])
    if not client.has_action_literals:
        return command
    action = CodeAction(
        title,
        kind=KIND,
        diagnostics=reported or None,
        is_preferred=choice == "1" and conflict.is_sure,
    )
    if client.applies_edits and not (client.versions_edits and document.version):
        # Neovim checks no version 0: two edits on their way at once would both be made. A command is refused the second time.
        action.command = command
        return action
    action.data = data
    return action if client.resolves_edits else resolved(action, document, client) or action


def _around(document: DocumentState, start: int) -> Iterator[Command]:
    """What concerns more than the conflict at the cursor."""
    sure = len(sure_edits(document))
    if sure:
        yield Command(
            f"Accept everything sure in this file ({sure})", ACCEPT_SURE, arguments=[{"uri": document.uri}]
        )
    yield Command("Accept everything sure in the whole merge", ACCEPT_SURE, arguments=[{}])
    if len(document.conflicts) > 1:
        here = {"uri": document.uri, "line": document.positions.position(start).line}
        yield Command("Go to the next conflict", NEXT, arguments=[here])
        yield Command("Go to the previous conflict", PREVIOUS, arguments=[here])


def _as_action(command: Command, client: Client) -> CodeAction | Command:
    return CodeAction(command.title, kind=KIND, command=command) if client.has_action_literals else command


def _is_of(reported: Diagnostic, conflict: DocumentConflict) -> bool:
    return _mapping(reported.data).get("conflict") == conflict.id


def _mapping(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _holds(kind: str, other: str) -> bool:
    return not kind or kind == other or other.startswith(f"{kind}.")
