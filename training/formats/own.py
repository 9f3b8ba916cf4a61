"""Reads the bot's own conversations of a market from the edge's tables. Touches the database, and only reads."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.tables import consents, conversations, messages, replies
from training.formats import Record, Talk
from training.store import TranscriptMessage
from training.tables import AGENT, BOT, CUSTOMER

AT_ONCE = 200
SPEAKERS = {"bot": BOT, "agent": AGENT, "edge": BOT}


def read(engine: Engine, market: str) -> Iterator[Record]:
    """Give a market's conversations, each with the customer's last answer to the question for consent."""
    last = ""
    while ids := _next(engine, market, last):
        for conversation, customer in ids:
            yield _talk(engine, conversation, customer)
        last = ids[-1][0]


def _next(engine: Engine, market: str, last: str) -> list[tuple[str, str]]:
    columns = conversations.c
    query = (
        select(columns.id, columns.channel, columns.account, columns.sender)
        .where(columns.market == market, columns.id > last)
        .order_by(columns.id)
        .limit(AT_ONCE)
    )
    with reading(engine) as session:
        return [(row.id, f"{row.channel} {row.account} {row.sender}") for row in session.execute(query)]


def _talk(engine: Engine, conversation: str, customer: str) -> Talk:
    answer = select(consents.c.given).where(consents.c.conversation_id == conversation).order_by(consents.c.id.desc())
    with reading(engine) as session:
        given = session.execute(answer.limit(1)).scalar()
        if not given:
            return Talk(conversation, given, ())
        said = session.execute(select(messages).where(messages.c.conversation_id == conversation)).all()
        answered = session.execute(select(replies).where(replies.c.conversation_id == conversation)).all()
    theirs = [
        TranscriptMessage(
            conversation=conversation,
            key=f"message {row.id}",
            speaker=CUSTOMER,
            text=row.text,
            customer=customer,
            at=row.received_at,
            language=row.language,
            origin=row.id,
            intent=row.intent,
            confidence=row.confidence,
            sentiment=row.sentiment,
            out_of_scope=row.out_of_scope,
            release=row.adapter,
        )
        for row in said
        if not row.button and row.text.strip()
    ]
    ours = [
        TranscriptMessage(
            conversation=conversation,
            key=f"reply {row.id}",
            speaker=SPEAKERS.get(getattr(row, "author", None) or "bot", BOT),
            text=row.text,
            customer=customer,
            at=row.created_at,
            language=row.language,
            origin=row.id,
        )
        for row in answered
    ]
    return Talk(conversation, given, (*theirs, *ours))
