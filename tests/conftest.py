"""Databases for the tests: each test that takes one runs on SQLite and on PostgreSQL, on a fresh database each time.

Databases with tables are copies of one that was migrated once: migrating takes longer than most tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from actions.database import open_engine
from bot.migrations import migrate
from tests.services import postgresql_server, redis_server

__all__ = ["database_kind", "database_url", "engine", "postgresql_server", "redis_server", "sqlite_engine"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Name each kind of database."""
    return str(request.param)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database, once for each kind."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    with fresh_database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture
def engine(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Give an engine on a database with all tables, once for each kind."""
    if database_kind == "sqlite":
        yield from _copy(request.getfixturevalue("sqlite_template"), tmp_path / "shop.db")
        return
    template = request.getfixturevalue("postgresql_template")
    server, _, name = template.rpartition("/")
    with fresh_database(server, template=name) as url:
        yield from _opened(url)


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """Give an engine on a SQLite database with all tables, for tests to which the kind does not matter."""
    yield from _copy(sqlite_template, tmp_path / "only.db")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SQLite file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """Give the URL of a PostgreSQL database with all tables, to be copied."""
    with fresh_database(postgresql_server) as url:
        migrate(url)
        yield url


@contextmanager
def fresh_database(server: str, *, template: str = "template1") -> Iterator[str]:
    """Make a database on a PostgreSQL server, as a copy of another one, and drop it at the end."""
    name = f"polydesk_{uuid4().hex}"
    order(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield f"{server}/{name}"
    finally:
        order(server, f"DROP DATABASE {name} WITH (FORCE)")


def _copy(template: Path, file: Path) -> Iterator[Engine]:
    shutil.copyfile(template, file)
    yield from _opened(f"sqlite:///{file}")


def _opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def order(server: str, statement: str) -> None:
    """Have a PostgreSQL server do something outside of transactions."""
    engine = open_engine(f"{server}/postgres")
    # Databases are not made in transactions.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()
