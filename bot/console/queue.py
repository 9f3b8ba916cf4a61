"""Which conversations an agent sees, and in which order: who sounds angry first, then who waits longest.

Reads the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading
from bot.agent_tables import agents
from bot.conversations import AGENT, BOT, CLOSED, QUEUED
from bot.handoff import Agent
from bot.tables import conversations, messages, replies

MINE = "mine"
VIEWS_OF_AGENTS = (QUEUED, MINE)
VIEWS_OF_SUPERVISORS = (QUEUED, MINE, AGENT, BOT, CLOSED)
SHOWN_AT_ONCE = 100
SNIPPET = 140  # characters


@dataclass(frozen=True)
class Wish:
    """What of the queue is asked for; an empty market or language is every one."""

    view: str = QUEUED
    market: str = ""
    language: str = ""


@dataclass(frozen=True)
class Waiting:
    """A conversation in the list; `mood` is the sentiment of the last message that Rasa understood.

    `answered` is False while the customer's last word has no answer from an agent.
    """

    id: str
    channel: str
    market: str
    language: str | None
    status: str
    since: datetime
    reason: str | None
    owner: str | None
    mood: str | None
    snippet: str
    answered: bool


def views_for(agent: Agent) -> tuple[str, ...]:
    """Return the views that an agent's role allows."""
    return VIEWS_OF_SUPERVISORS if agent.may("supervisor") else VIEWS_OF_AGENTS


def read_queue(engine: Engine, agent: Agent, wish: Wish) -> list[Waiting]:
    """Return what the agent asked for, as far as her role allows; else nothing."""
    if wish.view not in views_for(agent):
        return []
    with reading(engine) as session:
        rows = session.execute(_query(agent, wish)).all()
        found = [row.id for row in rows]
        last = _last_messages(session, found)
        moods = _moods(session, found)
        spoken = _last_words(session, found)
    entries = [_entry(row, last.get(row.id), moods.get(row.id), spoken.get(row.id, 0)) for row in rows]
    if wish.view == QUEUED:
        entries.sort(key=lambda entry: (entry.mood != "negative", entry.since))
    return entries


def count_waiting(engine: Engine) -> int:
    """Return how many conversations wait for an agent."""
    with reading(engine) as session:
        query = select(func.count()).select_from(conversations).where(conversations.c.status == QUEUED)
        return int(session.execute(query).scalar_one())


def _query(agent: Agent, wish: Wish) -> Any:
    query = select(conversations, agents.c.name.label("owner")).outerjoin(
        agents, (agents.c.id == conversations.c.agent_id) & (conversations.c.status == AGENT)
    )
    status = AGENT if wish.view == MINE else wish.view
    query = query.where(conversations.c.status == status, conversations.c.last_number > 0)
    if wish.view == MINE:
        query = query.where(conversations.c.agent_id == agent.id)
    if wish.market:
        query = query.where(conversations.c.market == wish.market)
    if wish.language:
        query = query.where(conversations.c.language == wish.language)
    since = func.coalesce(conversations.c.status_at, conversations.c.created_at)
    return query.order_by(since if wish.view == QUEUED else since.desc()).limit(SHOWN_AT_ONCE)


def _last_messages(session: Session, found: Sequence[str]) -> Mapping[str, Any]:
    newest = _newest(messages, messages.c.conversation_id.in_(found))
    return {row.conversation_id: row for row in session.execute(select(messages).join(newest, _same(messages, newest)))}


def _moods(session: Session, found: Sequence[str]) -> Mapping[str, str]:
    newest = _newest(messages, messages.c.conversation_id.in_(found) & messages.c.sentiment.is_not(None))
    query = select(messages.c.conversation_id, messages.c.sentiment).join(newest, _same(messages, newest))
    return {row.conversation_id: row.sentiment for row in session.execute(query)}


def _last_words(session: Session, found: Sequence[str]) -> Mapping[str, int]:
    """Return the numbers of the agents' last replies."""
    newest = _newest(replies, replies.c.conversation_id.in_(found) & (replies.c.author == "agent"))
    return {row.conversation_id: row.number for row in session.execute(select(newest))}


def _newest(table: Any, condition: Any) -> Any:
    query = select(table.c.conversation_id, func.max(table.c.number).label("number")).where(condition)
    return query.group_by(table.c.conversation_id).subquery()


def _same(table: Any, newest: Any) -> Any:
    return (table.c.conversation_id == newest.c.conversation_id) & (table.c.number == newest.c.number)


def _entry(row: Any, last: Any, mood: str | None, spoken: int) -> Waiting:
    return Waiting(
        id=row.id,
        channel=row.channel,
        market=row.market,
        language=row.language,
        status=row.status,
        since=row.status_at or row.created_at,
        reason=row.handoff_reason,
        owner=row.owner,
        mood=mood,
        snippet=last.text[:SNIPPET] if last else "",
        answered=last is None or spoken > last.number,
    )
