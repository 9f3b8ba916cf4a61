"""Deletes what is older than its market's `retention` (markets.yml): quiet conversations, and the old part of others.

What tells whether a customer agreed to something stays as long as the conversation does. Touches both databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.sql import ColumnElement

from actions.database import reading, transaction
from actions.tables import EffectRow
from bot.agent_tables import corrections, handoff_events, notes
from bot.personal_data.erasure import DIALOGUE, Erased, Erasure
from bot.personal_data.places import ID_LENGTH, Person
from bot.personal_data.tracker import Tracker
from bot.tables import conversations, messages, ratings, replies
from nlu.markets import Markets
from training.tables import transcripts

AT_ONCE = 200
METHOD = "purge"


def purge(engine: Engine, tracker: Tracker, erasure: Erasure, markets: Markets, *, now: datetime) -> Erased:
    """Delete what is too old; returns what that was. Killed on the way, it is done again the next time."""
    done = Erased()
    for step in purge_in_steps(engine, tracker, erasure, markets, now=now):
        done.add(step)
    return done


def purge_in_steps(
    engine: Engine, tracker: Tracker, erasure: Erasure, markets: Markets, *, now: datetime
) -> Iterator[Erased]:
    """Do the same step by step, each of them short, so that the caller can stop in between."""
    yield erasure.end_begun()
    for in_market, before in _limits(markets, now):
        for person in _quiet(engine, in_market(conversations), before):
            yield erasure.erase(person, method=METHOD)
        for person in _old_transcripts(engine, in_market(transcripts), before):
            yield erasure.erase(person, method=METHOD)
        yield _trim(engine, tracker, in_market(conversations), before)


def _limits(markets: Markets, now: datetime) -> Iterator[tuple[Any, datetime]]:
    """Give a condition on a table's market, and before when it is too old; what has lost its market stays longest."""
    for market in markets:
        yield lambda table, code=market.code: table.c.market == code, now - timedelta(days=market.retention)
    longest = max(market.retention for market in markets)
    yield lambda table: table.c.market.not_in(list(markets.by_code)), now - timedelta(days=longest)


def _quiet(engine: Engine, in_market: ColumnElement, before: datetime) -> Iterator[Person]:
    last_heard = func.coalesce(conversations.c.last_customer_at, conversations.c.created_at)
    query = select(conversations.c.id).where(in_market, last_heard < before).limit(AT_ONCE)
    while ids := _read(engine, query):
        yield Person(conversations=tuple(ids))


def _old_transcripts(engine: Engine, in_market: ColumnElement, before: datetime) -> Iterator[Person]:
    begun = func.coalesce(transcripts.c.begun_at, transcripts.c.ingested_at)
    query = select(transcripts.c.id).where(in_market, begun < before).limit(AT_ONCE)
    while ids := _read(engine, query):
        yield Person(transcripts=tuple(ids))


def _trim(engine: Engine, tracker: Tracker, in_market: ColumnElement, before: datetime) -> Erased:
    """Delete the old part of conversations that go on."""
    here = select(conversations.c.id).where(in_market)
    old = select(messages.c.id).where(messages.c.conversation_id.in_(here), messages.c.received_at < before)
    ids = _read(engine, select(messages.c.conversation_id).where(messages.c.id.in_(old)).distinct())
    rows = {DIALOGUE: 0}
    for start in range(0, len(ids), AT_ONCE):
        rows[DIALOGUE] += tracker.erase_before(ids[start : start + AT_ONCE], before.timestamp())
    effects = EffectRow.__table__
    deleted = (
        (corrections, corrections.c.message_id.in_(old)),
        (notes, notes.c.conversation_id.in_(here) & (notes.c.at < before)),
        (handoff_events, handoff_events.c.conversation_id.in_(here) & (handoff_events.c.at < before)),
        (ratings, ratings.c.conversation_id.in_(here) & (ratings.c.at < before)),
        (replies, replies.c.conversation_id.in_(here) & (replies.c.created_at < before)),
        (messages, messages.c.id.in_(old)),
        (effects, func.substr(effects.c.key, 1, ID_LENGTH).in_(here) & (effects.c.created_at < before)),
    )
    with transaction(engine) as session:
        # A reply may be younger than the message that it answers.
        session.execute(update(replies).where(replies.c.answers.in_(old)).values(answers=None))
        for table, these in deleted:
            rows[table.name] = int(session.execute(delete(table).where(these)).rowcount)
    return Erased({table: count for table, count in rows.items() if count})


def _read(engine: Engine, query: Any) -> list[Any]:
    with reading(engine) as session:
        return list(session.scalars(query))
