"""Looks after handoffs that do not go on by themselves, and tells the customers: nobody there, out of hours, too long.

Runs within each edge; what one edge has told, the others find noted and do not tell again. Touches the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.agent_tables import agent_sessions, agents, handoff_events
from bot.conversations import AGENT, QUEUED
from bot.handoff import Clock, Handoff, market_of, utc_now
from bot.opening_hours import is_open
from bot.ownership import change, note_telling, owner_of
from bot.tables import conversations, messages, replies
from bot.watch import Watch
from nlu.markets import Markets

NOBODY_AVAILABLE = "told_nobody_available"
OUT_OF_HOURS = "told_out_of_hours"
STILL_WAITING = "told_still_waiting"
# What each of these tells the customer.
TELLINGS = {
    NOBODY_AVAILABLE: "handoff_nobody_available",
    OUT_OF_HOURS: "handoff_out_of_hours",
    STILL_WAITING: "handoff_still_waiting",
}
# Why the bot itself thinks that a person should look; the customer has not asked for one and is told nothing.
NOT_ASKED_FOR = frozenset({"negative", "repeated_negative", "not_understood"})
SEEN_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Patience:
    """How long a customer waits before something is done about it.

    `queued`: until she is told that she still waits; `answer`: for a word of her agent's until she is queued again.
    """

    queued: timedelta = timedelta(minutes=10)
    answer: timedelta = timedelta(minutes=10)


class HandoffWatch:
    """Watches all conversations. `deliver` is called with each in which the customer was told something."""

    def __init__(
        self,
        engine: Engine,
        handoff: Handoff,
        markets: Markets,
        deliver: Callable[[str], None],
        *,
        patience: Patience | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._engine = engine
        self._handoff = handoff
        self._markets = markets
        self._deliver = deliver
        self._patience = patience or Patience()
        self._clock = clock
        self._watch = Watch("handoff", self._look_and_deliver)

    def start(self) -> None:
        """Begin to look."""
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._watch.stop()

    async def _look_and_deliver(self) -> bool:
        told = await asyncio.to_thread(self.look)
        for conversation in told:
            self._deliver(conversation)
        return bool(told)

    def look(self) -> list[str]:
        """Look once; returns the conversations in which something was told."""
        watched = select(conversations).where(conversations.c.status.in_((QUEUED, AGENT)))
        with reading(self._engine) as session:
            due = [row.id for row in session.execute(watched).all() if self._due(session, row)]
        return [conversation for conversation in due if self._mend(conversation)]

    def _mend(self, conversation: str) -> bool:
        """Do what is due, unless another edge, or an agent, was faster."""
        with transaction(self._engine) as session:
            owner_of(session, conversation)  # held from here on
            row = session.execute(select(conversations).where(conversations.c.id == conversation)).one()
            due = self._due(session, row)
            if due in TELLINGS:
                note_telling(session, conversation, at=self._clock(), reason=due)
                self._handoff.tell(session, conversation, TELLINGS[due])
            elif due:
                change(session, conversation, QUEUED, at=self._clock(), reason=due)
                self._handoff.tell(session, conversation, "handoff_agent_silent")
        return bool(due)

    def _due(self, session: Session, row: Any) -> str | None:
        """Return what has to be told or done now, as the reason that will be noted; None for nothing."""
        if row.status == QUEUED:
            return self._due_in_queue(session, row)
        return self._due_with_agent(session, row) if row.status == AGENT else None

    def _due_in_queue(self, session: Session, row: Any) -> str | None:
        """Return what a waiting customer should be told; each at most once while she waits."""
        if row.handoff_reason in NOT_ASKED_FOR and row.ticket is None:
            return None
        since = handoff_events.c.conversation_id == row.id, handoff_events.c.at >= row.status_at
        told = set(session.execute(select(handoff_events.c.reason).where(*since)).scalars())
        now = self._clock()
        if not is_open(market_of(self._markets, row.market), now):
            return None if OUT_OF_HOURS in told else OUT_OF_HOURS
        if not told & TELLINGS.keys() and not available_agents(session, now):
            return NOBODY_AVAILABLE
        waits_long = now - row.status_at > self._patience.queued
        return STILL_WAITING if waits_long and not told & TELLINGS.keys() else None

    def _due_with_agent(self, session: Session, row: Any) -> str | None:
        """Return why a conversation should go back into the queue."""
        if session.execute(select(agents.c.disabled_at).where(agents.c.id == row.agent_id)).scalar_one():
            return "agent_disabled"
        waiting_since = _unanswered_since(session, row.id)
        if waiting_since is None:
            return None
        waits_long = self._clock() - max(waiting_since, row.status_at) > self._patience.answer
        return "agent_silent" if waits_long else None


def agents_here(session: Session, at: datetime) -> set[int]:
    """Return the ids of the agents who have a page of the console open."""
    return set(session.execute(_here(at)).scalars())


def available_agents(session: Session, at: datetime) -> set[int]:
    """Return the ids of those of them who take conversations now."""
    return set(session.execute(_here(at).where(agents.c.available)).scalars())


def _here(at: datetime) -> Any:
    with_page_open = agent_sessions.c.agent_id == agents.c.id
    query = select(agents.c.id).join(agent_sessions, with_page_open).distinct()
    return query.where(agents.c.disabled_at.is_(None), agent_sessions.c.seen_at > at - SEEN_WITHIN)


def _unanswered_since(session: Session, conversation: str) -> datetime | None:
    """Return when the customer wrote the first message after an agent's last word, None if there is none.

    A claim alone is no answer: whoever waited before it waits on for the agent's first word.
    """
    words = select(func.max(replies.c.number)).where(
        replies.c.conversation_id == conversation, replies.c.author == "agent"
    )
    answered = session.execute(words).scalar_one() or 0
    waiting = select(func.min(messages.c.received_at)).where(
        messages.c.conversation_id == conversation, messages.c.number > answered
    )
    return session.execute(waiting).scalar_one()  # type: ignore[no-any-return]
