"""One conversation as agents read it: what both sides said, what the bot understood, notes, and how it changed hands.

Reads the database; only `correct` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import reading, transaction
from bot.agent_tables import agents, corrections, handoff_events, notes
from bot.conversations import AGENT, QUEUED
from bot.handoff import Agent, Clock, utc_now
from bot.tables import conversations, messages, replies

SHOWN = 300  # of the newest of each kind

Kind = Literal["customer", "bot", "agent", "edge", "note", "event"]


@dataclass(frozen=True)
class Entry:
    """One line of the thread.

    `key` is a message's own in the inbox. `event` is the reason why the conversation changed hands, `name` and `other`
    are the agents who did it and who got it. `attachment` is what came in place of a text.
    """

    number: int
    kind: Kind
    at: datetime
    text: str = ""
    name: str | None = None
    other: str | None = None
    key: int | None = None
    language: str | None = None
    sentiment: str | None = None
    intent: str | None = None
    corrected: str | None = None
    attachment: str | None = None
    buttons: tuple[str, ...] = ()
    event: str | None = None
    undelivered: bool = False


@dataclass(frozen=True)
class Thread:
    """A conversation and its lines, oldest first; `owner` is None unless an agent has it."""

    id: str
    channel: str
    market: str
    language: str | None
    status: str
    owner: Agent | None
    since: datetime
    reason: str | None
    ticket: str | None
    entries: tuple[Entry, ...]

    def seen_by(self, agent: Agent) -> bool:
        """Tell whether an agent may read it: what waits, what is hers, and as a supervisor everything."""
        return self.status == QUEUED or self.is_of(agent) or agent.may("supervisor")

    def is_of(self, agent: Agent) -> bool:
        """Tell whether an agent owns it."""
        return self.owner is not None and self.owner.id == agent.id

    @property
    def customers_words(self) -> list[str]:
        """The customer's texts, newest first."""
        return [entry.text for entry in reversed(self.entries) if entry.kind == "customer"]


def read_thread(engine: Engine, conversation: str) -> Thread | None:
    """Return a conversation, or None if there is none."""
    with reading(engine) as session:
        row = session.execute(select(conversations).where(conversations.c.id == conversation)).one_or_none()
        if row is None:
            return None
        people = {person.id: Agent(person.id, person.name, person.role) for person in session.execute(select(agents))}
        names = {key: person.name for key, person in people.items()}
        spoken = _newest(session, replies, conversation)
        titles = {button["payload"]: button["title"] for reply in reversed(spoken) for button in reply.buttons}
        entries = [
            *_customers(session, conversation, titles),
            *(_reply(reply, names) for reply in spoken),
            *_notes(session, conversation, names),
            *_events(session, conversation, names),
        ]
    return Thread(
        id=row.id,
        channel=row.channel,
        market=row.market,
        language=row.language,
        status=row.status,
        owner=people.get(row.agent_id) if row.status == AGENT else None,
        since=row.status_at or row.created_at,
        reason=row.handoff_reason,
        ticket=row.ticket,
        entries=tuple(sorted(entries, key=_place)),
    )


def correct(engine: Engine, conversation: str, message: int, intent: str, agent: Agent, clock: Clock = utc_now) -> bool:
    """Keep an agent's better judgement of a message for training; returns False if the conversation has no such one."""
    with transaction(engine) as session:
        this = select(messages.c.id).where(messages.c.id == message, messages.c.conversation_id == conversation)
        if session.execute(this).first() is None:
            return False
        row = {"message_id": message, "intent": intent, "agent_id": agent.id, "at": clock()}
        session.execute(corrections.insert().values(row))
        return True


def _place(entry: Entry) -> tuple[int, bool, datetime]:
    """Sort what was noted after a message behind it, by time."""
    return entry.number, entry.kind in ("note", "event"), entry.at


def _newest(session: Session, table: Any, conversation: str) -> list[Any]:
    query = select(table).where(table.c.conversation_id == conversation).order_by(table.c.id.desc())
    return list(session.execute(query.limit(SHOWN)))


def _customers(session: Session, conversation: str, titles: dict[str, str]) -> list[Entry]:
    rows = _newest(session, messages, conversation)
    judged = (
        select(corrections).where(corrections.c.message_id.in_([row.id for row in rows])).order_by(corrections.c.id)
    )
    corrected = {row.message_id: row.intent for row in session.execute(judged)}
    return [
        Entry(
            number=row.number,
            kind="customer",
            at=row.received_at,
            # A button stands there with its title, as she saw it.
            text=titles.get(row.text, row.text) if row.button else row.text,
            key=row.id,
            language=row.language,
            sentiment=row.sentiment,
            intent=row.intent,
            corrected=corrected.get(row.id),
            attachment=None if row.kind in ("text", "button") else row.kind,
        )
        for row in rows
    ]


def _reply(row: Any, names: dict[int, str]) -> Entry:
    return Entry(
        number=row.number,
        kind=row.author,
        at=row.created_at,
        text=row.text,
        name=names.get(row.agent_id),
        language=row.language,
        attachment="image" if row.image else None,
        buttons=tuple(button["title"] for button in row.buttons),
        undelivered=row.delivery == "dead",
    )


def _notes(session: Session, conversation: str, names: dict[int, str]) -> list[Entry]:
    return [
        Entry(number=row.after, kind="note", at=row.at, text=row.text, name=names[row.agent_id])
        for row in reversed(_newest(session, notes, conversation))
    ]


def _events(session: Session, conversation: str, names: dict[int, str]) -> list[Entry]:
    return [
        Entry(
            number=row.after,
            kind="event",
            at=row.at,
            event=row.reason,
            name=names.get(row.by_agent),
            other=names.get(row.to_agent),
        )
        for row in reversed(_newest(session, handoff_events, conversation))
    ]
