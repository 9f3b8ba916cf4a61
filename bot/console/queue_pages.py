"""The page with the queue, and its list, which refreshes itself."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.engine import Engine
from starlette.responses import Response

from bot.console.door import Visit
from bot.console.queue import Wish, count_waiting, read_queue, views_for
from bot.console.rendering import Rendering
from bot.conversations import QUEUED
from nlu.markets import Markets


class QueuePages:
    """What agents see first."""

    def __init__(self, engine: Engine, markets: Markets, rendering: Rendering) -> None:
        self._engine = engine
        self._markets = markets
        self._rendering = rendering

    async def show(self, visit: Visit) -> Response:
        """Show the whole page."""
        context = await self.context(visit)
        digest = self._rendering.digest("_queue.html", visit, **context)
        return self._rendering.page("queue.html", visit, **context, digest=digest, views=views_for(visit.agent))

    async def refresh(self, visit: Visit) -> Response:
        """Return the list alone, if it has changed."""
        return self._rendering.part("_queue.html", visit, **await self.context(visit))

    async def context(self, visit: Visit, *, open_now: str | None = None) -> dict[str, Any]:
        """Return what the list shows; `open_now` is the conversation that stands beside it."""
        wish = self._wish(visit)
        open_now = open_now or visit.request.query_params.get("open")
        entries = await asyncio.to_thread(read_queue, self._engine, visit.agent, wish)
        waiting = await asyncio.to_thread(count_waiting, self._engine)
        asked = {"view": wish.view, "market": wish.market, "language": wish.language, "open": open_now or ""}
        query = urlencode({name: value for name, value in asked.items() if value})
        return {"entries": entries, "wish": wish, "waiting": waiting, "query": query, "open_now": open_now}

    def _wish(self, visit: Visit) -> Wish:
        asked = visit.request.query_params
        view, market, language = asked.get("view", QUEUED), asked.get("market", ""), asked.get("language", "")
        return Wish(
            view if view in views_for(visit.agent) else QUEUED,
            market if market in self._markets.by_code else "",
            language if language in self._markets.languages else "",
        )
