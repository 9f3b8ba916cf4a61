"""Shows all that is kept about a person, as one JSON document. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from actions.database import reading
from bot.personal_data.places import ERASED, KEPT, Person, Place
from bot.personal_data.tracker import Tracker

FORMAT = 1
# Keys that tell nothing about a person and are ours to know.
LEFT_OUT = frozenset({"lease_by", "lease_until"})


def export(
    engine: Engine, tracker: Tracker, person: Person, *, learned: Callable[[Iterable[int]], list[str]]
) -> dict[str, Any]:
    """Return the person's data; `learned` names the releases that learned from transcripts."""
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC),
        "conversations": _tables(engine, ERASED, person),
        "dialogue": tracker.events(person.conversations),
        "shop": _tables(engine, KEPT, person),
        "releases_that_learned_from_it": learned(person.transcripts),
    }


def as_json(document: dict[str, Any]) -> bytes:
    """Return the document as it is written to a file."""
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=_plain), indent=2) + b"\n"


def counts(document: dict[str, Any]) -> dict[str, int]:
    """Return how many rows of each table the document holds."""
    tables = {**document["conversations"], **document["shop"], "dialogue": document["dialogue"]}
    return {table: len(rows) for table, rows in tables.items()}


def count(engine: Engine, places: Iterable[Place], person: Person) -> int:
    """Return how many of the places' rows are the person's."""
    with reading(engine) as session:
        return sum(
            int(session.scalar(select(func.count()).select_from(place.table).where(place.theirs(person))))
            for place in places
        )


def _tables(engine: Engine, places: Iterable[Place], person: Person) -> dict[str, list[dict[str, Any]]]:
    shown = {}
    with reading(engine) as session:
        for place in places:
            keys = list(place.table.primary_key.columns)
            rows = session.execute(select(place.table).where(place.theirs(person)).order_by(*keys)).mappings().all()
            if rows:
                shown[place.table.name] = [_without_ours(row) for row in rows]
    return shown


def _without_ours(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in LEFT_OUT}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
