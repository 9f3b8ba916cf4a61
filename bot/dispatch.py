"""Dispatch: has each conversation's messages answered in order, one at a time, and conversations side by side.

Works from the inbox by claims in the database: any number of edges share the work, and take up what a dead one left, or
one whose Rasa is gone. Such an edge claims nothing; it only keeps those informed who wait for whoever can answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol
from weakref import WeakValueDictionary

import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.bell import Bell
from bot.claims import LEASE, Claims
from bot.delivery import Deliverer, Sender
from bot.inbox import Inbox, Stored
from bot.metrics import Metrics
from bot.notices import Notices
from bot.outbox import Outbox
from bot.rasa_client import RasaClient, RasaGone
from bot.tables import WAITING
from bot.texts import Texts
from bot.turns import Patience, Turns, TurnState
from bot.watch import Watch
from nlu.markets import Markets

HELD_AT_ONCE = 200  # conversations; while Rasa is away many wait at the same time
LOOK_AGAIN = 0.25  # seconds


class Delivery(Protocol):
    """How a channel whose customers are connected to this edge, or to one that it reaches, pushes a turn to them."""

    async def turn(self, message: Stored, state: TurnState) -> None:
        """Tell that a message is being answered, or has been."""

    async def deliver(self, conversation: str) -> None:
        """Bring what is stored to whoever follows the conversation."""


class Dispatch:
    """One edge's dispatch.

    `deliveries` are the channels that push a turn as it happens, `senders` those whose customers are called, one reply
    after the other; the others fetch their replies themselves. `lease` is how long a dead edge's conversations wait.
    """

    def __init__(
        self,
        engine: Engine,
        rasa: RasaClient,
        texts: Texts,
        markets: Markets,
        metrics: Metrics,
        *,
        senders: Mapping[str, Sender],
        patience: Patience,
        bell: Bell,
        lease: float = LEASE,
    ) -> None:
        self.deliveries: dict[str, Delivery] = {}
        self._claims = Claims(engine, lease=lease)
        self._renews_after = lease / 3
        self._inbox = Inbox(engine)
        self._outbox = Outbox(engine)
        self._deliverer = Deliverer(engine, senders)
        self._rasa = rasa
        self._rasa_is_gone = False
        self._turns = Turns(engine, rasa, Notices(engine, texts, markets), patience=patience, tell=self.deliver_soon)
        self._metrics = metrics
        self._bell = bell
        bell.on("work", lambda _: self._watch.ring())
        bell.on("finished", self._has_finished)
        self._watch = Watch("dispatch", self._look)
        self._work: dict[str, asyncio.Task[None]] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._finished: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def start(self) -> None:
        """Begin with what was left without an answer."""
        self._watch.start()
        self._deliverer.start()
        self._renewing = asyncio.create_task(self._renew())

    async def stop(self) -> None:
        """Stop at once: what is not answered waits in the inbox, and a turn that was under way is repeated."""
        await self._watch.stop()
        await self._deliverer.stop()
        tasks = [*self._work.values(), *([self._renewing] if self._renewing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.to_thread(self._claims.give_all_back)
        except SQLAlchemyError as error:
            _log_database(error)  # the claims run out by themselves

    def wake(self, conversation: str) -> None:
        """Say that a conversation has a message that waits; another edge is woken if this one cannot take it."""
        self._ring(conversation)
        if self._rasa_is_gone or len(self._work) >= HELD_AT_ONCE:
            self._bell.ring("work", conversation)

    def _ring(self, conversation: str) -> None:
        if conversation not in self._work:
            self._watch.ring()

    def deliver_soon(self, conversation: str) -> None:
        """Say that a conversation has a reply to be brought to the customer (`Outbox.say` stored it)."""
        self._deliverer.wake(conversation)

    async def finished(self, message: Stored) -> None:
        """Wait until a message is off the bot's list, whichever edge answers it."""
        event = self._finished.setdefault(str(message.key), asyncio.Event())
        self.wake(message.conversation)
        while await asyncio.to_thread(self._inbox.state, message.key) == WAITING:
            self._ring(message.conversation)
            try:
                async with asyncio.timeout(LOOK_AGAIN):
                    await event.wait()
            except TimeoutError:
                continue

    def _has_finished(self, key: str) -> None:
        event = self._finished.get(key)
        if event:
            event.set()

    async def _look(self) -> bool:
        if self._rasa_is_gone and not await self._rasa.answers():
            await self._keep_informed()
            return False
        self._rasa_is_gone = False
        room = HELD_AT_ONCE - len(self._work)
        taken = await asyncio.to_thread(self._claims.take, room) if room > 0 else []
        for conversation in taken:
            # A machine so busy that it could not renew its claims takes its own conversations once more.
            if conversation not in self._work:
                self._work[conversation] = asyncio.create_task(self._answer_all(conversation))
        return bool(taken)

    async def _keep_informed(self) -> None:
        for message in await asyncio.to_thread(self._claims.begin_unclaimed):
            delivery = self.deliveries.get(message.channel)
            if delivery:
                await delivery.turn(message, "typing")
        await self._turns.tell_waiting()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renews_after)
            if not self._work:
                continue
            try:
                await asyncio.to_thread(self._claims.renew, list(self._work))
            except SQLAlchemyError as error:
                _log_database(error)

    async def _answer_all(self, conversation: str) -> None:
        try:
            while message := await asyncio.to_thread(self._claims.next, conversation):
                await self._answer(message)
        except RasaGone:
            structlog.get_logger().warning("dispatch.rasa_gone", conversation=conversation)
            self._rasa_is_gone = True
            await self._give_back(conversation)
        except SQLAlchemyError as error:
            _log_database(error)  # the claim runs out, and the message is taken up again
        finally:
            del self._work[conversation]

    async def _give_back(self, conversation: str) -> None:
        try:
            await asyncio.to_thread(self._claims.give_back, conversation)
            self._bell.ring("work", conversation)
        except SQLAlchemyError as error:
            _log_database(error)  # the claim runs out by itself

    async def _answer(self, message: Stored) -> None:
        delivery = self.deliveries.get(message.channel)
        if delivery:
            await delivery.turn(message, "typing")
        with self._metrics.turn_seconds.time():
            state, outgoing = await self._turns.answer(message)
        self._metrics.turns.labels(channel=message.channel, state=state).inc()
        self._has_finished(str(message.key))
        self._bell.ring("finished", str(message.key))
        if delivery is None:
            self.deliver_soon(message.conversation)
            return
        await delivery.deliver(message.conversation)
        await delivery.turn(message, state)
        if outgoing:
            await asyncio.to_thread(self._outbox.pushed, message.conversation, outgoing)


def _log_database(error: SQLAlchemyError) -> None:
    structlog.get_logger().error("dispatch.database", error=type(error).__name__)
