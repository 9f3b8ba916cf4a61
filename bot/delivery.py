"""Brings stored replies to the customers of channels that have to be called, in order, until they are taken.

A channel registers a `Sender`; it says how one reply is sent and what a provider's refusal means, the rest is here. Any
number of edges deliver side by side: they claim replies in the database (`bot/pending.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.outbox import Outgoing
from bot.pending import Parcel, Pending
from bot.watch import Watch

AT_ONCE = 50  # conversations; one that a provider keeps waiting holds up no other
SENT_WITHIN = 20.0  # seconds; less than a claim lasts


@dataclass(frozen=True)
class Recipient:
    """Whom a reply is for: the customer as the channel names her, and what a channel's rules depend on."""

    channel: str
    account: str
    sender: str
    conversation: str
    language: str | None
    last_customer_at: datetime | None


class TryLater(Exception):
    """The provider did not take a reply now (429, 5xx, no answer); `after` are the seconds it asks to wait, or None."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Undeliverable(Exception):
    """The provider will never take this reply, for the reason that the message names."""


class Sender(Protocol):
    """How a channel sends one reply."""

    @property
    def name(self) -> str:
        """The channel's name, as conversations have it."""

    async def send(self, recipient: Recipient, reply: Outgoing) -> str | None:
        """Send a reply and return the provider's id of it, if it has one; raises `TryLater` or `Undeliverable`."""


@dataclass(frozen=True)
class Backoff:
    """When a reply that was not taken is tried again: pauses in seconds, each twice the last, half of it by chance."""

    first: float = 1.0
    longest: float = 600.0
    attempts: int = 20  # about two hours

    def pause(self, attempt: int) -> float:
        """Return the pause after so many tries; by chance, so that what failed together is not tried together."""
        whole = min(self.first * 2.0 ** (attempt - 1), self.longest)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it


class Deliverer:
    """One edge's deliveries. Conversations are served side by side, each one's replies in order."""

    def __init__(self, engine: Engine, senders: Mapping[str, Sender], *, backoff: Backoff | None = None) -> None:
        self._pending = Pending(engine)
        self._senders = senders
        self._backoff = backoff or Backoff()
        self._watch = Watch("delivery", self._look)
        self._work: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin with what is due."""
        self._watch.start()

    async def stop(self) -> None:
        """Stop at once; what was being sent is sent again when its claim has run out."""
        await self._watch.stop()
        tasks = list(self._work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self, conversation: str) -> None:
        """Say that a conversation has a reply that is due."""
        self._watch.ring()

    async def _look(self) -> bool:
        room = AT_ONCE - len(self._work)
        if room <= 0 or not self._senders:
            return False
        due = await asyncio.to_thread(self._pending.due, list(self._senders), room)
        for conversation in due:
            if conversation not in self._work:
                self._work[conversation] = asyncio.create_task(self._serve(conversation))
        return bool(due)

    async def _serve(self, conversation: str) -> None:
        try:
            while parcel := await asyncio.to_thread(self._pending.claim, conversation):
                await self._bring(parcel)
        except SQLAlchemyError as error:
            # The claim runs out, and the reply is due again.
            structlog.get_logger().error("delivery.database", error=type(error).__name__)
        finally:
            del self._work[conversation]

    async def _bring(self, parcel: Parcel) -> None:
        if parcel.attempt > self._backoff.attempts:  # those who tried died of it
            await self._give_up(parcel, "no try came to an end")
            return
        held = parcel.conversation
        recipient = Recipient(held.channel, held.account, held.sender, held.id, held.language, held.last_customer_at)
        try:
            async with asyncio.timeout(SENT_WITHIN):
                taken_as = await self._senders[held.channel].send(recipient, parcel.reply)
        except Undeliverable as refusal:
            await self._give_up(parcel, str(refusal))
        except TryLater as failure:
            await self._try_later(parcel, str(failure), failure.after)
        except TimeoutError:
            await self._try_later(parcel, f"no answer in {SENT_WITHIN:.0f} s", None)
        else:
            await asyncio.to_thread(self._pending.delivered, parcel, taken_as)

    async def _try_later(self, parcel: Parcel, error: str, after: float | None) -> None:
        if parcel.attempt >= self._backoff.attempts:
            await self._give_up(parcel, error)
            return
        seconds = max(after or 0.0, self._backoff.pause(parcel.attempt))
        self._log("delivery.again", parcel, error, seconds=round(seconds, 1))
        await asyncio.to_thread(self._pending.later, parcel, seconds=seconds, error=error)

    async def _give_up(self, parcel: Parcel, error: str) -> None:
        self._log("delivery.dead", parcel, error)
        await asyncio.to_thread(self._pending.give_up, parcel, error=error)

    @staticmethod
    def _log(event: str, parcel: Parcel, error: str, **more: object) -> None:
        this = {"channel": parcel.conversation.channel, "conversation": parcel.conversation.id}
        structlog.get_logger().warning(event, reply=parcel.key, attempt=parcel.attempt, error=error, **this, **more)
