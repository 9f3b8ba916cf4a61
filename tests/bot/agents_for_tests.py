"""Agents, customers and a clock for tests of the handoff and the console."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.agent_tables import agent_sessions, handoff_events
from bot.console.accounts import Accounts
from bot.console.sessions import Sessions
from bot.conversations import Conversations, next_number
from bot.handoff import Agent, Handoff
from bot.inbox import Inbox, Incoming, Stored
from bot.outbox import Outbox
from bot.rasa_client import Handoff as AskedFor
from bot.rasa_client import Reply, TurnResult
from bot.tables import DONE, conversations, messages, replies
from bot.texts import Texts, load_texts
from nlu.markets import load_markets

PASSWORD = "correct horse battery"
# Argon2 as weak as it gets: the tests try the accounts, not the hash.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
BERLIN = ZoneInfo("Europe/Berlin")
# A Wednesday within the opening hours of de-DE.
WEDNESDAY = datetime(2026, 5, 6, 11, tzinfo=BERLIN)


@cache
def real_texts() -> Texts:
    """Return the texts of all languages, read once."""
    return load_texts()


@dataclass
class Clock:
    """A clock that only the test moves on."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)


class Desk:
    """The handoff on a database, with agents and customers."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self.engine = engine
        self.clock = clock or Clock()
        self.texts, self.markets = real_texts(), load_markets()
        self.handoff = Handoff(engine, self.texts, self.markets, clock=self.clock)
        self.accounts = Accounts(engine, hasher=QUICK, clock=self.clock)
        self.sessions = Sessions(engine, clock=self.clock)
        self.inbox, self.outbox = Inbox(engine), Outbox(engine)
        self._ids = count(1)
        self._lock = threading.Lock()

    def agent(self, name: str, role: str = "agent", *, here: bool = False) -> Agent:
        """Make an account, and sign it in if it is to be here."""
        agent = self.accounts.add(name, PASSWORD, role=role)
        if here:
            self.sessions.begin(agent)
        return agent

    def here(self) -> None:
        """Every agent who has signed in has her page open now."""
        with transaction(self.engine) as session:
            session.execute(agent_sessions.update().values(seen_at=self.clock()))

    def conversation(
        self, *, market: str = "de-DE", queued: bool = True, reason: str = "wish", ticket: str | None = "T1"
    ) -> str:
        """Begin a conversation with one message that the bot has answered; by default it waits for an agent."""
        key = Conversations(self.engine).open("widget", market=market).id
        now = self.clock()
        with transaction(self.engine) as session:
            # Answered from the first moment on: an edge on this database finds nothing to do.
            said = {"number": next_number(session, key), "text": "hello", "state": DONE, "language": "de"}
            named = {"conversation_id": key, "channel": "widget", "account": key, "message_id": "first"}
            row = {"market": market, "sentiment": "neutral", "received_at": now, "finished_at": now}
            session.execute(messages.insert().values(**said, **named, **row))
            session.execute(conversations.update().where(conversations.c.id == key).values(language="de"))
            Outbox.say(session, key, author="bot", name="utter_hello", language="de", text="Guten Tag")
        if queued:
            self.handoff.queue(key, reason=reason, ticket=ticket)
        return key

    def queue_of(self, length: int) -> list[str]:
        """Fill the queue at once with conversations in which nothing was said yet."""
        keys = [str(uuid.uuid4()) for _ in range(length)]
        alike = {"channel": "widget", "account": "", "market": "de-DE", "status": "queued", "last_number": 0}
        now = self.clock()
        with transaction(self.engine) as session:
            rows = [{"id": key, "sender": key, "created_at": now, "status_at": now, **alike} for key in keys]
            session.execute(conversations.insert(), rows)
        return keys

    def unasked(self) -> str:
        """Begin a conversation that waits although the customer has not asked: she is told nothing by herself."""
        return self.conversation(reason="negative", ticket=None)

    def customer_writes(self, conversation: str, text: str = "hello") -> Stored:
        """Have the customer write, at the moment that the clock shows."""
        with self._lock:
            message_id = str(next(self._ids))
        incoming = Incoming("widget", conversation, conversation, message_id, text, "de-DE", None)
        stored = self.inbox.store(incoming)[0]
        with transaction(self.engine) as session:
            this = messages.c.id == stored.key
            session.execute(messages.update().where(this).values(received_at=self.clock()))
        return stored

    def bot_answers(self, message: Stored, *names: str, handoff: AskedFor | None = None) -> list[str]:
        """End the message's turn with the bot's replies; returns those that were really said."""
        spoken = tuple(Reply(name, "de", f"{name} said", handoff=handoff) for name in names)
        return [said.name for said in self.outbox.finish(message, TurnResult(spoken, language="de"), button=False)]

    def row(self, conversation: str) -> Any:
        """Return the conversation as the database has it."""
        return self.rows(conversations, conversations.c.id == conversation)[0]

    def said(self, conversation: str) -> list[Any]:
        """Return all that was said to the customer, in order."""
        return self.rows(replies, replies.c.conversation_id == conversation, order=replies.c.number)

    def names_said(self, conversation: str) -> list[str]:
        """Return its names."""
        return [reply.name for reply in self.said(conversation)]

    def history(self, conversation: str) -> list[tuple[str, str, str]]:
        """Return how the conversation changed hands: from, to, why."""
        rows = self.rows(handoff_events, handoff_events.c.conversation_id == conversation, order=handoff_events.c.id)
        return [(row.from_status, row.to_status, row.reason) for row in rows]

    def rows(self, table: Any, *conditions: Any, order: Any = None) -> list[Any]:
        """Return a table's rows."""
        with reading(self.engine) as session:
            query = select(table).where(*conditions)
            return list(session.execute(query if order is None else query.order_by(order)))
