"""What some one edge does now and then for all of them: claimed in the database, so that no two do it at a time.

A claim is a lease: of an edge that dies, or that does not come to an end, it runs out. Touches the database.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.engine import Engine

from actions.database import insert_if_new, transaction
from bot.tables import chores

LEASE = timedelta(minutes=10)


class Chore:
    """One edge's share of a chore. `lease` is how long a dead edge's chore waits."""

    def __init__(self, engine: Engine, name: str, *, lease: timedelta = LEASE) -> None:
        self._engine = engine
        self._name = name
        self._edge = str(uuid.uuid4())
        self._lease = lease

    def begin(self, now: datetime, *, after: timedelta) -> bool:
        """Claim the chore if it was last done so long ago and nobody does it; its time begins with the first call."""
        this = chores.c.name == self._name
        with transaction(self._engine) as session:
            if insert_if_new(session, chores, name=self._name, done_at=now):
                return False
            row = session.execute(select(chores).where(this).with_for_update()).one()
            if now - row.done_at < after or (row.lease_until and row.lease_until >= now):
                return False
            session.execute(update(chores).where(this).values(lease_by=self._edge, lease_until=now + self._lease))
            return True

    def go_on(self, now: datetime) -> bool:
        """Keep the claim for the next step; False if it is lost."""
        return self._change(lease_until=now + self._lease)

    def done(self, now: datetime) -> None:
        """Note that the chore has been done."""
        self._change(done_at=now, lease_by=None, lease_until=None)

    def _change(self, **values: object) -> bool:
        mine = (chores.c.name == self._name, chores.c.lease_by == self._edge)
        with transaction(self._engine) as session:
            return bool(session.execute(update(chores).where(*mine).values(values)).rowcount)
