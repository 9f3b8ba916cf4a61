"""Dispatch: has each conversation's messages answered in order, one at a time, and conversations side by side.

Works from the inbox, so that it takes up after a restart what was stored and not answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.conversations import AGENT, Conversations
from bot.inbox import Inbox, Stored
from bot.metrics import Metrics
from bot.outbox import Outbox, Outgoing
from bot.rasa_client import RasaClient, RasaUnavailable, Reply, Turn, TurnMetadata
from bot.tables import WAITING
from bot.texts import Texts
from nlu.markets import Markets, message_language

AT_ONCE = 16  # turns; more would only wait within Rasa, where their time runs out
RASA_STARTS_WITHIN = 90.0  # seconds
LOOK_AGAIN = 0.5
DATABASE_PAUSE = 1.0
APOLOGY = "apology"

TurnState = Literal["typing", "done", "failed"]


class Delivery(Protocol):
    """How a channel brings replies to its customers."""

    async def turn(self, message: Stored, state: TurnState) -> None:
        """Tell that a message is being answered, or has been."""

    async def deliver(self, conversation: str, outgoing: Sequence[Outgoing]) -> None:
        """Bring stored replies to whoever follows the conversation."""


class Dispatch:
    """One edge's dispatch. `deliveries` are the channels that push; the others fetch their replies themselves."""

    def __init__(self, engine: Engine, rasa: RasaClient, texts: Texts, markets: Markets, metrics: Metrics) -> None:
        self.deliveries: dict[str, Delivery] = {}
        self._conversations = Conversations(engine)
        self._inbox = Inbox(engine)
        self._outbox = Outbox(engine)
        self._rasa = rasa
        self._texts = texts
        self._markets = markets
        self._metrics = metrics
        self._places = asyncio.Semaphore(AT_ONCE)
        self._rasa_started = asyncio.Event()
        self._work: dict[str, asyncio.Task[None]] = {}
        self._woken: set[str] = set()
        self._finished: dict[int, asyncio.Event] = {}
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin: wait for Rasa, then take up what was left without an answer."""
        self._starting = asyncio.create_task(self._start())

    async def stop(self) -> None:
        """Stop at once: what is not answered waits in the inbox, and a turn that was under way is repeated."""
        tasks = [*self._work.values(), *([self._starting] if self._starting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self, conversation: str) -> None:
        """Say that a conversation has a message that waits."""
        self._woken.add(conversation)
        if conversation not in self._work:
            self._work[conversation] = asyncio.create_task(self._answer_all(conversation))

    def deliver_soon(self, conversation: str) -> None:
        """Say that a conversation has a reply to be brought to the customer (`Outbox.say` stored it)."""

    async def finished(self, message: Stored) -> None:
        """Wait until a message is off the bot's list."""
        event = self._finished.setdefault(message.key, asyncio.Event())
        # Its turn may have ended after the caller looked and before the line above.
        if await asyncio.to_thread(self._inbox.state, message.key) == WAITING:
            self.wake(message.conversation)
            await event.wait()
        else:
            self._tell_finished(message)

    async def _start(self) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + RASA_STARTS_WITHIN
        while not await self._rasa.answers() and clock() < until:
            await asyncio.sleep(LOOK_AGAIN)
        self._rasa_started.set()
        for conversation in await asyncio.to_thread(self._inbox.waiting):
            self.wake(conversation)

    async def _answer_all(self, conversation: str) -> None:
        try:
            await self._rasa_started.wait()
            while conversation in self._woken:
                self._woken.discard(conversation)
                try:
                    while message := await asyncio.to_thread(self._inbox.next, conversation):
                        async with self._places:
                            await self._answer(message)
                except SQLAlchemyError as error:
                    structlog.get_logger().error("dispatch.database", error=type(error).__name__)
                    self._woken.add(conversation)
                    await asyncio.sleep(DATABASE_PAUSE)
        finally:
            del self._work[conversation]

    async def _answer(self, message: Stored) -> None:
        conversation = await asyncio.to_thread(self._conversations.find, message.conversation, channel=message.channel)
        if conversation and conversation.status == AGENT:
            await asyncio.to_thread(self._inbox.leave_to_agent, message)
            self._tell_finished(message)
            return
        delivery = self.deliveries.get(message.channel)
        if delivery:
            await delivery.turn(message, "typing")
        with self._metrics.turn_seconds.time():
            state, outgoing = await self._turn(message, conversation.language if conversation else None)
        self._metrics.turns.labels(channel=message.channel, state=state).inc()
        self._tell_finished(message)
        if delivery:
            await delivery.deliver(message.conversation, outgoing)
            await delivery.turn(message, state)

    async def _turn(self, message: Stored, language: str | None) -> tuple[TurnState, list[Outgoing]]:
        button = await asyncio.to_thread(self._outbox.offers, message.conversation, message.text)
        try:
            result = await self._rasa.turn(_to_rasa(message, button=button))
        except RasaUnavailable as error:
            apology = self._apology(message, error.language or language)
            return "failed", await asyncio.to_thread(self._outbox.fail, message, apology)
        return "done", await asyncio.to_thread(self._outbox.finish, message, result, button=button)

    def _apology(self, message: Stored, language: str | None) -> Reply:
        market = self._markets[message.market]
        spoken = message_language(
            "und", conversation=language, hint=message.language_hint, market=market, fallback=market.language
        )
        return Reply(name=f"edge_{APOLOGY}", language=spoken, text=self._texts.edge(spoken, APOLOGY))

    def _tell_finished(self, message: Stored) -> None:
        event = self._finished.pop(message.key, None)
        if event:
            event.set()


def _to_rasa(message: Stored, *, button: bool) -> Turn:
    return Turn(
        sender=message.conversation,
        message=message.text,
        # Ours, and not the client's: what an action does is done once for each id, and two clients may choose the same.
        message_id=f"{message.conversation}-{message.number}",
        metadata=TurnMetadata(market=message.market, language_hint=message.language_hint, button=button),
    )
