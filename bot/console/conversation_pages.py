"""The page of one conversation: the thread, which refreshes itself, and everything that an agent does in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import Engine
from starlette.exceptions import HTTPException
from starlette.responses import Response

from actions.shop import Shop, ShopUnavailable
from bot.console.accounts import Accounts
from bot.console.canned import Canned
from bot.console.door import HOME, QUEUE, Visit, redirect
from bot.console.orders import known_orders
from bot.console.queue_pages import QueuePages
from bot.console.rendering import Rendering
from bot.console.thread import Thread, correct, read_thread
from bot.customers import verified_customer
from bot.dispatch import Dispatch
from bot.handoff import Handoff, NoSuchAgent, market_of
from bot.ownership import ChangeRefused
from nlu.markets import Markets

TEXT_LIMIT = 4000  # characters


class ConversationPages:
    """Serves the page. Every step of the handoff ends on it, or at the queue once the conversation is out of sight."""

    def __init__(
        self,
        engine: Engine,
        handoff: Handoff,
        dispatch: Dispatch,
        *,
        shop: Shop,
        accounts: Accounts,
        canned: Canned,
        intents: Sequence[str],
        queue: QueuePages,
        markets: Markets,
        rendering: Rendering,
    ) -> None:
        self._engine = engine
        self._handoff = handoff
        self._dispatch = dispatch
        self._shop = shop
        self._accounts = accounts
        self._canned = canned
        self._intents = intents
        self._queue = queue
        self._markets = markets
        self._rendering = rendering

    async def show(self, visit: Visit) -> Response:
        """Show the whole page."""
        thread = await self._thread(visit)
        part = self._part(thread)
        language = thread.language or market_of(self._markets, thread.market).language
        queue = await self._queue.context(visit, open_now=thread.id)
        context: dict[str, Any] = {
            "queue": {**queue, "digest": self._rendering.digest("_queue.html", visit, **queue)},
            "canned": await asyncio.to_thread(self._canned.of, language),
            "others": await asyncio.to_thread(self._others, visit),
            "limit": TEXT_LIMIT,
            "told": visit.request.query_params.get("told"),
            "digest": self._rendering.digest("_thread.html", visit, **part),
        }
        return self._rendering.page("conversation.html", visit, **part, **context)

    async def refresh(self, visit: Visit) -> Response:
        """Return the thread if it has changed; a new owner changes the whole page, which the browser then asks for."""
        thread = await read_or_none(self._engine, visit)
        if thread is None or not thread.seen_by(visit.agent):
            return Response(headers={"hx-redirect": QUEUE})
        if visit.request.query_params.get("owner") != owner_key(thread):
            return Response(headers={"hx-refresh": "true"})
        return self._rendering.part("_thread.html", visit, **self._part(thread))

    async def show_orders(self, visit: Visit) -> Response:
        """Return the customer's orders, a part of their own: a slow shop keeps nothing else waiting."""
        thread = await self._thread(visit)
        customer = await asyncio.to_thread(verified_customer, self._engine, thread.id)
        try:
            orders = await asyncio.to_thread(known_orders, self._shop, thread.customers_words, customer)
        except ShopUnavailable:
            orders = None
        return self._rendering.part("_orders.html", visit, orders=orders, customer=customer, thread=thread)

    async def claim(self, visit: Visit) -> Response:
        """Take the conversation over."""
        return await self._step(visit, self._handoff.claim)

    async def hand_back(self, visit: Visit) -> Response:
        """Give it back to the bot."""
        return await self._step(visit, self._handoff.hand_back)

    async def put_back(self, visit: Visit) -> Response:
        """Put it back into the queue."""
        return await self._step(visit, self._handoff.put_back)

    async def close(self, visit: Visit) -> Response:
        """End it."""
        return await self._step(visit, self._handoff.close)

    async def transfer(self, visit: Visit) -> Response:
        """Give it to another agent."""
        to, note = visit.form.get("to", ""), visit.form.get("note", "").strip()[:TEXT_LIMIT]
        if not (to.isascii() and to.isdigit()):
            return self._back(visit, "nobody_chosen")
        return await self._step(visit, self._handoff.transfer, int(to), note=note)

    async def reply(self, visit: Visit) -> Response:
        """Say something to the customer."""
        text = visit.form.get("text", "").strip()
        if not text or len(text) > TEXT_LIMIT:
            return self._back(visit, "no_text")
        return await self._step(visit, self._handoff.reply, text)

    async def note(self, visit: Visit) -> Response:
        """Leave a private note."""
        text = visit.form.get("text", "").strip()
        if not text or len(text) > TEXT_LIMIT:
            return self._back(visit, "no_text")
        return await self._step(visit, self._handoff.note, text)

    async def correct(self, visit: Visit) -> Response:
        """Keep the right intent of a message."""
        thread = await self._thread(visit)
        message, intent = visit.form.get("message", ""), visit.form.get("intent", "")
        if intent not in self._intents or not (message.isascii() and message.isdigit()):
            raise HTTPException(400, "This is no intent or no message.")
        if not await asyncio.to_thread(correct, self._engine, thread.id, int(message), intent, visit.agent):
            raise HTTPException(404, "There is no such message here.")
        return await self._after_form(visit)

    async def _step(self, visit: Visit, step: Callable[..., object], *arguments: object, **named: object) -> Response:
        thread = await self._thread(visit)
        try:
            await asyncio.to_thread(step, thread.id, visit.agent, *arguments, **named)
        except ChangeRefused:
            return self._back(visit, "refused")
        except NoSuchAgent:
            return self._back(visit, "nobody_chosen")
        self._dispatch.deliver_soon(thread.id)
        return await self._after_form(visit)

    async def _after_form(self, visit: Visit) -> Response:
        """Answer htmx with the thread as it is now, a plain form with the page."""
        thread = await read_or_none(self._engine, visit)
        if thread is None or not thread.seen_by(visit.agent):
            return redirect(QUEUE)
        if visit.partly:
            return self._rendering.part("_thread.html", visit, **self._part(thread))
        return redirect(f"{HOME}/conversations/{thread.id}")

    def _back(self, visit: Visit, told: str) -> Response:
        path = f"{HOME}/conversations/{visit.path('conversation')}?told={told}"
        # htmx would follow a redirect by itself and put the page into the thread's place.
        return Response(headers={"hx-redirect": path}) if visit.partly else redirect(path)

    async def _thread(self, visit: Visit) -> Thread:
        """Return the conversation; raises HTTP's 404 also for one that is not hers to read."""
        thread = await read_or_none(self._engine, visit)
        if thread is None or not thread.seen_by(visit.agent):
            raise HTTPException(404, "This conversation is not in your queue any more.")
        return thread

    def _part(self, thread: Thread) -> dict[str, Any]:
        return {"thread": thread, "owner_key": owner_key(thread), "intents": self._intents}

    def _others(self, visit: Visit) -> list[Any]:
        """Return to whom the conversation can be given, those who are there first."""
        accounts = [each for each in self._accounts.all() if each.disabled_at is None and each.agent != visit.agent]
        return sorted(accounts, key=lambda account: not (account.here and account.available))


async def read_or_none(engine: Engine, visit: Visit) -> Thread | None:
    """Return the conversation that the path names."""
    return await asyncio.to_thread(read_thread, engine, visit.path("conversation"))


def owner_key(thread: Thread) -> str:
    """Return what stands in a page for whose the conversation was when the page was made."""
    return f"{thread.status}-{thread.owner.id}" if thread.owner else thread.status
