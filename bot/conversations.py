"""Conversations: opening, finding and counting in them. The functions run within their caller's transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import insert_if_new, reading, transaction
from bot.tables import conversations

BOT = "bot"
QUEUED = "queued"
AGENT = "agent"
CLOSED = "closed"


@dataclass(frozen=True)
class Conversation:
    """A conversation as it stands; `language` is None until the customer has said a real sentence.

    `agent_id` is the human who owns it while `status` is `agent`.
    """

    id: str
    channel: str
    account: str
    sender: str
    market: str
    language: str | None
    status: str
    agent_id: int | None
    last_number: int
    last_customer_at: datetime | None


class Conversations:
    """Opens and finds conversations, each time in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, channel: str, *, market: str, account: str = "", sender: str | None = None) -> Conversation:
        """Return the sender's conversation, which is begun if there is none; without a sender it is a new one.

        `account` is the provider's account that the sender wrote to.
        """
        key = str(uuid.uuid4())
        sender = key if sender is None else sender
        with transaction(self._engine) as session:
            insert_if_new(
                session,
                conversations,
                id=key,
                channel=channel,
                account=account,
                sender=sender,
                market=market,
                status=BOT,
                last_number=0,
                created_at=datetime.now(UTC),
            )
            this = {"channel": channel, "account": account, "sender": sender}
            return _from_row(session.execute(select(conversations).filter_by(**this)).one())

    def find(self, conversation: str, *, channel: str) -> Conversation | None:
        """Return a conversation of this channel, or None."""
        this = (conversations.c.id == conversation, conversations.c.channel == channel)
        with reading(self._engine) as session:
            row = session.execute(select(conversations).where(*this)).one_or_none()
            return _from_row(row) if row else None

    def set_market(self, conversation: str, market: str) -> None:
        """Let the conversation go on in another market."""
        with transaction(self._engine) as session:
            session.execute(update(conversations).where(conversations.c.id == conversation).values(market=market))


def next_number(session: Session, conversation: str) -> int:
    """Count one further in the conversation, and hold its row until the transaction ends."""
    this = conversations.c.id == conversation
    session.execute(update(conversations).where(this).values(last_number=conversations.c.last_number + 1))
    return int(session.execute(select(conversations.c.last_number).where(this)).scalar_one())


def hold(session: Session, conversation: str) -> Conversation:
    """Return the conversation and let no other transaction write in it before this one ends."""
    this = select(conversations).where(conversations.c.id == conversation).with_for_update()
    return _from_row(session.execute(this).one())


def _from_row(row: Any) -> Conversation:
    return Conversation(**{each.name: getattr(row, each.name) for each in fields(Conversation)})
