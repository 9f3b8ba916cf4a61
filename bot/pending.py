"""Replies that a channel has to be brought: which are due, who brings them, and what became of each.

Within a conversation only the oldest pending reply may be sent, so they arrive in order. Touches the database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.conversations import Conversation, hold
from bot.outbox import Outgoing, read_outgoing
from bot.tables import DEAD, DELIVERED, PENDING, conversations, replies

CLAIM = timedelta(seconds=30)  # longer than a sender may take


@dataclass(frozen=True)
class Parcel:
    """A reply that this edge is to send now: `attempt` counts the tries, this one included."""

    key: int
    conversation: Conversation
    reply: Outgoing
    attempt: int


@dataclass(frozen=True)
class DeadLetter:
    """A reply that was given up."""

    key: int
    channel: str
    account: str
    conversation: str
    number: int
    attempts: int
    error: str
    created_at: datetime


class Pending:
    """The replies of one database that wait for their delivery."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, channels: Collection[str], limit: int) -> list[str]:
        """Return conversations of these channels whose oldest pending reply may be tried now."""
        other = replies.alias()
        oldest = select(func.min(other.c.number)).where(
            other.c.conversation_id == replies.c.conversation_id, other.c.delivery == PENDING
        )
        query = (
            select(replies.c.conversation_id)
            .join(conversations, conversations.c.id == replies.c.conversation_id)
            .where(
                replies.c.delivery == PENDING,
                replies.c.next_attempt_at <= datetime.now(UTC),
                replies.c.number == oldest.scalar_subquery(),
                conversations.c.channel.in_(channels),
            )
        )
        with reading(self._engine) as session:
            return list(session.execute(query.order_by(replies.c.next_attempt_at).limit(limit)).scalars())

    def claim(self, conversation: str) -> Parcel | None:
        """Claim the conversation's oldest pending reply; None if there is none, or it is not its time."""
        now = datetime.now(UTC)
        with transaction(self._engine) as session:
            held = hold(session, conversation)
            query = select(replies).where(replies.c.conversation_id == conversation, replies.c.delivery == PENDING)
            row = session.execute(query.order_by(replies.c.number).limit(1)).one_or_none()
            if row is None or row.next_attempt_at > now:
                return None
            _change(session, row.id, next_attempt_at=now + CLAIM, attempts=row.attempts + 1)
            reply = read_outgoing(session, replies.c.id == row.id)[0]
            return Parcel(row.id, held, reply, row.attempts + 1)

    def delivered(self, parcel: Parcel, provider_message_id: str | None) -> None:
        """Note that the channel has taken a reply."""
        taken = {"delivery": DELIVERED, "delivery_error": None, "provider_message_id": provider_message_id}
        with transaction(self._engine) as session:
            _change(session, parcel.key, next_attempt_at=None, **taken)

    def later(self, parcel: Parcel, *, seconds: float, error: str) -> None:
        """Note that the channel did not take a reply now."""
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        with transaction(self._engine) as session:
            _change(session, parcel.key, next_attempt_at=at, delivery_error=error)

    def give_up(self, parcel: Parcel, *, error: str) -> None:
        """Make a reply a dead letter; the conversation's next one takes its place."""
        with transaction(self._engine) as session:
            _change(session, parcel.key, delivery=DEAD, next_attempt_at=None, delivery_error=error)

    def dead_letters(self) -> list[DeadLetter]:
        """Return what was given up, oldest first."""
        query = (
            select(replies, conversations.c.channel, conversations.c.account)
            .join(conversations, conversations.c.id == replies.c.conversation_id)
            .where(replies.c.delivery == DEAD)
            .order_by(replies.c.id)
        )
        with reading(self._engine) as session:
            return [_dead_letter(row) for row in session.execute(query)]

    def replay(self, keys: Sequence[int] | None) -> int:
        """Have dead letters tried again, all of them if none is named; returns how many there were."""
        this = replies.c.delivery == DEAD
        if keys is not None:
            this = and_(this, replies.c.id.in_(keys))
        again = {"delivery": PENDING, "attempts": 0, "next_attempt_at": datetime.now(UTC)}
        with transaction(self._engine) as session:
            return int(session.execute(update(replies).where(this).values(again)).rowcount)


def _change(session: Session, key: int, **values: Any) -> None:
    session.execute(update(replies).where(replies.c.id == key).values(values))


def _dead_letter(row: Any) -> DeadLetter:
    return DeadLetter(
        key=row.id,
        channel=row.channel,
        account=row.account,
        conversation=row.conversation_id,
        number=row.number,
        attempts=row.attempts,
        error=row.delivery_error or "",
        created_at=row.created_at,
    )
