"""Has one message answered, however Rasa behaves, and keeps the customer informed meanwhile.

A turn that Rasa reports as failed (its actions or its tracker are away) is tried for some seconds, then answered with
an apology; nothing of it is left. A Rasa that is slow, silent or talks rubbish is asked until it answers: the customer
first reads "one moment", then a human is asked for. An agent who takes the conversation ends it. A Rasa that is gone
ends the try: the message waits for another edge's, or for this one's to come back (`bot/dispatch.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy.engine import Engine

from bot.customer_identity import Customer
from bot.customers import verified_customer
from bot.inbox import REFUSED, Inbox, Stored
from bot.notices import ONE_MOMENT, RASA_DOWN, Notices
from bot.outbox import Outbox, Outgoing
from bot.rasa_client import RasaClient, RasaGone, RasaUnavailable, Turn, TurnFailed, TurnMetadata, TurnResult
from bot.tables import WAITING

AT_ONCE = 16  # turns; more would only wait within Rasa, where their time runs out
FIRST_PAUSE = 0.25  # seconds; each further one is twice as long
LONGEST_PAUSE = 3.0
ASKED_RASA = frozenset({"text", "button"})

TurnState = Literal["typing", "done", "failed"]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """How long a customer is kept waiting, in seconds from the turn's beginning.

    `failing` is how long a failed turn is repeated before the apology, `one_try` how long one answer may take. A turn
    that another edge began, and left too long, is given `taken_over` before the customer hears of it.
    """

    failing: float = 10.0
    one_moment: float = 10.0
    human: float = 90.0
    one_try: float = 20.0
    taken_over: float = 3.0


class Turns:
    """Answers messages. `tell` is called with the conversation when the customer has something new to read."""

    def __init__(self, engine: Engine, rasa: RasaClient, notices: Notices, *, patience: Patience, tell: Tell) -> None:
        self._engine = engine
        self._inbox = Inbox(engine)
        self._outbox = Outbox(engine)
        self._rasa = rasa
        self._notices = notices
        self._patience = patience
        self._tell = tell
        self._places = asyncio.Semaphore(AT_ONCE)

    async def answer(self, message: Stored) -> tuple[TurnState, list[Outgoing]]:
        """End a message's turn; returns how, and the replies that are stored now. An agent's are none.

        Raises `RasaGone` when there is no Rasa that could be asked; the message waits on.
        """
        if message.kind not in ASKED_RASA:
            return "done", await asyncio.to_thread(self._decline, message)
        button = await asyncio.to_thread(self._outbox.offers, message.conversation, message.text)
        customer = await asyncio.to_thread(verified_customer, self._engine, message.conversation)
        asking = asyncio.create_task(self._ask(message, _to_rasa(message, button=button, customer=customer)))
        try:
            await self._inform(message, asking)
            result = await asking
        except TurnFailed as failure:
            return "failed", await asyncio.to_thread(self._apologise, message, failure.language)
        finally:
            asking.cancel()
        if result is None:
            return "done", []
        return "done", await asyncio.to_thread(self._outbox.finish, message, result, button=button)

    async def tell_waiting(self) -> None:
        """Tell customers what is due where no edge can have their messages answered now."""
        now = datetime.now(UTC)  # once for all, so that on a slow machine, too, none comes before an earlier one
        for name, after in self._stages():
            before = now - timedelta(seconds=after)
            for message in await asyncio.to_thread(self._notices.overdue, name, begun_before=before):
                await self._tell_once(message, name)

    async def _ask(self, message: Stored, turn: Turn) -> TurnResult | None:
        """Ask until Rasa answers; None when the message is no longer the bot's. Raises `TurnFailed` or `RasaGone`."""
        clock = asyncio.get_running_loop().time
        failing_until: float | None = None
        for pause in _pauses():
            try:
                async with self._places:
                    return await self._rasa.turn(turn, within=self._patience.one_try)
            except TurnFailed as failure:
                failing_until = failing_until or clock() + self._patience.failing
                if clock() + pause >= failing_until:
                    raise
                reason = str(failure)
            except RasaGone:
                raise
            except RasaUnavailable as failure:
                reason = str(failure)
            structlog.get_logger().warning("turns.again", reason=reason, message_id=turn.message_id)
            await asyncio.sleep(pause)
            if await asyncio.to_thread(self._inbox.state, message.key) != WAITING:
                return None
        raise AssertionError("the pauses have no end")

    async def _inform(self, message: Stored, asking: asyncio.Task[TurnResult | None]) -> None:
        """Wait for the answer; as time passes, tell the customer, and then a human."""
        gone = (datetime.now(UTC) - message.began_at).total_seconds() if message.began_at else 0.0
        clock = asyncio.get_running_loop().time
        began = clock() - gone
        for name, after in self._stages():
            least = self._patience.taken_over if gone > after else 0.0
            await asyncio.wait({asking}, timeout=max(began + after - clock(), least))
            if asking.done():
                return
            await self._tell_once(message, name)

    def _stages(self) -> tuple[tuple[str, float], ...]:
        """Return the notices in their order, and after how many seconds each is due."""
        return (ONE_MOMENT, self._patience.one_moment), (RASA_DOWN, self._patience.human)

    async def _tell_once(self, message: Stored, name: str) -> None:
        if await asyncio.to_thread(self._notices.say_once, message, name):
            self._tell(message.conversation)

    def _apologise(self, message: Stored, language: str | None) -> list[Outgoing]:
        language = language or self._notices.language(message)
        return self._outbox.fail(message, self._notices.reply(message, "apology", language))

    def _decline(self, message: Stored) -> list[Outgoing]:
        """Answer what is no text: it is kept for the agents, and the bot cannot read it."""
        name = (message.attachment or {}).get(REFUSED) or f"got_{message.kind}"
        return self._outbox.decline(message, self._notices.reply(message, name, self._notices.language(message)))


def _to_rasa(message: Stored, *, button: bool, customer: Customer | None) -> Turn:
    return Turn(
        sender=message.conversation,
        message=message.text,
        # Ours, and not the client's: what an action does is done once for each id, and two clients may choose the same.
        message_id=f"{message.conversation}-{message.number}",
        metadata=TurnMetadata(
            market=message.market,
            language_hint=message.language_hint,
            button=button,
            email=customer.email if customer else None,
            orders=customer.orders if customer else (),
        ),
    )


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)
