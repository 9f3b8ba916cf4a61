"""Who owns a conversation: the bot, the queue, one agent, or nobody any more. The only writer of its status.

    bot → queued → agent → bot
    every one of them → closed → bot, once the customer writes again

Functions run within their caller's transaction and hold the conversation, so that there is one owner at any time; each
change leaves a row in `handoff_events`. While it is queued the bot goes on answering; from the claim on it is silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.agent_tables import handoff_events
from bot.conversations import AGENT, BOT, CLOSED, QUEUED
from bot.tables import conversations

DECLINED = "declined"
# From an agent to an agent: a transfer.
ALLOWED = {
    BOT: frozenset({QUEUED, AGENT, CLOSED}),
    QUEUED: frozenset({BOT, AGENT, CLOSED}),
    AGENT: frozenset({BOT, QUEUED, AGENT, CLOSED}),
    CLOSED: frozenset({BOT}),
}


class ChangeRefused(Exception):
    """A conversation cannot change hands like this, because of whose it is now; `owner` says whose."""

    def __init__(self, owner: Owner, to: str) -> None:
        super().__init__(f"from {owner.status} to {to}")
        self.owner = owner


@dataclass(frozen=True)
class Owner:
    """Whose a conversation is: `agent` is set exactly while the status is `agent`."""

    status: str
    agent: int | None
    since: datetime


def owner_of(session: Session, conversation: str) -> Owner:
    """Return the owner, and keep others from changing it until the transaction ends."""
    return _owner(_held(session, conversation))


def change(
    session: Session,
    conversation: str,
    to: str,
    *,
    at: datetime,
    reason: str,
    agent: int | None = None,
    by: int | None = None,
) -> None:
    """Give a conversation to a new owner, and note why and by whom (None: by the customer, the bot or a timeout).

    Raises `ChangeRefused` where the present owner does not allow it.
    """
    if (agent is not None) != (to == AGENT):
        raise ValueError("an agent is named exactly when the conversation is given to one")
    row = _held(session, conversation)
    owner = _owner(row)
    if to not in ALLOWED[owner.status] or (owner.status, owner.agent) == (to, agent):
        raise ChangeRefused(owner, to)
    values: dict[str, Any] = {"status": to, "agent_id": agent, "status_at": at}
    if to in (BOT, CLOSED):
        values |= {"handoff_reason": None, "ticket": None}
    session.execute(update(conversations).where(conversations.c.id == conversation).values(values))
    _note(session, row, at=at, to_status=to, to_agent=agent, by_agent=by, reason=reason)


def queue(session: Session, conversation: str, *, at: datetime, reason: str, ticket: str | None) -> None:
    """Have the bot's conversation wait for an agent; one that waits already keeps its place, an agent's stays hers.

    The reason `declined` is the contrary: the customer wants no person, and unless she has a ticket nobody has to look.
    """
    row = _held(session, conversation)
    if row.status not in (BOT, QUEUED):
        return
    if reason == DECLINED:
        if row.status == QUEUED and row.ticket is None:
            change(session, conversation, BOT, at=at, reason=DECLINED)
        return
    if row.status == BOT:
        change(session, conversation, QUEUED, at=at, reason=reason)
    elif row.handoff_reason != reason:
        _note(session, row, at=at, to_status=QUEUED, to_agent=None, by_agent=None, reason=reason)
    values = {"handoff_reason": reason} | ({"ticket": ticket} if ticket else {})
    session.execute(update(conversations).where(conversations.c.id == conversation).values(values))


def note_telling(session: Session, conversation: str, *, at: datetime, reason: str) -> None:
    """Note that the customer was told how her waiting stands; the owner stays."""
    row = _held(session, conversation)
    _note(session, row, at=at, to_status=row.status, to_agent=row.agent_id, by_agent=None, reason=reason)


def _held(session: Session, conversation: str) -> Any:
    return session.execute(select(conversations).where(conversations.c.id == conversation).with_for_update()).one()


def _owner(row: Any) -> Owner:
    return Owner(row.status, row.agent_id if row.status == AGENT else None, row.status_at or row.created_at)


def _note(session: Session, row: Any, **values: Any) -> None:
    session.execute(
        handoff_events.insert().values(
            conversation_id=row.id,
            after=row.last_number,
            from_status=row.status,
            from_agent=row.agent_id if row.status == AGENT else None,
            **values,
        )
    )
