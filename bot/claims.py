"""Which edge works on which conversation: claims in the database, so that any number of edges share the work.

A claim is a lease. Its edge renews it while it works; when the edge dies, it runs out, and whoever looks next takes the
conversation over. Claims only spare double work: that each message is answered once is the outbox's to ensure, so edges
whose clocks differ do no harm. Touches the database.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.engine import Engine

from actions.database import reading, transaction
from bot.inbox import Stored, read_stored
from bot.tables import WAITING, conversations, messages

LEASE = 5.0  # seconds


class Claims:
    """The claims of one edge. `lease` is how long a dead edge's conversations wait, in seconds."""

    def __init__(self, engine: Engine, *, lease: float = LEASE) -> None:
        self._engine = engine
        self._edge = str(uuid.uuid4())
        self._lease = timedelta(seconds=lease)

    def take(self, limit: int) -> list[str]:
        """Claim conversations that have a message waiting and that nobody works on, the longest waiting first."""
        now = datetime.now(UTC)
        waiting = select(messages.c.conversation_id).where(messages.c.state == WAITING)
        oldest = select(func.min(messages.c.id)).where(
            messages.c.conversation_id == conversations.c.id, messages.c.state == WAITING
        )
        query = select(conversations.c.id).where(conversations.c.id.in_(waiting), is_free(now)).limit(limit)
        with reading(self._engine) as session:
            # Most looks find nothing, and must not hold up those who write.
            if session.execute(query.limit(1)).first() is None:
                return []
        with transaction(self._engine) as session:
            # SQLite has one writer at a time and needs no row locks; SQLAlchemy leaves them away there.
            claimed = query.order_by(oldest.scalar_subquery()).with_for_update(skip_locked=True)
            taken = list(session.execute(claimed).scalars())
            lease = {"lease_by": self._edge, "lease_until": now + self._lease}
            session.execute(update(conversations).where(conversations.c.id.in_(taken)).values(lease))
            return taken

    def renew(self, taken: Collection[str]) -> None:
        """Keep the conversations that are still being worked on."""
        mine = (conversations.c.lease_by == self._edge, conversations.c.id.in_(taken))
        with transaction(self._engine) as session:
            session.execute(update(conversations).where(*mine).values(lease_until=datetime.now(UTC) + self._lease))

    def next(self, conversation: str) -> Stored | None:
        """Return the claimed conversation's oldest waiting message; without one, or when the claim is lost, None.

        Where nothing waits the claim is given back in the same transaction: a message stored after it finds it free.
        """
        this = conversations.c.id == conversation
        with transaction(self._engine) as session:
            holder = session.execute(select(conversations.c.lease_by).where(this).with_for_update()).scalar_one()
            if holder != self._edge:
                return None
            waiting = select(messages.c.id).where(
                messages.c.conversation_id == conversation, messages.c.state == WAITING
            )
            key = session.execute(waiting.order_by(messages.c.number).limit(1)).scalar_one_or_none()
            if key is None:
                session.execute(update(conversations).where(this).values(lease_by=None, lease_until=None))
                return None
            begun = {
                "began_at": func.coalesce(messages.c.began_at, datetime.now(UTC)),
                "attempts": messages.c.attempts + 1,
            }
            session.execute(update(messages).where(messages.c.id == key).values(begun))
            return read_stored(session, key)

    def give_back(self, conversation: str) -> None:
        """Let others have a conversation whose messages this edge cannot have answered."""
        mine = (conversations.c.lease_by == self._edge, conversations.c.id == conversation)
        with transaction(self._engine) as session:
            session.execute(update(conversations).where(*mine).values(lease_by=None, lease_until=None))

    def begin_unclaimed(self) -> list[Stored]:
        """Note that messages which no edge has answered have begun to wait; returns those that begin with this call."""
        now = datetime.now(UTC)
        free = select(conversations.c.id).where(is_free(now))
        new = (messages.c.state == WAITING, messages.c.began_at.is_(None), messages.c.conversation_id.in_(free))
        first = select(func.min(messages.c.id)).where(messages.c.state == WAITING).group_by(messages.c.conversation_id)
        query = select(messages.c.id).where(*new, messages.c.id.in_(first))
        with reading(self._engine) as session:
            keys = session.execute(query).scalars().all()
        if not keys:
            return []
        with transaction(self._engine) as session:
            these = messages.c.id.in_(keys) & messages.c.began_at.is_(None)
            session.execute(update(messages).where(these).values(began_at=now))
            return [read_stored(session, key) for key in keys]

    def give_all_back(self) -> None:
        """Let others have everything at once, when this edge stops."""
        mine = update(conversations).where(conversations.c.lease_by == self._edge)
        with transaction(self._engine) as session:
            session.execute(mine.values(lease_by=None, lease_until=None))


def is_free(now: datetime) -> Any:
    """Return the condition that nobody works on a conversation."""
    return or_(conversations.c.lease_until.is_(None), conversations.c.lease_until < now)
