"""Erases a person's data, or what is too old: wholly, also if it is killed on the way.

Two databases cannot change together. So an erasure first writes down which conversations and transcripts it takes away
(`erasures`), then empties Rasa's database, then ours, the line in `erasures` included, in one transaction. Whoever
erases next first ends what was begun. Touches both databases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, event, or_, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from actions.database import open_engine, reading, transaction
from actions.tables import AuditRow
from bot.personal_data.places import ERASED, Person
from bot.personal_data.tracker import Tracker
from bot.tables import conversations, erasures
from training.tables import transcripts

HOLDS = timedelta(minutes=2)  # how long nobody answers in conversations that are being erased
TURNS_END_WITHIN = 30.0  # seconds
LOOK_AGAIN = 0.2
DIALOGUE = "dialogue"  # what Rasa's database is called in the counts
ERASING = "erasure"  # in the place of an edge's name


class Busy(RuntimeError):
    """A turn does not end, so that what is erased would be written again: try it later."""


@dataclass
class Erased:
    """What was erased: rows by table, and the releases that learned from it and go on to know it."""

    rows: dict[str, int] = field(default_factory=dict)
    releases: list[str] = field(default_factory=list)

    def add(self, other: Erased) -> None:
        """Count another erasure in."""
        for table, count in other.rows.items():
            self.rows[table] = self.rows.get(table, 0) + count
        self.releases = sorted({*self.releases, *other.releases})


class Erasure:
    """Erases from one installation's databases.

    `learned` names the releases that learned from transcripts; `waits` is how long a turn may take to end, in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        tracker: Tracker,
        *,
        learned: Callable[[Iterable[int]], list[str]],
        waits: float = TURNS_END_WITHIN,
    ) -> None:
        self._waits = waits
        self._engine = engine
        self._tracker = tracker
        self._learned = learned

    def erase(self, person: Person, *, method: str = "erase") -> Erased:
        """Erase a person's data, after whatever an earlier erasure has left; raises `Busy`."""
        done = self.end_begun()
        if self._is_there(person):
            self._hold(person.conversations)
            self._begin(person, method)
            done.add(self.end_begun())
        return done

    def end_begun(self) -> Erased:
        """End what was begun; returns what was still there."""
        done = Erased()
        with reading(self._engine) as session:
            begun = session.execute(select(erasures).order_by(erasures.c.id)).all()
        for row in begun:
            done.add(self._end(row))
        return done

    def _is_there(self, person: Person) -> bool:
        """Tell whether something is left of a person who was looked up before earlier erasures were ended."""
        found = (
            select(conversations.c.id).where(conversations.c.id.in_(person.conversations)),
            select(transcripts.c.id).where(transcripts.c.id.in_(person.transcripts)),
        )
        with reading(self._engine) as session:
            return any(session.execute(query.limit(1)).first() is not None for query in found)

    def _begin(self, person: Person, method: str) -> None:
        row = {
            "begun_at": datetime.now(UTC),
            "method": method,
            "conversations": list(person.conversations),
            "transcripts": list(person.transcripts),
            "releases": self._learned(person.transcripts),
        }
        with transaction(self._engine) as session:
            session.execute(erasures.insert().values(row))

    def _end(self, row: Any) -> Erased:
        person = Person(tuple(row.conversations), tuple(row.transcripts))
        events = self._tracker.erase(person.conversations)
        with transaction(self._engine) as session:
            rows = {place.table.name: _delete(session, place.table, place.theirs(person)) for place in ERASED}
            counted = {table: count for table, count in {**rows, DIALOGUE: events}.items() if count}
            session.execute(delete(erasures).where(erasures.c.id == row.id))
            details = {"rows": counted, "releases": row.releases}
            session.add(AuditRow(at=datetime.now(UTC), method=row.method, subject=f"erasure:{row.id}", details=details))
        return Erased(counted, list(row.releases))

    def _hold(self, ids: Sequence[str]) -> None:
        """Keep the edges from answering in these conversations, once their present turns have ended."""
        deadline = time.monotonic() + self._waits
        while waiting := self._still_answered(ids):
            if time.monotonic() > deadline:
                raise Busy(f"A turn is under way in {len(waiting)} of these conversations. Try it again in a minute.")
            time.sleep(LOOK_AGAIN)

    def _still_answered(self, ids: Sequence[str]) -> list[str]:
        now = datetime.now(UTC)
        free = or_(
            conversations.c.lease_until.is_(None),
            conversations.c.lease_until < now,
            conversations.c.lease_by == ERASING,
        )
        these = conversations.c.id.in_(ids)
        with transaction(self._engine) as session:
            held = {"lease_by": ERASING, "lease_until": now + HOLDS}
            session.execute(update(conversations).where(these, free).values(held))
            other = select(conversations.c.id).where(these, conversations.c.lease_by.is_distinct_from(ERASING))
            return list(session.scalars(other))


def open_both(database_url: str) -> tuple[Engine, Tracker]:
    """Open our database and Rasa's for erasing."""
    engine, tracker = open_engine(database_url), Tracker.beside(database_url)
    for each in filter(None, (engine, tracker.engine)):
        leave_no_trace(each)
    return engine, tracker


def leave_no_trace(engine: Engine) -> None:
    """Have SQLite overwrite what it deletes on this engine's connections; PostgreSQL does so when it vacuums."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA secure_delete = ON"))


def empty_log(engine: Engine) -> None:
    """Have SQLite empty its write-ahead log, in which what was deleted still stands."""
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


def _delete(session: Session, table: Any, these: Any) -> int:
    return int(session.execute(delete(table).where(these)).rowcount)
