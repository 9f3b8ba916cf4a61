"""The only owner of engines and sessions, for `actions` and `bot`; also the column types that both databases share.

    engine = open_engine("sqlite:///var/polydesk.db")
    with transaction(engine) as session:   # commits at the end, rolls back on an error
        session.add(...)
    with reading(engine) as session:
        session.scalars(select(...))

SQLite and PostgreSQL only. The tables of the shop (`actions/tables.py`) and of the edge (`bot/tables.py`) share the
`metadata` here, and one history of migrations. Nothing is opened before the first session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import DateTime, MetaData, Numeric, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.orm import DeclarativeMeta, Session, registry
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

DEFAULT_URL = "sqlite:///var/polydesk.db"
BUSY_SECONDS = 10
WRITERS_TURN = "writers_turn"  # an engine's option
CENT = Decimal("0.01")
# A table's option. An id that was told to somebody, or stands in the audit or in a release's lineage, is not given to
# another row once its own is deleted.
NEVER_AGAIN = {"sqlite_autoincrement": True}
INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
mappings = registry(metadata=metadata)


class Base(metaclass=DeclarativeMeta):  # type: ignore[metaclass]  # SQLAlchemy 1.4 has no types
    """What every mapped class inherits."""

    __abstract__ = True
    registry = mappings
    metadata = metadata
    __init__ = mappings.constructor


class UtcDateTime(TypeDecorator):  # type: ignore[misc]
    """A moment in UTC; refuses a `datetime` without time zone, and gives none (SQLite keeps no zone itself)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Turn a moment into UTC before it is stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Give a stored moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Amount(TypeDecorator):  # type: ignore[misc]
    """A sum of money with two decimals, exact; SQLite has only floats, which hold twelve digits without loss."""

    impl = Numeric(12, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """Read floats from SQLite, decimals from PostgreSQL."""
        return dialect.type_descriptor(Numeric(12, 2, asdecimal=dialect.name != "sqlite"))

    def process_result_value(self, value: float | Decimal | None, dialect: Any) -> Decimal | None:
        """Give a decimal with two places."""
        return None if value is None else Decimal(value).quantize(CENT)


def open_engine(url: str) -> Engine:
    """Make the engine of a process, which connects when first used.

    Raises ValueError for anything but a SQLite file or a PostgreSQL server.
    """
    if url.startswith("postgres://"):
        url = url.replace("postgres://", "postgresql://", 1)
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg2"), future=True, pool_pre_ping=True)
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return _sqlite_engine(parsed)
    raise ValueError(f"The database must be a SQLite file or PostgreSQL, not {parsed.render_as_string()}.")


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open a session that may write; commits at the end, rolls back on an error."""
    writer = engine.execution_options(writes=True)
    turn = engine.get_execution_options().get(WRITERS_TURN) or nullcontext()
    with turn, Session(writer, future=True, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a session that only reads; it never waits for a writer of SQLite's."""
    with Session(engine, future=True) as session:
        yield session


def insert_if_new(session: Session, table: Table, **values: Any) -> bool:
    """Insert a row unless one of its unique keys is taken; tell whether it was inserted.

    On PostgreSQL this waits for another transaction that is just inserting the same key.
    """
    insert = INSERTS[session.get_bind().dialect.name]
    return bool(session.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount)


def _sqlite_engine(url: URL) -> Engine:
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        future=True,
        poolclass=QueuePool,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        # SQLite has one writer at a time, and who waits for it polls: the threads of a process take turns here instead.
        execution_options={WRITERS_TURN: RLock()},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Python's driver would open transactions by itself, and only at the first write.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another wrote in between: ask to write at once.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
