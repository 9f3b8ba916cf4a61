"""What Rasa keeps of conversations: the events in its own database, a file or a schema. Touches that database only."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, delete, inspect, select
from sqlalchemy.engine import Engine, make_url

from actions.database import open_engine, reading, transaction
from bot.rasa_files import SCHEMA, tracker_url


class Tracker:
    """Rasa's events; there are none before its first run."""

    def __init__(self, engine: Engine | None) -> None:
        self.engine = engine
        # Rasa makes the table: this says only what is read of it.
        schema = SCHEMA if engine is not None and engine.dialect.name == "postgresql" else None
        self._events = Table(
            "events",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("sender_id", String(255)),
            Column("timestamp", Float),
            Column("data", Text),
            schema=schema,
        )

    @classmethod
    def beside(cls, database_url: str) -> Tracker:
        """Open the tracker of the run that has this database."""
        url = tracker_url(database_url)
        parsed = make_url(url)
        is_file = parsed.get_backend_name() == "sqlite"
        return cls(None if is_file and not Path(parsed.database).exists() else open_engine(url))

    def events(self, conversations: Collection[str]) -> list[dict[str, Any]]:
        """Return the conversations' events, in their order."""
        if self.engine is None or not self._exists(self.engine):
            return []
        query = select(self._events.c.sender_id, self._events.c.data).where(
            self._events.c.sender_id.in_(list(conversations))
        )
        with reading(self.engine) as session:
            rows = session.execute(query.order_by(self._events.c.id))
            return [{"conversation": row.sender_id, **json.loads(row.data)} for row in rows]

    def erase(self, conversations: Collection[str]) -> int:
        """Delete the conversations' events; returns how many there were."""
        return self._delete(self._events.c.sender_id.in_(list(conversations)))

    def erase_before(self, conversations: Collection[str], timestamp: float) -> int:
        """Delete the conversations' events from before a moment (seconds since 1970); returns how many there were."""
        return self._delete(self._events.c.sender_id.in_(list(conversations)) & (self._events.c.timestamp < timestamp))

    def _delete(self, these: Any) -> int:
        if self.engine is None or not self._exists(self.engine):
            return 0
        with transaction(self.engine) as session:
            return int(session.execute(delete(self._events).where(these)).rowcount)

    def _exists(self, engine: Engine) -> bool:
        return bool(inspect(engine).has_table(self._events.name, schema=self._events.schema))
