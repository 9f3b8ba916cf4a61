"""Has one message answered, however Rasa behaves, and keeps the customer informed meanwhile.

A turn that Rasa reports as failed (its actions or its tracker are away) is tried for some seconds, then answered with
an apology; nothing of it is left. A Rasa that is slow, silent, gone or talks rubbish is asked until it answers: the
customer first reads "one moment", then a human is asked for. An agent who takes the conversation ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.checks import TEXT_LIMIT
from bot.conversations import BOT, hold
from bot.customer_identity import Customer
from bot.customers import verified_customer
from bot.inbox import REFUSED, Inbox, Stored, state_of
from bot.outbox import Outbox, Outgoing
from bot.ownership import queue
from bot.rasa_client import RasaClient, RasaUnavailable, Reply, Turn, TurnFailed, TurnMetadata, TurnResult
from bot.tables import WAITING, conversations, replies
from bot.texts import Texts
from nlu.markets import Markets, message_language

AT_ONCE = 16  # turns; more would only wait within Rasa, where their time runs out
FIRST_PAUSE = 0.25  # seconds; each further one is twice as long
LONGEST_PAUSE = 3.0
RASA_DOWN = "rasa_down"
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

    def __init__(
        self, engine: Engine, rasa: RasaClient, texts: Texts, markets: Markets, *, patience: Patience, tell: Tell
    ) -> None:
        self._engine = engine
        self._inbox = Inbox(engine)
        self._outbox = Outbox(engine)
        self._rasa = rasa
        self._texts = texts
        self._markets = markets
        self._patience = patience
        self._tell = tell
        self._places = asyncio.Semaphore(AT_ONCE)

    async def answer(self, message: Stored) -> tuple[TurnState, list[Outgoing]]:
        """End a message's turn; returns how, and the replies that are stored now. An agent's are none."""
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

    async def _ask(self, message: Stored, turn: Turn) -> TurnResult | None:
        """Ask until Rasa answers; None when the message is no longer the bot's. Raises `TurnFailed`."""
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
        notices: list[tuple[float, Callable[[Stored], bool]]] = [
            (self._patience.one_moment, self._say_one_moment),
            (self._patience.human, self._ask_for_human),
        ]
        for after, notice in notices:
            least = self._patience.taken_over if gone > after else 0.0
            await asyncio.wait({asking}, timeout=max(began + after - clock(), least))
            if asking.done():
                return
            if await asyncio.to_thread(notice, message):
                self._tell(message.conversation)

    def _say_one_moment(self, message: Stored) -> bool:
        return self._say_once(message, "one_moment")

    def _ask_for_human(self, message: Stored) -> bool:
        return self._say_once(message, RASA_DOWN, queues=True)

    def _say_once(self, message: Stored, name: str, *, queues: bool = False) -> bool:
        """Say one of the edge's texts, unless this turn said it already or is no longer the bot's."""
        said = select(replies.c.id).where(
            replies.c.conversation_id == message.conversation,
            replies.c.name == f"edge_{name}",
            replies.c.created_at >= message.began_at,
        )
        with transaction(self._engine) as session:
            held = hold(session, message.conversation)
            if state_of(session, message.key) != WAITING or session.execute(said.limit(1)).first():
                return False
            if queues and held.status == BOT:
                queue(session, held.id, at=datetime.now(UTC), reason=RASA_DOWN, ticket=None)
            reply = self._text(message, name, held.language)
            Outbox.say(session, held.id, author="edge", name=reply.name, language=reply.language, text=reply.text)
            return True

    def _apologise(self, message: Stored, language: str | None) -> list[Outgoing]:
        return self._outbox.fail(message, self._text(message, "apology", language or self._language(message)))

    def _decline(self, message: Stored) -> list[Outgoing]:
        """Answer what is no text: it is kept for the agents, and the bot cannot read it."""
        name = (message.attachment or {}).get(REFUSED) or f"got_{message.kind}"
        return self._outbox.decline(message, self._text(message, name, self._language(message)))

    def _language(self, message: Stored) -> str | None:
        with reading(self._engine) as session:
            this = select(conversations.c.language).where(conversations.c.id == message.conversation)
            language: str | None = session.execute(this).scalar_one()
            return language

    def _text(self, message: Stored, name: str, language: str | None) -> Reply:
        market = self._markets[message.market]
        spoken = message_language(
            "und", conversation=language, hint=message.language_hint, market=market, fallback=market.language
        )
        return Reply(name=f"edge_{name}", language=spoken, text=self._texts.edge(spoken, name, limit=TEXT_LIMIT))


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
