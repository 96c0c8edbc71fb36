"""Progress of the worker in the editor, for work that takes long enough to be wondered about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

from lsprotocol.types import WorkDoneProgressBegin, WorkDoneProgressEnd, WorkDoneProgressReport
from pygls.lsp.server import LanguageServer


class RankingProgress:
    """One bar at a time, where the client shows any; `cancel` is called when a person cancels it."""

    def __init__(
        self, server: LanguageServer, is_shown: Callable[[], bool], cancel: Callable[[], None]
    ) -> None:
        self._server = server
        self._is_shown = is_shown
        self._cancel = cancel
        self._token = ""
        self._is_begun = False

    def report(self, done: int, of: int) -> None:
        """Says how many conflicts are done."""
        if not self._is_shown():
            return
        if not self._token:
            self._token = str(uuid4())
            asyncio.get_running_loop().create_task(self._begin(self._token, of))
        elif self._is_begun:
            share = WorkDoneProgressReport(message=f"{done} of {of}", percentage=100 * done // max(of, 1))
            self._server.work_done_progress.report(self._token, share)

    def end(self) -> None:
        """Takes the bar away."""
        if self._is_begun:
            self._server.work_done_progress.end(self._token, WorkDoneProgressEnd())
            self._server.work_done_progress.tokens.pop(self._token, None)
        self._token, self._is_begun = "", False

    async def _begin(self, token: str, of: int) -> None:
        bars = self._server.work_done_progress
        await bars.create_async(token)
        if token != self._token:  # the work was done before the bar was there
            bars.tokens.pop(token, None)
            return
        self._is_begun = True
        what = f"Ranking {of} conflicts"
        bars.begin(token, WorkDoneProgressBegin(what, cancellable=True, percentage=0))
        bars.tokens[token].add_done_callback(lambda future: self._cancel() if future.cancelled() else None)
